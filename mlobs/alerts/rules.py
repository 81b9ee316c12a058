"""What an alert rule is: an indicator, a limit, a hold, and words for whoever is woken.

Indicators are in `mlobs.alerts.indicators`.
"""

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from mlobs.alerts.indicators import WITHOUT_LIMIT, Indicator
from mlobs.alerts.measured import Engine, Record
from mlobs.semconv.rows import Attribute

Severity = Literal["critical", "warning", "info"]

SLOT = re.compile(r"\{([^{}]*)\}")
FACTS = ("value", "limit", "window", "hold")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# Labels that a rule has anyway, or that Prometheus, Alertmanager or Grafana set.
RESERVED = ("severity", "component", "alertname", "grafana_folder")
LOOKS_A_WINDOW = 240  # A window of an hour is looked at every 15 seconds.
EVERY_S_MAX = 300.0


def slot(attribute: Attribute) -> str:
    """Return what stands for the alert's value of `attribute` in a rule's texts.

    >>> from mlobs.semconv.attributes import SERVICE_NAME
    >>> slot(SERVICE_NAME)
    '{service.name}'
    """
    return f"{{{attribute.name}}}"


class Rule(Record):
    """One alert.

    Args:
        name: As on the pager: `Mlobs`, the thing, the condition.
        indicator: What is measured.
        above: The indicator has to be greater than this; absence, silence and watchdog have no limit.
            Of a burn rate this is the factor.
        hold_s: How long it has to be, without a break, before the alert fires.
        keep_firing_s: How long a firing alert outlives its cause, so that it does not flap.
        severity: critical wakes somebody, warning waits for the morning, info is looked up.
        component: The part of the house it is about, for routing.
        labels: Further fixed labels, such as a team, with names that Prometheus takes.
        summary: One line without numbers.
        description: What is wrong, with numbers, and the first thing to do. In both texts
            {service.name} and the like stand for labels, {value}, {limit}, {window} and
            {hold} for numbers.
        runbook: The page in alerts/runbooks; the rule's name if not given.
    """

    name: str = Field(pattern=r"^[A-Z][A-Za-z0-9]{2,79}$")
    indicator: Indicator
    above: float | None = Field(default=None, allow_inf_nan=False)
    hold_s: int = Field(default=0, ge=0)
    keep_firing_s: int = Field(default=0, ge=0)
    severity: Severity
    component: str = Field(pattern=r"^[a-z][a-z_]*$")
    labels: dict[str, str] = Field(default_factory=dict)
    summary: str = Field(min_length=1)
    description: str = Field(min_length=1)
    runbook: str = Field(default="", pattern=r"^[A-Za-z0-9]*$")

    @property
    def page(self) -> str:
        """Return the name of the runbook page."""
        return self.runbook or self.name

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Return who can evaluate the rule."""
        return self.indicator.engines

    @property
    def every_s(self) -> float:
        """Return how often the server has to ask: what looks far back changes slowly and costs much."""
        reach_s = self.indicator.window_s + getattr(self.indicator, "memory_s", 0)
        return min(reach_s / LOOKS_A_WINDOW, EVERY_S_MAX)

    @property
    def fixed_labels(self) -> dict[str, str]:
        """Return the labels that every alert of this rule carries."""
        return {"severity": self.severity, "component": self.component, **self.labels}

    @field_validator("labels")
    @classmethod
    def _names(cls, labels: dict[str, str]) -> dict[str, str]:
        for name in labels:
            if LABEL.fullmatch(name) is None:
                raise ValueError(
                    f"a label is called {name[:80]!r}; Prometheus wants letters, digits and _, and no digit "
                    "first, such as team"
                )
            if name in RESERVED or name.startswith("__"):
                raise ValueError(f"the label {name[:80]} is not the rule's to set; choose another name")
        return labels

    @model_validator(mode="after")
    def _whole(self) -> "Rule":
        for attribute in self.indicator.by:
            if attribute.label in self.labels:
                raise ValueError(
                    f"rule {self.name} sets the label {attribute.label}, by which it is grouped; choose "
                    "another name"
                )
        kind = self.indicator.kind
        if (self.above is None) != (kind in WITHOUT_LIMIT):
            wanted = "no limit: leave out 'above'" if self.above is not None else "a limit: set 'above'"
            raise ValueError(f"rule {self.name} has the indicator {kind}, which needs {wanted}")
        known = [attribute.name for attribute in self.indicator.by] + list(FACTS)
        for text in (self.summary, self.description):
            for name in SLOT.findall(text):
                if name not in known:
                    raise ValueError(
                        f"rule {self.name} says {{{name}}}, which it does not know; "
                        f"it knows {', '.join(f'{{{one}}}' for one in known)}"
                    )
        return self

"""What an alert rule is: an indicator, a limit, a hold, and words for whoever is woken.

An indicator says what is measured, in rows of `mlobs.semconv`. `promql` and `sql` know how
to ask for each kind; to add a kind, add a class to `Indicator` and a rendering to both.

Read `Rule` first.
"""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlobs.semconv.attributes import ERROR_TYPE, SERVICE_NAME
from mlobs.semconv.rows import Attribute, Metric, MetricKind

Severity = Literal["critical", "warning", "info"]
Unit = Literal["ratio", "number", "seconds"]

SLOT = re.compile(r"\{([^{}]*)\}")
FACTS = ("value", "limit", "window", "hold")


def slot(attribute: Attribute) -> str:
    """Return what stands for the alert's value of `attribute` in a rule's texts.

    >>> slot(SERVICE_NAME)
    '{service.name}'
    """
    return f"{{{attribute.name}}}"


class Record(BaseModel):
    """A frozen row that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FailureRatio(Record):
    """The share of calls that failed, of the calls that ended within the window.

    Args:
        metric: A duration, derived from spans.
        by: One alert for each combination of these.
        window_s: How far back calls are counted.
        calls_min: With fewer calls in the window there is no alert: one failure of three
            says little and wakes somebody.
        excused: Values of `error.type` that are the fault of whoever sent the request. Such
            calls are calls, but not failures.
    """

    kind: Literal["failure_ratio"] = "failure_ratio"
    metric: Metric
    by: tuple[Attribute, ...]
    window_s: int = Field(gt=0)
    calls_min: int = Field(ge=1)
    excused: tuple[str, ...] = ()
    unit: ClassVar[Unit] = "ratio"

    @model_validator(mode="after")
    def _fits(self) -> "FailureRatio":
        _check(self.metric, "histogram", (*self.by, ERROR_TYPE))
        _check_derived(self.metric)
        return self


class Gauge(Record):
    """The newest value of a gauge; of several processes, the largest.

    Args:
        metric: A gauge that services send.
        by: One alert for each combination of these.
        fresh_s: Older points do not count: nobody vouches for them any more.
        since: A gauge with the same labels that says when the trouble began, in seconds
            since 1970.
    """

    kind: Literal["gauge"] = "gauge"
    metric: Metric
    by: tuple[Attribute, ...]
    fresh_s: int = Field(default=300, gt=0)
    since: Metric | None = None
    unit: ClassVar[Unit] = "number"

    @property
    def window_s(self) -> int:
        """Return how far back the indicator looks."""
        return self.fresh_s

    @model_validator(mode="after")
    def _fits(self) -> "Gauge":
        for metric in (self.metric, self.since or self.metric):
            _check(metric, "gauge", self.by)
        return self


class Increase(Record):
    """How much a counter grew within the window, restarts of its process allowed for."""

    kind: Literal["increase"] = "increase"
    metric: Metric
    by: tuple[Attribute, ...]
    window_s: int = Field(gt=0)
    unit: ClassVar[Unit] = "number"

    @model_validator(mode="after")
    def _fits(self) -> "Increase":
        _check(self.metric, "counter", self.by)
        return self


class Absence(Record):
    """A service that used to make calls and makes none any more. The value is always 1.

    Args:
        metrics: Durations, derived from spans; any of them is a sign of life.
        window_s: No call for so long is silence.
        memory_s: How far back "used to" goes.
        calls_min: Only a service that made on average so many calls per window, over the
            memory, is missed. A nightly job or a quiet service is not.
    """

    kind: Literal["absence"] = "absence"
    metrics: tuple[Metric, ...] = Field(min_length=1)
    window_s: int = Field(gt=0)
    memory_s: int = Field(gt=0)
    calls_min: int = Field(ge=1)
    by: ClassVar[tuple[Attribute, ...]] = (SERVICE_NAME,)
    unit: ClassVar[Unit] = "number"

    @model_validator(mode="after")
    def _fits(self) -> "Absence":
        for metric in self.metrics:
            _check(metric, "histogram", self.by)
            _check_derived(metric)
        return self


class Watchdog(Record):
    """Always there: when it stops arriving, the way alerts take is broken."""

    kind: Literal["watchdog"] = "watchdog"
    by: ClassVar[tuple[Attribute, ...]] = ()
    window_s: ClassVar[int] = 0
    unit: ClassVar[Unit] = "number"


Indicator = Annotated[FailureRatio | Gauge | Increase | Absence | Watchdog, Field(discriminator="kind")]
WITHOUT_LIMIT = ("absence", "watchdog")


class Rule(Record):
    """One alert.

    Args:
        name: As on the pager: `Mlobs`, the thing, the condition.
        indicator: What is measured.
        above: The indicator has to be greater than this; absence and watchdog have no limit.
        hold_s: How long it has to be, without a break, before the alert fires.
        keep_firing_s: How long a firing alert outlives its cause, so that it does not flap.
        severity: critical wakes somebody, warning waits for the morning, info is looked up.
        component: The part of the house it is about, for routing.
        labels: Further fixed labels, such as a team.
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
    def fixed_labels(self) -> dict[str, str]:
        """Return the labels that every alert of this rule carries."""
        return {"severity": self.severity, "component": self.component, **self.labels}

    @model_validator(mode="after")
    def _whole(self) -> "Rule":
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


def _check(metric: Metric, kind: MetricKind, by: tuple[Attribute, ...]) -> None:
    if metric.kind != kind:
        raise ValueError(f"{metric.name} is a {metric.kind}, this indicator needs a {kind}")
    labels = (SERVICE_NAME, *metric.labels)
    for attribute in by:
        if attribute not in labels:
            has = ", ".join(label.name for label in labels)
            raise ValueError(f"{metric.name} has no label {attribute.name}; it has {has}")


def _check_derived(metric: Metric) -> None:
    if not metric.operations:
        raise ValueError(f"{metric.name} is not derived from spans, which this indicator counts")

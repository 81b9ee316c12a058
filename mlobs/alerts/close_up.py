"""Everything that is known of one alert: its rule, its runbook, its past, who was told, and the values.

Edge: this asks the store and reads the outbox's file.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlobs.alerts import history
from mlobs.alerts.counted import counted
from mlobs.alerts.desk import shown
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.replay.measuring import stretches
from mlobs.alerts.rules import Rule
from mlobs.alerts.runbooks import page_of
from mlobs.alerts.sql import Ask
from mlobs.alerts.words import fires_when, for_people, number
from mlobs.errors import QueryError, StoreError
from mlobs.semconv.rows import Metric

EPISODES_SHOWN, DELIVERIES_SHOWN = 20, 20


class CloseUp:
    """Looks at one alert.

    Args:
        outbox: Has the episodes and deliveries.
        ask: Answers a query of the store.
        rules: The file of one's own rules, beside which there may be runbooks.
    """

    def __init__(self, outbox: Outbox, ask: Ask, rules: Path | None) -> None:
        self._outbox = outbox
        self._ask = ask
        self._rules = rules

    def of(
        self,
        source: str,
        fingerprint: str,
        *,
        now: Mapping[str, Any] | None,
        rule_of: Callable[[str], Rule | None],
        between_s: tuple[float, float] | None,
    ) -> dict[str, Any] | None:
        """Return what is known of an alert, or None if nothing is.

        Args:
            source: Who found it.
            fingerprint: Of the alert.
            now: What is shown of it while it is not over.
            rule_of: Returns a rule that is evaluated by its name.
            between_s: From when until when its values are asked for, in seconds since 1970; not at all
                if None.
        """
        episodes = history.recent(self._outbox, EPISODES_SHOWN, source=source, fingerprint=fingerprint)
        latest = next(iter(episodes), None)
        # What contributed most was asked when it began; while it fires, only its episode remembers that.
        known = {"top": latest["top"]} if latest is not None and latest["resolved"] is None else {}
        alert = latest if now is None else {**known, **now}
        if alert is None:
            return None
        rule = rule_of(alert["rule"]) if source == "mlobs" else None
        found = self._outbox.recent(DELIVERIES_SHOWN, fingerprint=fingerprint)
        return {
            "alert": {"state": "over", **alert},
            "rule": None if rule is None else self._rule(rule, alert),
            "runbook": self._runbook(alert["rule"] if rule is None else rule.page),
            "episodes": episodes,
            "deliveries": [shown(one) for one in found],
            **self._values(rule, alert["labels"], between_s),
        }

    def _rule(self, rule: Rule, alert: Mapping[str, Any]) -> dict[str, Any]:
        metric = getattr(rule.indicator, "metric", None)  # Others' expressions have none.
        value = float("inf") if alert["value"] is None else float(alert["value"])
        return {
            "name": rule.name,
            "description": for_people(rule, rule.description, alert["labels"], value),
            "fires_when": fires_when(rule),
            "hold_s": rule.hold_s,
            "window_s": rule.indicator.window_s,
            "metric": metric.name if isinstance(metric, Metric) else None,
            "counts": counted(rule, alert["labels"]),
            "value": number(value, rule.indicator.unit) if alert["value"] is not None else None,
            "limit": rule.above,
            "limit_text": None if rule.above is None else number(rule.above, rule.indicator.unit),
            "unit": rule.indicator.unit,
        }

    def _runbook(self, page: str) -> dict[str, str] | None:
        found = page_of(page, self._rules)
        if found is None:
            return None
        return {"page": found.name, "text": found.read_text(encoding="utf-8")}

    def _values(
        self, rule: Rule | None, labels: Mapping[str, str], between_s: tuple[float, float] | None
    ) -> dict[str, Any]:
        if rule is None or between_s is None:
            return {"values": None, "values_error": None}
        try:
            found = stretches(rule, labels, self._ask, from_s=between_s[0], to_s=between_s[1])
        except (QueryError, StoreError) as error:  # The rest of what is known is worth showing.
            return {"values": None, "values_error": str(error)}
        return {"values": found, "values_error": None}

"""When an alert is pending, when it fires, and when it is over.

One `Alert` is a rule and one combination of labels. `advance` takes what was known of it and
what the rule says now, and returns what is known then and whether that is a change somebody
must hear of. Times are arguments, in seconds since 1970; the same steps as in Prometheus.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mlobs.alerts.rules import Rule

State = Literal["pending", "firing"]
Change = Literal["firing", "resolved"]

SECONDS_MAX = 2**32  # In the year 2106. Later times are mistakes.
CLOCK_S = 5.0  # A moment as far ahead is now, by a clock that is adjusted.


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One row of a rule's answer: the rule is broken for these labels.

    Args:
        labels: By Prometheus label name, those of the indicator.
        value: What the indicator measured.
        volume: How many calls or series it was made of.
        trace_ids: Examples, the newest last.
        since_s: When the trouble began, if the indicator knows.
        largest: Of what `value` was worked out from, the largest that was measured, if the indicator knows.
    """

    labels: Mapping[str, str]
    value: float
    volume: int = 0
    trace_ids: tuple[str, ...] = ()
    since_s: float | None = None
    largest: float | None = None

    @property
    def told(self) -> float:
        """Return the value that people are told: a quantile between two bounds may be above every call."""
        return self.value if self.largest is None else min(self.value, self.largest)


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """An alert that is not over.

    Args:
        rule: The rule's name.
        state: pending until the rule's hold is over.
        active_s: When the rule was first found broken.
        seen_s: When it was last found broken.
        firing_s: When it began to fire.
        clearing_s: When it was first found whole again while firing; it fires on for the
            rule's keep_firing.
        finding: The latest that was found.
        peak: The largest value that people would be told, since it was first found broken; every limit is one
            that values are above of, so it is the worst. None of what an older release wrote.
        peak_s: When that was measured.
    """

    rule: str
    state: State
    active_s: float
    seen_s: float
    firing_s: float | None = None
    clearing_s: float | None = None
    finding: Finding = field(default_factory=lambda: Finding(labels={}, value=0.0))
    peak: float | None = None
    peak_s: float | None = None

    @property
    def fingerprint(self) -> str:
        """Return what identifies the alert for as long as rule and labels stay."""
        return fingerprint(self.rule, self.finding.labels)


def fingerprint(rule: str, labels: Mapping[str, str]) -> str:
    """Return 16 hexadecimal digits that are the same for the same rule and labels, in any order.

    >>> fingerprint("R", {"a": "1", "b": "2"}) == fingerprint("R", {"b": "2", "a": "1"})
    True
    """
    text = json.dumps([rule, sorted(labels.items())], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def advance(
    known: Alert | None, found: Finding | None, rule: Rule, *, now_s: float, interval_s: float
) -> tuple[Alert | None, Change | None]:
    """Return what is known of an alert after an evaluation, and the change, if there was one.

    Args:
        known: The alert as it was, or None.
        found: What the rule found for its labels now, or None: the rule is whole.
        rule: The rule.
        now_s: When the rule was evaluated.
        interval_s: How often it is. A pending alert begins anew if nobody looked for twice
            as long, and for longer than its hold: what was in between is not known. So it does, and so
            does the time a firing alert is kept, if the clock was set back to before it began.
    """
    if found is not None:
        patience_s = max(rule.hold_s, 2 * interval_s)
        if known is not None and known.state == "pending":
            is_unseen, is_to_come = now_s - known.seen_s > patience_s, known.active_s > now_s + CLOCK_S
            known = None if is_unseen or is_to_come else known
        return _broken(known, found, rule, now_s)
    if known is None or known.state == "pending":
        return None, None
    clearing_s = known.clearing_s
    if clearing_s is None or clearing_s > now_s + CLOCK_S:
        clearing_s = now_s
    if now_s - clearing_s >= rule.keep_firing_s:
        return None, "resolved"
    return replace(known, clearing_s=clearing_s), None


def _broken(known: Alert | None, found: Finding, rule: Rule, now_s: float) -> tuple[Alert, Change | None]:
    if known is None:
        known = Alert(rule=rule.name, state="pending", active_s=now_s, seen_s=now_s)
    # An example is worth keeping when the newest rows have none.
    kept = found if found.trace_ids else replace(found, trace_ids=known.finding.trace_ids)
    known = replace(known, seen_s=now_s, clearing_s=None, finding=kept)
    if known.peak is None or found.told > known.peak:
        known = replace(known, peak=found.told, peak_s=now_s)
    if known.state == "pending" and now_s - known.active_s >= rule.hold_s:
        return replace(known, state="firing", firing_s=now_s), "firing"
    return known, None


def finding(row: Mapping[str, Any], rule: Rule) -> Finding:
    """Return a row of an answer as a finding. What came as telemetry is not believed."""
    since_s = row["since_s"]
    value, largest = row["value"], row.get("largest")
    return Finding(
        labels={attribute.label: str(row[attribute.label]) for attribute in rule.indicator.by},
        value=math.inf if value is None else float(value),  # JSON has no infinity
        volume=int(row["volume"]),
        trace_ids=tuple(str(one) for one in row["trace_ids"] if one),
        since_s=float(since_s) if since_s is not None and 0 < since_s < SECONDS_MAX else None,
        largest=None if largest is None else float(largest),
    )

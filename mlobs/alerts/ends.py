"""Why an alert ended: what its rule measures now against the limit, or what there is no more to measure.

Pure: `asked` makes one question for all alerts of a rule that end at once, `ended` says what its rows mean.
An end is no proof that all is well: data may have stopped coming, or too few calls may be left to judge by.
Whoever is told of the end is told which it was.

reason       within_limit  what is measured is no longer over the limit
             too_few       fewer calls are left than the rule judges by
             no_data       nothing is left to measure
             back          what was missed has come again
             given_up      it is missed for so long that nobody waits for it any more
             otherwise     the value is over the limit still, and another condition of the rule is not met
             rule_gone     the rule was removed or renamed
             deleted       the user or session that it is about was deleted
             by_hand       somebody ended an alert from elsewhere, whose sender said no end of it
             sender        whoever found it says that it ended, and not why
             unknown       it could not be asked
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from mlobs.alerts import clauses as c
from mlobs.alerts.indicators import Absence, BurnRate, Gauge, Increase, Silence
from mlobs.alerts.message import finite
from mlobs.alerts.rules import Rule
from mlobs.alerts.sql import ALERTS_MAX, Question, chosen, question
from mlobs.alerts.states import Alert, Finding, finding, fingerprint
from mlobs.alerts.words import duration, fires_when, number

UNJUDGED = "Whether the trouble is over is not known."
# Of indicators: what else than the limit has to be met. Without it, everything that is measured comes back.
NOTHING_ELSE = {"calls_min": 0, "bad_min": 0, "history_s": 0, "amount_min": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Why an alert ended.

    Args:
        reason: One of those above.
        text: The same for people, in one or two sentences.
        value: What is measured now; None if nothing is, or nobody knows.
        value_text: The same for people.
    """

    reason: str
    text: str
    value: float | None = None
    value_text: str | None = None

    @property
    def row(self) -> dict[str, Any]:
        """Return it as messages have it."""
        return asdict(self)


UNASKED = Ended(
    reason="unknown", text="The rule no longer holds; what it measures now could not be asked of the store."
)


def rule_gone(name: str) -> Ended:
    """Return the end of an alert whose rule is no more."""
    return Ended(
        reason="rule_gone",
        text=(
            f"The rule {name} is gone: it was removed or renamed, and its alerts end with it. {UNJUDGED} "
            "First: mlobs alerts rules says which rules there are."
        ),
    )


def deleted(what: str) -> Ended:
    """Return the end of an alert about a user or session that somebody deleted."""
    return Ended(
        reason="deleted",
        text=f"The {what} that it is about was deleted, with everything that was measured of it.",
    )


def asked(rule: Rule, *, now_s: float) -> Question | None:
    """Return the question for what `rule` measures now, of all labels and whether it is broken or not."""
    of = rule.indicator
    if isinstance(of, Absence | Silence):
        return _signs_of_life(of, now_s)
    looser = {name: value for name, value in NOTHING_ELSE.items() if name in type(of).model_fields}
    # Copies are not validated, so a limit that no rule may have can be set.
    unlimited = rule.model_copy(
        update={"above": -sys.float_info.max, "indicator": of.model_copy(update=looser)}
    )
    return question(unlimited, now_s=now_s)


def ended(
    rule: Rule, alerts: Iterable[Alert], rows: Iterable[Mapping[str, Any]], *, now_s: float
) -> dict[str, Ended]:
    """Return why alerts ended, by their fingerprints.

    Args:
        rule: Theirs.
        alerts: Those that end now.
        rows: What the question's answer is.
        now_s: When.
    """
    found = [finding(row, rule) for row in rows]
    measured = {fingerprint(rule.name, one.labels): one for one in found}
    cut = len(found) >= ALERTS_MAX
    return {
        alert.fingerprint: UNASKED
        if cut and alert.fingerprint not in measured
        else _ended(rule, alert, measured.get(alert.fingerprint), now_s)
        for alert in alerts
    }


def _ended(rule: Rule, alert: Alert, now: Finding | None, now_s: float) -> Ended:
    of = rule.indicator
    if isinstance(of, Absence | Silence):
        return _missed(of, alert, now, now_s)
    if now is None:
        return Ended(reason="no_data", text=f"{_nothing(rule)} {UNJUDGED}")
    value, was = number(now.told, of.unit), number(alert.finding.told, of.unit)
    known = Ended(reason="otherwise", text="", value=finite(now.told), value_text=value)
    window, limit = duration(of.window_s), "" if rule.above is None else number(rule.above, of.unit)
    judged_by = getattr(of, "calls_min", 0)
    lasted = (
        f" The rule has not been broken for {duration(rule.keep_firing_s)}." if rule.keep_firing_s else ""
    )
    if now.volume < judged_by:
        only = "No calls" if not now.volume else "1 call" if now.volume == 1 else f"{now.volume} calls"
        text = f"{only} ended in the last {window}, and fewer than {judged_by} say too little. {UNJUDGED}"
        nothing = {} if now.volume else {"value": None, "value_text": None}
        return replace(known, reason="too_few" if now.volume else "no_data", text=text, **nothing)
    if rule.above is None or now.value <= rule.above:
        text = f"It is {value} now, after {was}, and no longer more than {limit}.{lasted}"
        return replace(known, reason="within_limit", text=text)
    if isinstance(of, BurnRate):
        lately = duration(of.short_s)
        text = (
            f"In the last {lately} the budget is spent no longer as fast; over {window} it is still {value} "
            f"times as fast as it should be, after {was}.{lasted}"
        )
        return replace(known, reason="within_limit", text=text)
    text = (
        f"It is {value} now, after {was}, but not all of this is true any more: {fires_when(rule)}.{lasted}"
    )
    return replace(known, text=text)


def _nothing(rule: Rule) -> str:
    of = rule.indicator
    window = duration(of.window_s)
    if isinstance(of, Gauge) or (isinstance(of, Increase) and not of.metric.operations):
        return f"Nobody has sent {of.metric.name} for {window}, so there is nothing to measure."
    return f"No calls ended in the last {window}, so there is nothing to measure."


def _missed(of: Absence | Silence, alert: Alert, now: Finding | None, now_s: float) -> Ended:
    window = duration(of.window_s)
    what, patience_s = ("calls", of.missed_s) if isinstance(of, Absence) else (of.metric.name, of.memory_s)
    if now is not None and now.value:
        came = "Calls came again" if isinstance(of, Absence) else f"{what} is sent again"
        return Ended(reason="back", text=f"{came} in the last {window}.")
    if isinstance(of, Silence) and (now is None or not now.volume):
        text = f"The calls that {what} is about have stopped, too, for {window}. {UNJUDGED}"
        return Ended(reason="no_data", text=text)
    since_s = alert.finding.since_s
    if since_s is not None and now_s - since_s >= patience_s:
        text = f"There were no {what} for {duration(patience_s)}"
        if isinstance(of, Silence):
            text = f"Nobody has sent {what} for {duration(patience_s)}"
        return Ended(reason="given_up", text=f"{text}, so nobody waits for it any longer.")
    return Ended(reason="otherwise", text="It used to be so seldom lately that it is not missed any more.")


def _signs_of_life(of: Absence | Silence, now_s: float) -> Question:
    """Ask of all labels how many signs of life there were within the window, and of a silence how many calls.

    The value is 0 where calls went on without what is missed.
    """
    params = {
        "now_ms": round(now_s * 1000),
        "from_ms": round((now_s - of.window_s) * 1000),
        "rows_max": ALERTS_MAX,
        **c.given(chosen(of)),
    }
    names = c.names(of.by)
    if isinstance(of, Absence):
        any_of = " OR ".join(f"({c.of(metric)})" for metric in of.metrics)
        rows = (
            f"SELECT {c.columns(of.by)}, 1 AS sign, 0 AS called FROM otel_traces "
            f"WHERE ({any_of}) AND {c.between('from_ms')}{c.among_calls(of.where)}"
        )
    else:
        rows = f"""SELECT {c.points(of.by)}, 1 AS sign, 0 AS called FROM otel_metrics_gauge
    WHERE MetricName = {c.text(of.metric.name)} AND {c.pointed("from_ms")}{c.among_points(of.where)}
    UNION ALL
    SELECT {c.columns(of.by)}, 0 AS sign, 1 AS called FROM {c.calls(of.calls, "from_ms", of.where)}"""
    return Question(
        f"""SELECT {names}, sum(sign) AS value, sum(called) AS volume,
    CAST([], 'Array(String)') AS trace_ids, NULL AS since_s
FROM (
    {rows}
)
GROUP BY {names}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        params,
    )

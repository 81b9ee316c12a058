"""Which part contributes most to an alert: the first thing whoever is woken asks.

Pure: `contributions` makes a question for the server's tables, `top` reads its rows. Of every value of every
dimension that the alert does not fix already, its share of the trouble is compared with its share of what
there is anyway: a model that makes 80% of the calls and 80% of the failures is no hint. Trouble, and what
there is anyway, are

* of a ratio or a burn rate: bad calls, and calls;
* of a quantile: calls beyond the limit, and calls;
* of money, tokens and other sums: the sum, and calls; where nothing stands out, most of the sum is told;
* of what grew: the sum now, and the sum before;
* of the tool calls of runs that go round in circles: tool calls, by tool;
* of answers, checks and scores that the server makes figures of: those that are bad, or how far they are
  below what was usual, and all of them;
* of calls that nobody watches for drift any more: those since it is so, and those before;
* of gauges and counters that programs send: the value of each series, and series.

Of a service that fell silent nothing is told: what it did last is no part of what it does not do.

Calls are those that happened: one that a sampler kept counts with those it stands for.

Users and sessions are no dimensions here: messages leave the house.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlobs.alerts import clauses as c
from mlobs.alerts.conditions import Value
from mlobs.alerts.figured import Figured, figured
from mlobs.alerts.indicators import (
    Absence,
    BurnRate,
    Gauge,
    Growth,
    Increase,
    PerCallGrowth,
    Quantile,
    Ratio,
    Silence,
)
from mlobs.alerts.measured import FROM_RUNS
from mlobs.alerts.rules import Rule
from mlobs.alerts.sql import Question, before_ms, chosen, grown, latest
from mlobs.semconv import attributes as a
from mlobs.semconv.dialects.rows import TENANT
from mlobs.semconv.metrics import BUDGET_FORECAST, BUDGET_SPENT, COST, TOOL_DURATION
from mlobs.semconv.rows import Attribute
from mlobs.semconv.weights import WEIGHT

EXCESS_MIN = 0.1
# A part of a sum that is told although it does not stand out; of failures, one that explains them.
MOST_MIN = 0.5
VALUES_MAX = 5  # Of each dimension, those with the most trouble.
CHARACTERS_MAX = 200
DAY_S = 86_400

_IN_RESOURCE = (a.SERVICE_VERSION, a.SERVICE_INSTANCE_ID)
_PROCESS = a.SERVICE_INSTANCE_ID.name
DIMENSIONS = (
    a.SERVICE_NAME, a.REQUEST_MODEL, a.PROVIDER_NAME, a.AGENT_NAME, a.TOOL_NAME, a.OPERATION_NAME,
    a.PROMPT_NAME, a.PROMPT_VERSION, TENANT, a.MODEL_NAME, a.MODEL_VERSION, *_IN_RESOURCE, a.ERROR_TYPE,
)  # fmt: skip

# Parts that a rule may tell apart, the most telling first.
OWN = (
    a.FEATURE, a.EVALUATION_NAME, a.NAME, a.TOOL_NAME, a.ERROR_TYPE, a.AGENT_NAME, a.REQUEST_MODEL,
    a.MODEL_NAME, TENANT,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parts:
    """What is added up.

    Args:
        rows: What to select from, with a condition.
        trouble: What a row adds to the trouble.
        anyway: And to what there is anyway.
        values: The dimensions, with their expressions.
        fixed: The labels of the alert, with theirs.
        weight: How many rows each stands for.
        is_sum: Whether a large part is worth telling even if it does not stand out.
        params: Further ones, of the rows.
    """

    rows: str
    trouble: str
    anyway: str
    values: Mapping[Attribute, str]
    fixed: Mapping[Attribute, str]
    weight: str
    is_sum: bool = False
    params: Mapping[str, Value] = field(default_factory=dict)


def contributions(
    rule: Rule, labels: Mapping[str, str], *, now_s: float, since_s: float | None = None
) -> Question | None:
    """Return the question, or None where the rule has nothing that consists of parts.

    Args:
        rule: The rule that fires.
        labels: The alert's, by Prometheus label name.
        now_s: When it fires.
        since_s: When the trouble began, if that is known.
    """
    of = rule.indicator
    params: dict[str, Value] = {
        "now_ms": round(now_s * 1000),
        "from_ms": round((now_s - of.window_s) * 1000),
    }
    if "server" not in rule.engines:
        return None
    if isinstance(of, Silence):
        parts: Parts | None = _missed(of, now_s, now_s - of.window_s if since_s is None else since_s)
    else:
        parts = _parts(rule, params)
    if parts is None:
        return None
    fixed = "".join(f" AND {value} = {{{one.label}:String}}" for one, value in parts.fixed.items())
    pairs = ", ".join(
        f"({c.text(one.name)}, {value})" for one, value in parts.values.items() if one not in parts.fixed
    )
    return Question(
        f"""SELECT pair.1 AS dimension, pair.2 AS value, sum(trouble) AS failures, sum(anyway) AS calls,
    {int(parts.is_sum)} AS is_sum
FROM (
    SELECT [('', ''){f", {pairs}" if pairs else ""}] AS pairs,
        toFloat64({parts.trouble}) * {parts.weight} AS trouble,
        toFloat64({parts.anyway}) * {parts.weight} AS anyway
    FROM {parts.rows}{fixed}
) ARRAY JOIN pairs AS pair
WHERE pair.1 = '' OR pair.2 != ''
GROUP BY dimension, value
ORDER BY failures DESC, value LIMIT {VALUES_MAX} BY dimension""",
        {
            **params,
            **parts.params,
            **c.given(chosen(of)),
            **{one.label: labels.get(one.label, "") for one in parts.fixed},
        },
    )


def top(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the dimension and value that contribute most, and their share of the trouble.

    Args:
        rows: What the question's answer is; the one without a dimension counts everything.

    >>> top([{"dimension": "", "value": "", "failures": 10, "calls": 100},
    ...      {"dimension": "gen_ai.request.model", "value": "m", "failures": 9, "calls": 20}])
    {'dimension': 'gen_ai.request.model', 'value': 'm', 'share': 0.9}
    """
    found = {(str(row["dimension"]), str(row["value"])): row for row in rows}
    whole = found.pop(("", ""), None)
    if whole is None or not whole["failures"] or whole["failures"] < 0:
        return None

    def share(mark: tuple[str, str]) -> float:
        return float(found[mark]["failures"] or 0) / float(whole["failures"])

    def anyway(mark: tuple[str, str]) -> float:
        return float(found[mark]["calls"] or 0) / float(whole["calls"]) if whole["calls"] else 0.0

    def excess(mark: tuple[str, str]) -> float:
        return share(mark) - anyway(mark)

    # Only failures have an error type, so it exceeds whatever else there is.
    errors = [mark for mark in found if mark[0] == a.ERROR_TYPE.name]
    others = [mark for mark in found if mark not in errors]
    # Where two stand out alike, what is said by the label is worth more than which process it was.
    best = max(others, key=lambda mark: (round(excess(mark), 9), mark[0] != _PROCESS), default=None)
    error = max(errors, key=share, default=None)
    if best is None or excess(best) < EXCESS_MIN:
        best = error
    elif error is not None and share(best) < share(error) and excess(best) < MOST_MIN * (1 - anyway(best)):
        best = error  # Less than half of what other calls have none of: an error that more have says more.
    if best is None and whole.get("is_sum"):
        # What everything is made of says nothing.
        some = [mark for mark in others if share(mark) >= MOST_MIN and anyway(mark) < 1]
        best = max(some, key=share, default=None)
    if best is None:
        return None
    return {"dimension": best[0], "value": best[1][:CHARACTERS_MAX], "share": round(share(best), 4)}


def own(rule: Rule, labels: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the part that the alert itself is about, for when nothing within it stands out, or None.

    >>> from mlobs.alerts.catalogue import catalogue
    >>> from mlobs.thresholds import Thresholds
    >>> (rule,) = [one for one in catalogue(Thresholds()) if one.name == "MlobsFeatureDrift"]
    >>> own(rule, {"service_name": "shop", "mlobs_feature": "age"})
    {'dimension': 'mlobs.feature', 'value': 'age', 'share': 1.0}

    Args:
        rule: The rule that fires.
        labels: The alert's, by Prometheus label name.
    """
    if isinstance(rule.indicator, Absence):
        return None
    for one in OWN:
        if one in rule.indicator.by and labels.get(one.label):
            return {"dimension": one.name, "value": labels[one.label][:CHARACTERS_MAX], "share": 1.0}
    return None


def _parts(rule: Rule, params: dict[str, Value]) -> Parts | None:
    of = rule.indicator
    match of:
        case Ratio() if of.metric in FROM_RUNS:
            return _of_calls(
                c.calls(TOOL_DURATION, "from_ms", of.where), "1", "0", of.by, (a.TOOL_NAME,), is_sum=True
            )
        case Ratio() | BurnRate():
            return _of_calls(c.calls(of.metric, "from_ms", of.where), c.bad(of.metric, of.bad), "1", of.by)
        case Quantile():
            beyond = f"{c.measured(of.metric)} > {rule.above!r}"
            return _of_calls(c.calls(of.metric, "from_ms", of.where), beyond, "1", of.by)
        case Increase() if of.metric.operations:
            return _of_calls(c.added_calls(of), c.measured(of.metric), "1", of.by, is_sum=True)
        case Growth() | PerCallGrowth():
            value, now = c.measured(of.metric), f"{c.ENDED} > fromUnixTimestamp64Milli({{from_ms:Int64}})"
            # The last day before is enough to see what is new, and cheap enough to be asked at once.
            earlier_ms = int(params["from_ms"]) - min(of.memory_s, DAY_S) * 1000
            return _of_calls(
                c.calls(of.metric, "earlier_ms", of.where),
                f"if({now}, {value}, 0)",
                f"if({now}, 0, {value})",
                of.by,
                params={"earlier_ms": earlier_ms},
            )
        case Gauge() if of.metric in (BUDGET_SPENT, BUDGET_FORECAST):
            day_ms = int(params["now_ms"]) - DAY_S * 1000
            money = c.measured(COST)
            return _of_calls(
                c.calls(COST, "day_ms", of.where), money, "1", of.by, is_sum=True, params={"day_ms": day_ms}
            )
        case Gauge() if (found := figured(of, int(params["now_ms"]) / 1000)) is not None:
            return _of_figure(of, found)
        case Gauge():
            return _of_series(latest(of), "greatest(latest, 0)", of)
        case Increase():
            return _of_series(grown(of), "grown", of, params={"before_ms": before_ms(params)})
    return None


def _of_calls(
    rows: str,
    trouble: str,
    anyway: str,
    by: Iterable[Attribute],
    dimensions: Iterable[Attribute] = DIMENSIONS,
    *,
    is_sum: bool = False,
    params: Mapping[str, Value] | None = None,
) -> Parts:
    values = {one: _value(one) for one in dimensions}
    fixed = {one: _value(one) for one in by}
    return Parts(rows, trouble, anyway, values, fixed, WEIGHT, is_sum, params or {})


def _missed(of: Silence, now_s: float, since_s: float) -> Parts:
    """Compare the calls since something is missed with those before."""
    earlier_s = since_s - min(of.memory_s, max(now_s - since_s, of.window_s))
    then = f"{c.ENDED} > fromUnixTimestamp64Milli({{turn_ms:Int64}})"
    return _of_calls(
        c.calls(of.calls, "earlier_ms", of.where),
        then,
        f"NOT {then}",
        of.by,
        is_sum=True,
        params={"turn_ms": round(since_s * 1000), "earlier_ms": round(earlier_s * 1000)},
    )


def _of_figure(of: Gauge, found: Figured) -> Parts:
    known = found.values
    if known is None:
        known = {one: _value(one) for one in (*DIMENSIONS, *of.by)}
    fixed = {one: known[one] for one in of.by}
    weight = WEIGHT if found.weighted else "1"
    return Parts(found.rows, found.trouble, "1", known, fixed, weight, is_sum=True, params=found.params)


def _of_series(
    select: str, trouble: str, of: Gauge | Increase, params: Mapping[str, Value] | None = None
) -> Parts:
    values = {one: one.label for one in (a.SERVICE_NAME, *of.metric.labels)}
    values[a.SERVICE_INSTANCE_ID] = "instance"
    fixed = {one: one.label for one in of.by}
    rows = f"(\n{select}\n) WHERE true"
    return Parts(rows, trouble, "1", values, fixed, "1", is_sum=True, params=params or {})


def _value(attribute: Attribute) -> str:
    if attribute.column:
        return attribute.column
    where = "ResourceAttributes" if attribute in _IN_RESOURCE else "SpanAttributes"
    return f"{where}[{c.text(attribute.name)}]"

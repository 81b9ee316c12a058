"""Which part of the calls a failure ratio's failures come from: the first thing whoever is woken asks.

Pure: `contributions` makes a question for the server's tables, `top` reads its rows. Of every value of
every dimension that the alert does not fix already, the share of the failures is compared with the
share of the calls: a model that makes 80% of the calls and 80% of the failures is no hint. The one
with the largest excess is told; where there is none, the commonest error is.

Users and sessions are no dimensions here: messages leave the house.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from mlobs.alerts import clauses
from mlobs.alerts.indicators import BurnRate, Ratio
from mlobs.alerts.measured import Failed
from mlobs.alerts.rules import Rule
from mlobs.alerts.sql import Question, Value
from mlobs.semconv import attributes as a
from mlobs.semconv.rows import Attribute

EXCESS_MIN = 0.1
VALUES_MAX = 5  # Of each dimension, those with the most failures.
CHARACTERS_MAX = 200

_IN_RESOURCE = (a.SERVICE_VERSION, a.SERVICE_INSTANCE_ID)
DIMENSIONS = (
    a.REQUEST_MODEL, a.PROVIDER_NAME, a.AGENT_NAME, a.TOOL_NAME, a.OPERATION_NAME, a.PROMPT_NAME,
    a.PROMPT_VERSION, *_IN_RESOURCE, a.ERROR_TYPE,
)  # fmt: skip


def contributions(rule: Rule, labels: Mapping[str, str], *, now_s: float) -> Question | None:
    """Return the question, or None where the rule counts no failed calls.

    Args:
        rule: The rule that fires.
        labels: The alert's, by Prometheus label name.
        now_s: When it fires.
    """
    ratio = rule.indicator
    if not isinstance(ratio, Ratio | BurnRate) or not isinstance(ratio.bad, Failed):
        return None
    failed = clauses.bad(ratio.metric, ratio.bad)
    params: dict[str, Value] = {
        "now_ms": round(now_s * 1000),
        "from_ms": round((now_s - ratio.window_s) * 1000),
    }
    fixed = [f"{_value(attribute)} = {{{attribute.label}:String}}" for attribute in ratio.by]
    params |= {attribute.label: labels.get(attribute.label, "") for attribute in ratio.by}
    pairs = ", ".join(
        f"({clauses.text(one.name)}, {_value(one)})" for one in DIMENSIONS if one not in ratio.by
    )
    return Question(
        f"""SELECT pair.1 AS dimension, pair.2 AS value, countIf({failed}) AS failures, count() AS calls
FROM otel_traces ARRAY JOIN [('', ''), {pairs}] AS pair
WHERE {" AND ".join((clauses.of(ratio.metric), clauses.between("from_ms"), *fixed))}
    AND (pair.1 = '' OR pair.2 != '')
GROUP BY dimension, value
ORDER BY failures DESC, value LIMIT {VALUES_MAX} BY dimension""",
        params,
    )


def top(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the dimension and value that contribute most, and their share of the failures.

    Args:
        rows: What the question's answer is; the one without a dimension counts everything.

    >>> top([{"dimension": "", "value": "", "failures": 10, "calls": 100},
    ...      {"dimension": "gen_ai.request.model", "value": "m", "failures": 9, "calls": 20}])
    {'dimension': 'gen_ai.request.model', 'value': 'm', 'share': 0.9}
    """
    found = {(str(row["dimension"]), str(row["value"])): row for row in rows}
    whole = found.pop(("", ""), None)
    if whole is None or not whole["failures"]:
        return None
    all_failures, all_calls = int(whole["failures"]), int(whole["calls"])

    def share(mark: tuple[str, str]) -> float:
        return int(found[mark]["failures"]) / all_failures

    def excess(mark: tuple[str, str]) -> float:
        return share(mark) - int(found[mark]["calls"]) / all_calls

    # Only failures have an error type, so it exceeds whatever else there is.
    errors = [mark for mark in found if mark[0] == a.ERROR_TYPE.name]
    best = max((mark for mark in found if mark not in errors), key=excess, default=None)
    if best is None or excess(best) < EXCESS_MIN:
        best = max(errors, key=share, default=None)
    if best is None:
        return None
    return {"dimension": best[0], "value": best[1][:CHARACTERS_MAX], "share": round(share(best), 4)}


def _value(attribute: Attribute) -> str:
    if attribute.column:
        return attribute.column
    where = "ResourceAttributes" if attribute in _IN_RESOURCE else "SpanAttributes"
    return f"{where}[{clauses.text(attribute.name)}]"

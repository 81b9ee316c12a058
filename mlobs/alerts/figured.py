"""What the figures consist of that the server works out once a minute: endings, blocks and scores.

Pure: rows for `contributions`, which their gauges have none of. They look as far back as the figures do.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mlobs.alerts import clauses as c
from mlobs.alerts.conditions import Value
from mlobs.alerts.indicators import Gauge
from mlobs.semconv import attributes as a
from mlobs.semconv import finishes
from mlobs.semconv.metrics import EVALUATION_DROP, FINISH_RATIO, GUARDRAIL_BLOCK_RATIO, INFERENCE_OPERATIONS
from mlobs.semconv.rows import Attribute

FINISH_S, GUARDRAIL_S, HOUR_S, DAY_S, SCORES_MEMORY_S = 15 * 60, 30 * 60, 3600, 86_400, 7 * 86_400
TRACES_S = 2 * DAY_S  # Scores come soon after what they judge, and to look further back costs as much more.
SCORES_MIN = 30  # With fewer in the last hour, the last day is looked at.


@dataclass(frozen=True, slots=True, kw_only=True)
class Figured:
    """Rows that a figure was worked out of.

    Args:
        rows: What to select from, with a condition.
        trouble: What a row adds to the trouble.
        params: Of both.
        values: The dimensions with their expressions, where those of spans do not do.
        weighted: Whether rows stand for several.
    """

    rows: str
    trouble: str
    params: Mapping[str, Value]
    values: Mapping[Attribute, str] | None = None
    weighted: bool = True


def figured(of: Gauge, now_s: float) -> Figured | None:
    """Return what a gauge was worked out of, or None if it is none of these, or of rows of its own choice."""
    if any(one.label != a.FINISH for one in of.where):
        return None
    match of.metric:
        case metric if metric == FINISH_RATIO:
            return _endings(of, now_s)
        case metric if metric == GUARDRAIL_BLOCK_RATIO:
            verdict = f"SpanAttributes[{c.text(a.GUARDRAIL_VERDICT.name)}]"
            return Figured(
                rows=f"otel_traces WHERE {a.KIND.column} = 'guardrail' AND {verdict} != '' "
                f"AND {_lately('since_ms')}",
                trouble=f"{verdict} = 'block'",
                params={"since_ms": _ms(now_s - GUARDRAIL_S)},
            )
        case metric if metric == EVALUATION_DROP and set(_OF_SCORES) <= set(of.by):
            return _scores(now_s)
    return None


def _endings(of: Gauge, now_s: float) -> Figured:
    """Say of each answer whether it ended in one of the ways that the rule is about."""
    keys, messages = (", ".join(f"SpanAttributes[{c.text(key)}]" for key in some) for some in _PLACES)
    members = rf"""extractAll(concat({messages}), '"finish_reason"\\s*:\\s*"([^"\\\\]*)"')"""
    told = f"lower(concat(arrayStringConcat([{keys}], ' '), ' | ', arrayStringConcat({members}, ' | ')))"
    words = (
        "arrayMap(word -> replaceRegexpOne(replaceRegexpAll(word, '[_ -]', ''), "
        f"{c.text('^' + finishes.plain(finishes.PREFIX))}, ''), extractAll({told}, '[a-z][a-z_-]*'))"
    )
    asked = next((one.values for one in of.where if one.label == a.FINISH), finishes.ENDINGS)
    some = [
        f"hasAny({words}, [{c.texts(map(finishes.plain, finishes.WORDS[ending]))}])"
        for ending in asked
        if ending in finishes.WORDS
    ]
    nothing = [f"{a.OUTPUT_TOKENS.column} = 0"] if finishes.EMPTY in asked else []
    return Figured(
        rows=f"otel_traces WHERE {a.OPERATION_NAME.column} IN ({c.texts(INFERENCE_OPERATIONS)}) "
        f"AND {a.ERROR_TYPE.column} = '' AND {a.CALL_STATE.column} = '' AND {_lately('since_ms')}",
        trouble=f"({' OR '.join((*some, *nothing)) or 'false'})",
        params={"since_ms": _ms(now_s - FINISH_S)},
    )


def _scores(now_s: float) -> Figured:
    """Say of each recent score how far it is below what was usual, and of what its trace consists."""
    service, name = (f"{{{one.label}:String}}" for one in _OF_SCORES)
    mine = f"ServiceName = {service} AND Name = {name} AND ClockKnown AND isFinite(Value)"
    values = {one: f"of_{one.label}" for one in _OF_TRACES}
    parts = ", ".join(
        f"anyIf({_column(one)}, {_column(one)} != '') AS {alias}" for one, alias in values.items()
    )
    recent = "Timestamp > fromUnixTimestamp64Milli(if(busy, {hour_ms:Int64}, {day_ms:Int64}))"
    return Figured(
        rows=f"""(
    WITH (
        SELECT countIf(Timestamp > fromUnixTimestamp64Milli({{hour_ms:Int64}})) >= {SCORES_MIN} FROM scores
        WHERE {mine} AND {_lately("day_ms")}
    ) AS busy, (
        SELECT avg(Value) FROM scores WHERE {mine} AND {_lately("memory_ms")} AND NOT ({recent})
    ) AS usual
    SELECT *, ServiceName AS service, Name AS evaluation, greatest(usual - assumeNotNull(Value), 0) AS below
    FROM scores AS score LEFT JOIN (
        SELECT TraceId, {parts} FROM otel_traces
        WHERE TraceId IN (SELECT TraceId FROM scores WHERE {mine} AND {_lately("day_ms")} AND TraceId != '')
            AND {_lately("traces_ms")}
        GROUP BY TraceId
    ) AS trace USING (TraceId)
    WHERE {mine} AND {recent} AND {_lately("day_ms")}
) WHERE true""",
        trouble="ifNull(below, 0)",
        params={
            "hour_ms": _ms(now_s - HOUR_S),
            "day_ms": _ms(now_s - DAY_S),
            "memory_ms": _ms(now_s - SCORES_MEMORY_S),
            "traces_ms": _ms(now_s - TRACES_S),
        },
        values={a.SERVICE_NAME: "service", a.EVALUATION_NAME: "evaluation", **values},
        weighted=False,
    )


_PLACES = (finishes.KEYS, finishes.MESSAGES)
_OF_SCORES = (a.SERVICE_NAME, a.EVALUATION_NAME)
_OF_TRACES = (
    a.REQUEST_MODEL, a.PROVIDER_NAME, a.AGENT_NAME, a.PROMPT_NAME, a.PROMPT_VERSION, a.SERVICE_VERSION,
)  # fmt: skip


def _column(one: Attribute) -> str:
    if one.column:
        return one.column
    where = "ResourceAttributes" if one == a.SERVICE_VERSION else "SpanAttributes"
    return f"{where}[{c.text(one.name)}]"


def _lately(since: str) -> str:
    return (
        f"Timestamp > fromUnixTimestamp64Milli({{{since}:Int64}}) "
        "AND Timestamp <= fromUnixTimestamp64Milli({now_ms:Int64})"
    )


def _ms(time_s: float) -> int:
    return round(time_s * 1000)

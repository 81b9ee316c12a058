"""Asks the server's tables for an indicator: one ClickHouse query per kind.

`question` returns a row for each alert whose rule is broken at a moment, now or long ago: the
labels, under their Prometheus names, then `value`, `volume` (how many calls or series it was
made of), `trace_ids` (examples, newest last) and `since_s` (when the trouble began, in seconds
since 1970, or NULL). `promql` asks Prometheus the same, so a span is counted when it ended.
"""

# the pieces are names of the vocabulary; what a rule or a user says is a parameter

from collections.abc import Iterable
from dataclasses import dataclass

from mlobs.alerts.rules import Absence, FailureRatio, Gauge, Increase, Rule
from mlobs.semconv import attributes as a
from mlobs.semconv.rows import Attribute, Metric
from mlobs.semconv.spans import PREDICT

ALERTS_MAX = 1000
CALL_SECONDS_MAX = 3600  # Longer calls are counted as if they had ended after this.

# A clock that is centuries ahead must not overflow the sum, which would fail the whole question.
_ENDED = (
    "(least(Timestamp, toDateTime64('2261-12-31 00:00:00', 9, 'UTC')) "
    f"+ toIntervalNanosecond(least(Duration, {CALL_SECONDS_MAX} * 1000000000)))"
)
_INSTANCE = f"ResourceAttributes['{a.SERVICE_INSTANCE_ID.name}']"
# Cancelled and abandoned calls have no error type; should somebody set one, they still are not failures.
_FAILED = f"{a.ERROR_TYPE.column} != '' AND {a.CALL_STATE.column} = ''"

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Question:
    """A query with ClickHouse placeholders, and their values."""

    sql: str
    params: dict[str, Value]


def question(rule: Rule, *, now_s: float) -> Question | None:
    """Return the query for `rule` at `now_s`, or None where the store has nothing to be asked.

    At most `ALERTS_MAX` rows come back, the worst first.
    """
    indicator = rule.indicator
    params: dict[str, Value] = {
        "now_ms": round(now_s * 1000),
        "from_ms": round((now_s - indicator.window_s) * 1000),
        "rows_max": ALERTS_MAX,
    }
    if rule.above is not None:
        params["above"] = rule.above
    match indicator:
        case FailureRatio():
            return _failure_ratio(indicator, params)
        case Gauge():
            return _gauge(indicator, params)
        case Increase():
            return _increase(indicator, params)
        case Absence():
            return _absence(indicator, params, now_s)
    return None


def _failure_ratio(ratio: FailureRatio, params: dict[str, Value]) -> Question:
    failed = _FAILED
    if ratio.excused:
        failed += f" AND {a.ERROR_TYPE.column} NOT IN ({_texts(ratio.excused)})"
    return Question(
        f"""SELECT {_columns(ratio.by)},
    countIf({failed}) / count() AS value, count() AS volume,
    [argMaxIf(TraceId, Timestamp, {failed})] AS trace_ids, NULL AS since_s
FROM otel_traces
WHERE {_of(ratio.metric)} AND {_between("from_ms")}
GROUP BY {_names(ratio.by)}
HAVING volume >= {{calls_min:UInt64}} AND value > {{above:Float64}}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        {**params, "calls_min": ratio.calls_min},
    )


def _gauge(gauge: Gauge, params: dict[str, Value]) -> Question:
    series = (a.SERVICE_NAME, *gauge.metric.labels)
    names = _texts(metric.name for metric in (gauge.metric, gauge.since) if metric)
    mine = f"MetricName = {_text(gauge.metric.name)}"
    since = f"argMaxIf(Value, TimeUnix, MetricName = {_text(gauge.since.name)})" if gauge.since else "0"
    return Question(
        f"""SELECT {_names(gauge.by)}, max(latest) AS value, count() AS volume,
    argMax(examples, (notEmpty(examples), examples_at)) AS trace_ids,
    nullIf(minIf(begun, latest > {{above:Float64}} AND begun > 0), 0) AS since_s
FROM (
    SELECT {_points(series)},
        argMaxIf(Value, TimeUnix, {mine}) AS latest, {since} AS begun,
        argMaxIf(ids, TimeUnix, {mine} AND notEmpty(ids)) AS examples,
        maxIf(TimeUnix, {mine} AND notEmpty(ids)) AS examples_at
    FROM (SELECT *, arrayFilter(id -> id != '', Exemplars.TraceId) AS ids FROM otel_metrics_gauge)
    WHERE MetricName IN ({names}) AND {_pointed("from_ms")}
    GROUP BY {_names(series)}, {_INSTANCE}
    HAVING countIf({mine}) > 0
)
GROUP BY {_names(gauge.by)}
HAVING value > {{above:Float64}}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        params,
    )


def _increase(increase: Increase, params: dict[str, Value]) -> Question:
    series = (a.SERVICE_NAME, *increase.metric.labels)
    inside = "TimeUnix > fromUnixTimestamp64Milli({from_ms:Int64})"
    # A process that began within the window began at zero; of an older one the value before
    # the window is what it grew from, or else the first within.
    before = (
        f"multiIf(countIf(NOT {inside}) > 0, maxIf(Value, NOT {inside}), "
        f"StartTimeUnix > fromUnixTimestamp64Milli({{from_ms:Int64}}), 0, minIf(Value, {inside}))"
    )
    return Question(
        f"""SELECT {_names(increase.by)}, sum(grown) AS value, count() AS volume,
    CAST([], 'Array(String)') AS trace_ids, NULL AS since_s
FROM (
    SELECT {_points(series)},
        if(AggregationTemporality = 1, sumIf(Value, {inside}), maxIf(Value, {inside}) - {before}) AS grown
    FROM otel_metrics_sum
    WHERE MetricName = {_text(increase.metric.name)} AND {_pointed("before_ms")}
    GROUP BY {_names(series)}, {_INSTANCE}, StartTimeUnix, AggregationTemporality
    HAVING countIf({inside}) > 0
)
GROUP BY {_names(increase.by)}
HAVING value > {{above:Float64}}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        {**params, "before_ms": 2 * int(params["from_ms"]) - int(params["now_ms"])},
    )


def _absence(absence: Absence, params: dict[str, Value], now_s: float) -> Question:
    counts = ", ".join(f"countIf({_of(metric)})" for metric in absence.metrics)
    used_to = absence.calls_min * absence.memory_s / absence.window_s
    return Question(
        f"""SELECT {_columns(absence.by)}, 1 AS value, arrayMax([{counts}]) AS volume,
    [argMax(TraceId, Timestamp)] AS trace_ids, toUnixTimestamp64Milli(max({_ENDED})) / 1000 AS since_s
FROM otel_traces
WHERE ({" OR ".join(f"({_of(metric)})" for metric in absence.metrics)}) AND {_between("memory_ms")}
GROUP BY {_names(absence.by)}
HAVING volume >= {{used_to:Float64}} AND max({_ENDED}) <= fromUnixTimestamp64Milli({{from_ms:Int64}})
ORDER BY volume DESC LIMIT {{rows_max:UInt32}}""",
        {**params, "memory_ms": round((now_s - absence.memory_s) * 1000), "used_to": float(used_to)},
    )


def _of(metric: Metric) -> str:
    """Return the condition that a span is one of those the metric is derived from."""
    if metric.operations == (PREDICT.noun,):  # the conventions know no such operation
        return f"{a.KIND.column} = {_text(PREDICT.noun)}"
    return f"{a.OPERATION_NAME.column} IN ({_texts(metric.operations)})"


def _between(since: str) -> str:
    """Return the condition that a span ended after `since` and not after now."""
    return (
        f"Timestamp > fromUnixTimestamp64Milli({{{since}:Int64}}) - toIntervalSecond({CALL_SECONDS_MAX}) "
        f"AND {_ENDED} > fromUnixTimestamp64Milli({{{since}:Int64}}) "
        f"AND {_ENDED} <= fromUnixTimestamp64Milli({{now_ms:Int64}})"
    )


def _pointed(since: str) -> str:
    """Return the condition that a point was made after `since` and has a value."""
    return (
        f"TimeUnix > fromUnixTimestamp64Milli({{{since}:Int64}}) "
        "AND TimeUnix <= fromUnixTimestamp64Milli({now_ms:Int64}) AND bitAnd(Flags, 1) = 0"
    )


def _columns(by: Iterable[Attribute]) -> str:
    return ", ".join(f"{attribute.column} AS {attribute.label}" for attribute in by)


def _points(by: Iterable[Attribute]) -> str:
    """Return the labels of points, which have columns only for what belongs to the resource."""
    return ", ".join(
        f"{attribute.column} AS {attribute.label}"
        if attribute == a.SERVICE_NAME
        else f"Attributes[{_text(attribute.name)}] AS {attribute.label}"
        for attribute in by
    )


def _names(by: Iterable[Attribute]) -> str:
    return ", ".join(attribute.label for attribute in by)


def _text(value: str) -> str:
    r"""Return a string literal. Values are names from the vocabulary or a rule, never from telemetry.

    >>> print(_text("it's"))
    'it\'s'
    """
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _texts(values: Iterable[str]) -> str:
    return ", ".join(map(_text, values))

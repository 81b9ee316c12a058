"""Asks the server's tables for an indicator: one ClickHouse query per kind.

`question` returns a row for each alert whose rule is broken at a moment, now or long ago: the
labels, under their Prometheus names, then `value`, `volume` (how many calls or series it was
made of), `trace_ids` (examples, newest last) and `since_s` (when the trouble began, in seconds
since 1970, or NULL). `promql` asks Prometheus the same, so a span is counted when it ended.
"""

# the pieces are names of the vocabulary; what a rule or a user says is a parameter

from dataclasses import dataclass

from mlobs.alerts import clauses as c
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
from mlobs.alerts.rules import Rule
from mlobs.semconv import attributes as a

ALERTS_MAX = 1000

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Question:
    """A query with ClickHouse placeholders, and their values."""

    sql: str
    params: dict[str, Value]


def question(rule: Rule, *, now_s: float) -> Question | None:
    """Return the query for `rule` at `now_s`, or None where the server's tables cannot answer.

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
    if "server" not in rule.engines:
        return None
    match indicator:
        case Ratio():
            return _ratio(indicator, params)
        case BurnRate():
            return _burn_rate(indicator, params)
        case Quantile():
            return _quantile(indicator, params)
        case Gauge():
            return _gauge(indicator, params)
        case Increase():
            return _added(indicator, params) if indicator.metric.operations else _increase(indicator, params)
        case Growth():
            return _growth(indicator, params)
        case PerCallGrowth():
            return _per_call_growth(indicator, params)
        case Absence():
            return _absence(indicator, params, now_s)
        case Silence():
            return _silence(indicator, params)
    return None


def _ratio(ratio: Ratio, params: dict[str, Value]) -> Question:
    bad, names = c.bad(ratio.metric, ratio.bad), c.names(ratio.by)
    whole = f"PARTITION BY {c.names(ratio.whole_by)}" if ratio.whole_by else ""
    return Question(
        f"""SELECT {c.listed(names)}bad / volume AS value, volume, trace_ids, NULL AS since_s
FROM (
    SELECT {c.listed(names)}bad, trace_ids, sum(calls) OVER ({whole}) AS volume
    FROM (
        SELECT {c.listed(c.columns(ratio.by))}countIf({bad}) AS bad, count() AS calls,
            [argMaxIf(TraceId, Timestamp, {bad})] AS trace_ids
        FROM {c.calls(ratio.metric, "from_ms")}
        GROUP BY {names or "tuple()"}
    )
)
WHERE volume >= {{calls_min:UInt64}} AND value > {{above:Float64}}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        {**params, "calls_min": ratio.calls_min},
    )


def _burn_rate(burn: BurnRate, params: dict[str, Value]) -> Question:
    bad, names = c.bad(burn.metric, burn.bad), c.names(burn.by)
    lately = f"{c.ENDED} > fromUnixTimestamp64Milli({{short_ms:Int64}})"
    return Question(
        f"""SELECT {c.listed(c.columns(burn.by))}countIf({bad}) / count() / {{allowed:Float64}} AS value,
    count() AS volume, [argMaxIf(TraceId, Timestamp, {bad})] AS trace_ids, NULL AS since_s
FROM {c.calls(burn.metric, "from_ms")}
GROUP BY {names or "tuple()"}
HAVING volume >= {{calls_min:UInt64}} AND countIf({bad}) >= {{bad_min:UInt64}} AND value > {{above:Float64}}
    AND countIf({bad} AND {lately}) / countIf({lately}) / {{allowed:Float64}} > {{above:Float64}}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        {
            **params,
            "short_ms": int(params["now_ms"]) - burn.short_s * 1000,
            "allowed": 1 - burn.objective,
            "calls_min": burn.calls_min,
            "bad_min": burn.bad_min,
        },
    )


def _quantile(of: Quantile, params: dict[str, Value]) -> Question:
    """Ask for the counts within each bound, and find the quantile between two as Prometheus does."""
    value, names = c.measured(of.metric), c.names(of.by)
    bounds = f"[{', '.join(f'{float(bound)!r}' for bound in of.metric.buckets)}]"
    return Question(
        f"""WITH {bounds} AS bounds
SELECT {c.listed(names)}if(place = 0, bounds[-1],
        low + (bounds[place] - low) * (rank - before) / (counts[place] - before)) AS value,
    volume, trace_ids, NULL AS since_s
FROM (
    SELECT *, {{quantile:Float64}} * volume AS rank, arrayFirstIndex(count -> count >= rank, counts) AS place,
        if(place > 1, bounds[place - 1], 0.) AS low, if(place > 1, counts[place - 1], 0) AS before
    FROM (
        SELECT {c.listed(c.columns(of.by))}
            sumForEach(arrayMap(bound -> toUInt64({value} <= bound), bounds)) AS counts,
            count() AS volume, [argMax(TraceId, {value})] AS trace_ids
        FROM {c.calls(of.metric, "from_ms")}
        GROUP BY {names or "tuple()"}
    )
)
WHERE volume >= {{calls_min:UInt64}} AND value > {{above:Float64}}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        {**params, "quantile": of.quantile, "calls_min": of.calls_min},
    )


def _added(increase: Increase, params: dict[str, Value]) -> Question:
    value, names = c.measured(increase.metric), c.names(increase.by)
    return Question(
        f"""SELECT {c.listed(c.columns(increase.by))}sum({value}) AS value, count() AS volume,
    [argMax(TraceId, {value})] AS trace_ids, NULL AS since_s
FROM {c.added_calls(increase)}
GROUP BY {names or "tuple()"}
HAVING value > {{above:Float64}}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        params,
    )


def _growth(growth: Growth, params: dict[str, Value]) -> Question:
    value, names = c.measured(growth.metric), c.names(growth.by)
    now = f"{c.ENDED} > fromUnixTimestamp64Milli({{from_ms:Int64}})"
    place = f"intDiv({{from_ms:Int64}} - toUnixTimestamp64Milli({c.ENDED}), {{window_ms:Int64}})"
    return Question(
        f"""SELECT {c.listed(names)}recent / (earlier / times) AS value, volume, trace_ids, NULL AS since_s
FROM (
    SELECT {c.listed(c.columns(growth.by))}sumIf({value}, {now}) AS recent,
        sumIf({value}, NOT {now}) AS earlier,
        uniqExactIf({place}, NOT {now} AND {value} > 0) AS times, countIf({now}) AS volume,
        [argMaxIf(TraceId, {value}, {now})] AS trace_ids
    FROM {c.calls(growth.metric, "memory_ms")}
    GROUP BY {names or "tuple()"}
)
WHERE recent >= {{amount_min:Float64}} AND times * {{window_ms:Int64}} >= {{history_ms:Int64}}
    AND value > {{above:Float64}}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        {
            **params,
            "memory_ms": int(params["from_ms"]) - growth.memory_s * 1000,
            "window_ms": growth.window_s * 1000,
            "history_ms": growth.history_s * 1000,
            "amount_min": growth.amount_min,
        },
    )


def _per_call_growth(growth: PerCallGrowth, params: dict[str, Value]) -> Question:
    value, names = c.measured(growth.metric), c.names(growth.by)
    now = f"{c.ENDED} > fromUnixTimestamp64Milli({{from_ms:Int64}})"
    return Question(
        f"""SELECT {c.listed(c.columns(growth.by))}
    (sumIf({value}, {now}) / countIf({now})) / (sumIf({value}, NOT {now}) / countIf(NOT {now})) AS value,
    countIf({now}) AS volume, [argMaxIf(TraceId, {value}, {now})] AS trace_ids, NULL AS since_s
FROM {c.calls(growth.per, "memory_ms")}
GROUP BY {names or "tuple()"}
HAVING volume >= {{calls_min:UInt64}} AND countIf(NOT {now}) >= {{calls_min:UInt64}}
    AND value > {{above:Float64}}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        {
            **params,
            "memory_ms": int(params["from_ms"]) - growth.memory_s * 1000,
            "calls_min": growth.calls_min,
        },
    )


def _gauge(gauge: Gauge, params: dict[str, Value]) -> Question:
    series = (a.SERVICE_NAME, *gauge.metric.labels)
    names = c.texts(metric.name for metric in (gauge.metric, gauge.since) if metric)
    mine = f"MetricName = {c.text(gauge.metric.name)}"
    where = "".join(
        f" AND Attributes[{c.text(one.label.name)}] IN ({c.texts(one.values)})" for one in gauge.where
    )
    since = f"argMaxIf(Value, TimeUnix, MetricName = {c.text(gauge.since.name)})" if gauge.since else "0"
    return Question(
        f"""SELECT {c.listed(c.names(gauge.by))}max(latest) AS value, count() AS volume,
    argMax(examples, (notEmpty(examples), examples_at)) AS trace_ids,
    nullIf(minIf(begun, latest > {{above:Float64}} AND begun > 0), 0) AS since_s
FROM (
    SELECT {c.points(series)},
        argMaxIf(Value, TimeUnix, {mine}) AS latest, {since} AS begun,
        argMaxIf(ids, TimeUnix, {mine} AND notEmpty(ids)) AS examples,
        maxIf(TimeUnix, {mine} AND notEmpty(ids)) AS examples_at
    FROM (SELECT *, arrayFilter(id -> id != '', Exemplars.TraceId) AS ids FROM otel_metrics_gauge)
    WHERE MetricName IN ({names}) AND {c.pointed("from_ms")}{where}
    GROUP BY {c.names(series)}, {c.INSTANCE}
    HAVING countIf({mine}) > 0
)
GROUP BY {c.names(gauge.by) or "tuple()"}
HAVING value > {{above:Float64}}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        params,
    )


def _increase(increase: Increase, params: dict[str, Value]) -> Question:
    series = (a.SERVICE_NAME, *increase.metric.labels)
    inside = "TimeUnix > fromUnixTimestamp64Milli({from_ms:Int64})"
    # A process that began within the window began at zero; of an older one the value before
    # the window is what it grew from, or else the first within.
    where = "".join(
        f" AND Attributes[{c.text(one.label.name)}] IN ({c.texts(one.values)})" for one in increase.where
    )
    before = (
        f"multiIf(countIf(NOT {inside}) > 0, maxIf(Value, NOT {inside}), "
        f"StartTimeUnix > fromUnixTimestamp64Milli({{from_ms:Int64}}), 0, minIf(Value, {inside}))"
    )
    return Question(
        f"""SELECT {c.listed(c.names(increase.by))}sum(grown) AS value, count() AS volume,
    CAST([], 'Array(String)') AS trace_ids, NULL AS since_s
FROM (
    SELECT {c.points(series)},
        if(AggregationTemporality = 1, sumIf(Value, {inside}), maxIf(Value, {inside}) - {before}) AS grown
    FROM otel_metrics_sum
    WHERE MetricName = {c.text(increase.metric.name)} AND {c.pointed("before_ms")}{where}
    GROUP BY {c.names(series)}, {c.INSTANCE}, StartTimeUnix, AggregationTemporality
    HAVING countIf({inside}) > 0
)
GROUP BY {c.names(increase.by) or "tuple()"}
HAVING value > {{above:Float64}}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        {**params, "before_ms": 2 * int(params["from_ms"]) - int(params["now_ms"])},
    )


def _absence(absence: Absence, params: dict[str, Value], now_s: float) -> Question:
    counts = ", ".join(f"countIf({c.of(metric)})" for metric in absence.metrics)
    used_to = absence.calls_min * absence.memory_s / absence.window_s
    return Question(
        f"""SELECT {c.columns(absence.by)}, 1 AS value, arrayMax([{counts}]) AS volume,
    [argMax(TraceId, Timestamp)] AS trace_ids, toUnixTimestamp64Milli(max({c.ENDED})) / 1000 AS since_s
FROM otel_traces
WHERE ({" OR ".join(f"({c.of(metric)})" for metric in absence.metrics)}) AND {c.between("memory_ms")}
GROUP BY {c.names(absence.by)}
HAVING volume >= {{used_to:Float64}} AND max({c.ENDED}) <= fromUnixTimestamp64Milli({{from_ms:Int64}})
ORDER BY volume DESC LIMIT {{rows_max:UInt32}}""",
        {**params, "memory_ms": round((now_s - absence.memory_s) * 1000), "used_to": float(used_to)},
    )


def _silence(silence: Silence, params: dict[str, Value]) -> Question:
    names = c.names(silence.by)
    return Question(
        f"""SELECT {c.listed(names)}1 AS value, volume, trace_ids, since_s
FROM (
    SELECT {c.points(silence.by)}, toUnixTimestamp64Milli(max(TimeUnix)) / 1000 AS since_s
    FROM otel_metrics_gauge
    WHERE MetricName = {c.text(silence.metric.name)} AND {c.pointed("memory_ms")}
    GROUP BY {names}
    HAVING max(TimeUnix) <= fromUnixTimestamp64Milli({{from_ms:Int64}})
) AS gauge INNER JOIN (
    SELECT {c.columns(silence.by)}, count() AS volume, [argMax(TraceId, Timestamp)] AS trace_ids
    FROM {c.calls(silence.calls, "from_ms")}
    GROUP BY {names}
) AS calls USING ({names})
ORDER BY since_s LIMIT {{rows_max:UInt32}}""",
        {**params, "memory_ms": int(params["now_ms"]) - silence.memory_s * 1000},
    )

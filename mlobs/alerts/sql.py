"""Asks the server's tables for an indicator: one ClickHouse query per kind.

`question` returns a row for each alert whose rule is broken at a moment, now or long ago: the
labels, under their Prometheus names, then `value`, `volume` (how many calls or series it was
made of), `trace_ids` (examples, newest last) and `since_s` (when the trouble began, in seconds
since 1970, or NULL). `promql` asks Prometheus the same, so a span is counted when it ended, and as
often as it stands for behind a sampler.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlobs.alerts import clauses as c
from mlobs.alerts.conditions import ABOVE, ENOUGH, Value, busy_stretches, condition, enough, stretch, used_to
from mlobs.alerts.indicators import (
    Absence,
    BurnRate,
    Gauge,
    Growth,
    Increase,
    Indicator,
    PerCallGrowth,
    Quantile,
    Ratio,
    Silence,
)
from mlobs.alerts.measured import Choosing, Where
from mlobs.alerts.rules import Rule
from mlobs.semconv import attributes as a
from mlobs.semconv.weights import WEIGHT

ALERTS_MAX = 10_000

Ask = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]  # Answers a question of the store.


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
        **c.given(chosen(indicator)),
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
            return _absence(indicator, params)
        case Silence():
            return _silence(indicator, params)
    return None


def chosen(indicator: Indicator) -> tuple[Where, ...]:
    """Return what has to be true of the calls, or series, that count."""
    return indicator.where if isinstance(indicator, Choosing) else ()


def _ratio(ratio: Ratio, params: dict[str, Value]) -> Question:
    bad, names, when = c.bad(ratio.metric, ratio.bad), c.names(ratio.by), condition(ratio)
    whole = f"PARTITION BY {c.names(ratio.whole_by)}" if ratio.whole_by else ""
    return Question(
        f"""SELECT {c.listed(names)}{when.value} AS value, volume, trace_ids, NULL AS since_s
FROM (
    SELECT {c.listed(names)}failed, trace_ids, sum(calls) OVER ({whole}) AS volume
    FROM (
        SELECT {c.listed(c.columns(ratio.by))}{c.spans_if(bad)} AS failed, {c.SPANS} AS calls,
            [argMaxIf(TraceId, Timestamp, {bad})] AS trace_ids
        FROM {c.calls(ratio.metric, "from_ms", ratio.where)}
        GROUP BY {names or "tuple()"}
    )
)
WHERE {when.broken}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        {**params, **when.params},
    )


def _burn_rate(burn: BurnRate, params: dict[str, Value]) -> Question:
    bad, when = c.bad(burn.metric, burn.bad), condition(burn)
    lately = f"{c.ENDED} > fromUnixTimestamp64Milli({{short_ms:Int64}})"
    return Question(
        _measured(
            c.names(burn.by),
            when.value,
            f"""SELECT {c.listed(c.columns(burn.by))}{c.spans_if(bad)} AS failed, {c.SPANS} AS volume,
        {c.spans_if(f"{bad} AND {lately}")} AS bad_lately, {c.spans_if(lately)} AS calls_lately,
        [argMaxIf(TraceId, Timestamp, {bad})] AS trace_ids
    FROM {c.calls(burn.metric, "from_ms", burn.where)}""",
            when.broken,
        ),
        {**params, **when.params, "short_ms": int(params["now_ms"]) - burn.short_s * 1000},
    )


def _measured(names: str, value: str, sums: str, broken: str) -> str:
    """Return the question for a value that is made of sums."""
    return f"""SELECT {c.listed(names)}{value} AS value, volume, trace_ids, NULL AS since_s
FROM (
    {sums}
    GROUP BY {names or "tuple()"}
)
WHERE {broken}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}"""


def _quantile(of: Quantile, params: dict[str, Value]) -> Question:
    """Ask for the counts within each bound, and find the quantile between two as Prometheus does."""
    value, names = c.measured(of.metric), c.names(of.by)
    bounds = f"[{', '.join(f'{float(bound)!r}' for bound in of.metric.buckets)}]"
    return Question(
        f"""WITH {bounds} AS bounds
SELECT {c.listed(names)}if(place = 0, bounds[-1],
        low + (bounds[place] - low) * (rank - before) / (counts[place] - before)) AS value,
    volume, trace_ids, NULL AS since_s, largest
FROM (
    SELECT *, {{quantile:Float64}} * volume AS rank, arrayFirstIndex(count -> count >= rank, counts) AS place,
        if(place > 1, bounds[place - 1], 0.) AS low, if(place > 1, counts[place - 1], 0) AS before
    FROM (
        SELECT {c.listed(c.columns(of.by))}
            sumForEach(arrayMap(bound -> toUInt64({value} <= bound) * {WEIGHT}, bounds)) AS counts,
            {c.SPANS} AS volume, [argMax(TraceId, {value})] AS trace_ids, max({value}) AS largest
        FROM {c.calls(of.metric, "from_ms", of.where)}
        GROUP BY {names or "tuple()"}
    )
)
WHERE {ENOUGH} AND {ABOVE}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        {**params, **enough(of), "quantile": of.quantile},
    )


def _added(increase: Increase, params: dict[str, Value]) -> Question:
    value, names = c.measured(increase.metric), c.names(increase.by)
    return Question(
        f"""SELECT {c.listed(c.columns(increase.by))}sum({value} * {WEIGHT}) AS value, {c.SPANS} AS volume,
    [argMax(TraceId, {value})] AS trace_ids, NULL AS since_s
FROM {c.added_calls(increase)}
GROUP BY {names or "tuple()"}
HAVING {ABOVE}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        params,
    )


def _growth(growth: Growth, params: dict[str, Value]) -> Question:
    value, when = c.measured(growth.metric), condition(growth)
    now = f"{c.ENDED} > fromUnixTimestamp64Milli({{from_ms:Int64}})"
    place = f"intDiv({{from_ms:Int64}} - toUnixTimestamp64Milli({c.ENDED}), {growth.window_s * 1000})"
    return Question(
        _measured(
            c.names(growth.by),
            when.value,
            f"""SELECT {c.listed(c.columns(growth.by))}sumIf({value} * {WEIGHT}, {now}) AS recent,
        sumIf({value} * {WEIGHT}, NOT {now}) AS earlier, {c.spans_if(now)} AS volume,
        uniqExactIf({place}, NOT {now} AND {value} > 0) AS times,
        [argMaxIf(TraceId, {value}, {now})] AS trace_ids
    FROM {c.calls(growth.metric, "memory_ms", growth.where)}""",
            when.broken,
        ),
        {**params, **when.params, "memory_ms": int(params["from_ms"]) - growth.memory_s * 1000},
    )


def _per_call_growth(growth: PerCallGrowth, params: dict[str, Value]) -> Question:
    value, when = c.measured(growth.metric), condition(growth)
    now = f"{c.ENDED} > fromUnixTimestamp64Milli({{from_ms:Int64}})"
    return Question(
        _measured(
            c.names(growth.by),
            when.value,
            f"""SELECT {c.listed(c.columns(growth.by))}sumIf({value} * {WEIGHT}, {now}) AS recent,
        sumIf({value} * {WEIGHT}, NOT {now}) AS earlier, {c.spans_if(now)} AS volume,
        {c.spans_if(f"NOT {now}")} AS calls_before,
        [argMaxIf(TraceId, {value}, {now})] AS trace_ids
    FROM {c.calls(growth.per, "memory_ms", growth.where)}""",
            when.broken,
        ),
        {**params, **when.params, "memory_ms": int(params["from_ms"]) - growth.memory_s * 1000},
    )


def _gauge(gauge: Gauge, params: dict[str, Value]) -> Question:
    return Question(
        f"""SELECT {c.listed(c.names(gauge.by))}max(latest) AS value, count() AS volume,
    argMax(examples, (notEmpty(examples), examples_at)) AS trace_ids,
    nullIf(minIf(begun, latest > {{above:Float64}} AND begun > 0), 0) AS since_s
FROM (
{latest(gauge)}
)
GROUP BY {c.names(gauge.by) or "tuple()"}
HAVING {ABOVE}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        params,
    )


def latest(gauge: Gauge) -> str:
    """Return a select of every series of a gauge with its labels, instance and newest value."""
    series = (a.SERVICE_NAME, *gauge.metric.labels)
    names = c.texts(metric.name for metric in (gauge.metric, gauge.since) if metric)
    mine = f"MetricName = {c.text(gauge.metric.name)}"
    since = f"argMaxIf(Value, TimeUnix, MetricName = {c.text(gauge.since.name)})" if gauge.since else "0"
    return f"""    SELECT {c.points(series)}, {c.INSTANCE} AS instance,
        argMaxIf(Value, TimeUnix, {mine}) AS latest, {since} AS begun,
        argMaxIf(ids, TimeUnix, {mine} AND notEmpty(ids)) AS examples,
        maxIf(TimeUnix, {mine} AND notEmpty(ids)) AS examples_at
    FROM (SELECT *, arrayFilter(id -> id != '', Exemplars.TraceId) AS ids FROM otel_metrics_gauge)
    WHERE MetricName IN ({names}) AND {c.pointed("from_ms")}{c.among_points(gauge.where)}
    GROUP BY {c.names(series)}, instance
    HAVING countIf({mine}) > 0"""


def _increase(increase: Increase, params: dict[str, Value]) -> Question:
    return Question(
        f"""SELECT {c.listed(c.names(increase.by))}sum(grown) AS value, count() AS volume,
    CAST([], 'Array(String)') AS trace_ids, NULL AS since_s
FROM (
{grown(increase)}
)
GROUP BY {c.names(increase.by) or "tuple()"}
HAVING {ABOVE}
ORDER BY value DESC LIMIT {{rows_max:UInt32}}""",
        {**params, "before_ms": before_ms(params)},
    )


def before_ms(params: dict[str, Value]) -> int:
    """Return how far back points of a counter are read: a window more, for what it was before."""
    return 2 * int(params["from_ms"]) - int(params["now_ms"])


def grown(increase: Increase) -> str:
    """Return a select of every series of a counter with its labels, instance and by how much it grew."""
    series = (a.SERVICE_NAME, *increase.metric.labels)
    inside = "TimeUnix > fromUnixTimestamp64Milli({from_ms:Int64})"
    # A process that began within the window began at zero; of an older one the value before
    # the window is what it grew from, or else the first within.
    before = (
        f"multiIf(countIf(NOT {inside}) > 0, maxIf(Value, NOT {inside}), "
        f"StartTimeUnix > fromUnixTimestamp64Milli({{from_ms:Int64}}), 0, minIf(Value, {inside}))"
    )
    return f"""    SELECT {c.points(series)}, {c.INSTANCE} AS instance,
        if(AggregationTemporality = 1, sumIf(Value, {inside}), maxIf(Value, {inside}) - {before}) AS grown
    FROM otel_metrics_sum
    WHERE MetricName = {c.text(increase.metric.name)} AND {c.pointed("before_ms")}
        {c.among_points(increase.where)}
    GROUP BY {c.names(series)}, instance, StartTimeUnix, AggregationTemporality
    HAVING countIf({inside}) > 0"""


def _absence(absence: Absence, params: dict[str, Value]) -> Question:
    """Ask who fell silent, and how busy, and how often, each of those was before its last call.

    Nobody who began a call within the window is silent. That is little to read, and of what is kept service
    by service, only the services that are left are read at all.
    """
    kinds = [f"kind_{place}" for place, _ in enumerate(absence.metrics)]
    volume = f"arrayMax([{', '.join(map(c.spans_if, kinds))}])"
    told = ", ".join(f"{c.of(one)} AS {kind}" for one, kind in zip(absence.metrics, kinds, strict=True))
    any_of = f"({' OR '.join(f'({c.of(metric)})' for metric in absence.metrics)})"
    counted = f"{any_of}{c.among_calls(absence.where)}"
    names, now_ms = c.names(absence.by), int(params["now_ms"])
    ended, last = (stretch(f"toUnixTimestamp64Milli({at})", absence) for at in ("ended", "last"))
    columns = ", ".join(one.column for one in absence.by)
    alive = f"""SELECT {columns} FROM otel_traces
        WHERE {counted} AND Timestamp > fromUnixTimestamp64Milli({{from_ms:Int64}})
            AND {c.ENDED} <= fromUnixTimestamp64Milli({{now_ms:Int64}})"""
    silent = f"""SELECT {c.columns(absence.by)}, max({c.ENDED}) AS last, argMax(TraceId, Timestamp) AS example
    FROM otel_traces WHERE ({columns}) NOT IN (
        {alive}
    ) AND {counted} AND {c.between("missed_ms")}
    GROUP BY {names} HAVING last <= fromUnixTimestamp64Milli({{from_ms:Int64}})"""
    return Question(
        f"""WITH silent AS ({silent})
SELECT {names}, 1 AS value, {volume} AS volume, [any(example)] AS trace_ids,
    toUnixTimestamp64Milli(any(last)) / 1000 AS since_s
FROM (
    SELECT {c.columns(absence.by)}, {c.ENDED} AS ended, {WEIGHT}, {told} FROM otel_traces
    WHERE ({columns}) IN (SELECT {names} FROM silent) AND {counted} AND {c.between("memory_ms")}
) AS call INNER JOIN silent USING ({names})
WHERE ended > last - toIntervalSecond({absence.memory_s})
GROUP BY {names}
HAVING volume >= {{used_to:Float64}}
    AND uniqExactIf({ended}, {ended} > {last} - {absence.stretches}) >= {{busy_stretches:UInt64}}
ORDER BY volume DESC LIMIT {{rows_max:UInt32}}""",
        {
            **params,
            "missed_ms": now_ms - absence.missed_s * 1000,
            "memory_ms": now_ms - (absence.missed_s + absence.memory_s) * 1000,
            "used_to": used_to(absence),
            "busy_stretches": busy_stretches(absence),
        },
    )


def _silence(silence: Silence, params: dict[str, Value]) -> Question:
    names = c.names(silence.by)
    return Question(
        f"""SELECT {c.listed(names)}1 AS value, volume, trace_ids, since_s
FROM (
    SELECT {c.points(silence.by)}, toUnixTimestamp64Milli(max(TimeUnix)) / 1000 AS since_s
    FROM otel_metrics_gauge
    WHERE MetricName = {c.text(silence.metric.name)} AND {c.pointed("memory_ms")}
        {c.among_points(silence.where)}
    GROUP BY {names}
    HAVING max(TimeUnix) <= fromUnixTimestamp64Milli({{from_ms:Int64}})
) AS gauge INNER JOIN (
    SELECT {c.columns(silence.by)}, {c.SPANS} AS volume, [argMax(TraceId, Timestamp)] AS trace_ids
    FROM {c.calls(silence.calls, "from_ms", silence.where)}
    GROUP BY {names}
) AS calls USING ({names})
ORDER BY since_s LIMIT {{rows_max:UInt32}}""",
        {**params, "memory_ms": int(params["now_ms"]) - silence.memory_s * 1000},
    )

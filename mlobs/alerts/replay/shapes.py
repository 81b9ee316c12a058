"""How each kind of indicator is replayed: what is counted, over which windows, and when a rule is broken.

The conditions are those of `sql`, on sums over windows instead of rows.
"""

# the pieces are names of the vocabulary; what a rule or a user says is a parameter

from collections.abc import Sequence
from dataclasses import dataclass

from mlobs.alerts import clauses as c
from mlobs.alerts.indicators import (
    Absence,
    BurnRate,
    Growth,
    Increase,
    PerCallGrowth,
    Quantile,
    Ratio,
    Silence,
)
from mlobs.alerts.measured import Labelled
from mlobs.alerts.replay.grid import Grid
from mlobs.alerts.rules import Rule
from mlobs.alerts.sql import Value
from mlobs.semconv import attributes as a
from mlobs.semconv.rows import Metric


@dataclass(frozen=True, slots=True)
class Window:
    """A number that is summed over a window.

    Args:
        name: Of the sum.
        column: What is summed.
        leaves_s: How far back the window reaches.
        enters_s: And how far back it ends, for what lies before another window.
    """

    name: str
    column: str
    leaves_s: int
    enters_s: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """How a kind of indicator is replayed.

    Args:
        rows: What to select from, with labels as columns and a condition.
        labels: The columns that are labels, with their expressions.
        ended: The expression of when a row counts.
        counts: What is counted of the rows of a step: whole numbers, by name.
        windows: The sums.
        value: The measured value, of the sums.
        broken: The condition that the rule is broken, of the sums and `value`.
        params: Of the rows and conditions.
    """

    rows: str
    labels: str
    ended: str
    counts: dict[str, str]
    windows: tuple[Window, ...]
    value: str
    broken: str
    params: dict[str, Value]


def windows_s(rule: Rule) -> tuple[int, ...]:
    """Return how far back the rule looks from each moment: wherever a window begins or ends."""
    of = rule.indicator
    match of:
        case BurnRate():
            return (of.long_s, of.short_s)
        case PerCallGrowth() | Growth():
            return (of.window_s, of.window_s + of.memory_s)
        case Absence() | Silence():
            return (of.window_s, of.memory_s)
    return (of.window_s,)


def shape(rule: Rule, grid: Grid, params: dict[str, Value]) -> Shape | None:
    """Return how `rule` is replayed, or None if it is no sums over windows."""
    of = rule.indicator
    match of:
        case Ratio():
            return _ratio(of, params)
        case BurnRate():
            return _burn_rate(of, params)
        case Quantile():
            return _quantile(of, params)
        case Growth():
            # Times in which it grew are whole windows, so moments have to be a window apart.
            return _growth(of, params) if grid.step_s == of.window_s else None
        case PerCallGrowth():
            return _per_call_growth(of, params)
        case Absence():
            return _absence(of, params)
        case Silence():
            return _silence(of, params)
        case Increase():
            return _added(of, params) if of.metric.operations else _increase(of, params)
    return None


def _ratio(of: Ratio, params: dict[str, Value]) -> Shape:
    return Shape(
        rows=c.calls(of.metric, "from_ms"),
        labels=c.columns(of.by),
        ended=c.ENDED,
        counts={"calls": "count()", "bad": f"countIf({c.bad(of.metric, of.bad)})"},
        windows=(Window("volume", "calls", of.window_s), Window("failed", "bad", of.window_s)),
        value="failed / volume",
        broken="volume >= {calls_min:UInt64} AND value > {above:Float64}",
        params={**params, "calls_min": of.calls_min},
    )


def _burn_rate(of: BurnRate, params: dict[str, Value]) -> Shape:
    return Shape(
        rows=c.calls(of.metric, "from_ms"),
        labels=c.columns(of.by),
        ended=c.ENDED,
        counts={"calls": "count()", "bad": f"countIf({c.bad(of.metric, of.bad)})"},
        windows=(
            Window("volume", "calls", of.long_s),
            Window("failed", "bad", of.long_s),
            Window("calls_lately", "calls", of.short_s),
            Window("bad_lately", "bad", of.short_s),
        ),
        value="failed / volume / {allowed:Float64}",
        broken="volume >= {calls_min:UInt64} AND failed >= {bad_min:UInt64} AND value > {above:Float64} "
        "AND bad_lately / calls_lately / {allowed:Float64} > {above:Float64}",
        params={**params, "allowed": 1 - of.objective, "calls_min": of.calls_min, "bad_min": of.bad_min},
    )


def _quantile(of: Quantile, params: dict[str, Value]) -> Shape:
    measured = c.measured(of.metric)
    bounds = [float(bound) for bound in of.metric.buckets]
    within = {f"within_{place}": f"countIf({measured} <= {bound!r})" for place, bound in enumerate(bounds)}
    sums = ", ".join(f"sum_{name}" for name in within)
    place = f"arrayFirstIndex(count -> count >= {{quantile:Float64}} * volume, [{sums}])"
    low = f"if({place} > 1, {bounds}[{place} - 1], 0.)"
    before = f"if({place} > 1, [{sums}][{place} - 1], 0)"
    inside = (
        f"{low} + ({bounds}[{place}] - {low}) * ({{quantile:Float64}} * volume - {before}) "
        f"/ ([{sums}][{place}] - {before})"
    )
    return Shape(
        rows=c.calls(of.metric, "from_ms"),
        labels=c.columns(of.by),
        ended=c.ENDED,
        counts={"calls": "count()", **within},
        windows=(
            Window("volume", "calls", of.window_s),
            *(Window(f"sum_{name}", name, of.window_s) for name in within),
        ),
        value=f"if({place} = 0, {bounds[-1]!r}, {inside})",
        broken="volume >= {calls_min:UInt64} AND value > {above:Float64}",
        params={**params, "quantile": of.quantile, "calls_min": of.calls_min},
    )


def _growth(of: Growth, params: dict[str, Value]) -> Shape:
    memory_s = of.window_s + of.memory_s
    amount = _amount(c.measured(of.metric), _parts(of.metric))
    return Shape(
        rows=c.calls(of.metric, "memory_ms"),
        labels=c.columns(of.by),
        ended=c.ENDED,
        counts={"amount": amount, "grew": f"{amount} > 0"},
        windows=(
            Window("recent", "amount", of.window_s),
            Window("earlier", "amount", memory_s, enters_s=of.window_s),
            Window("times", "grew", memory_s, enters_s=of.window_s),
        ),
        value="recent / (earlier / times)",
        broken=f"recent >= {{amount_min:Float64}} * {_parts(of.metric)} "
        f"AND times * {of.window_s} >= {{history_s:UInt64}} AND value > {{above:Float64}}",
        params={**params, "amount_min": of.amount_min, "history_s": of.history_s},
    )


def _silence(of: Silence, params: dict[str, Value]) -> Shape:
    names = c.names(of.by)
    return Shape(
        rows=f"""(
    SELECT {c.points(of.by)}, TimeUnix AS counted, 1 AS point FROM otel_metrics_gauge
    WHERE MetricName = {c.text(of.metric.name)} AND {c.pointed("from_ms")}
    UNION ALL
    SELECT {c.columns(of.by)}, {c.ENDED} AS counted, 0 AS point FROM {c.calls(of.calls, "from_ms")}
) WHERE true""",
        labels=names,
        ended="counted",
        counts={"points": "countIf(point = 1)", "calls": "countIf(point = 0)"},
        windows=(
            Window("lately", "points", of.window_s),
            Window("before", "points", of.memory_s),
            Window("volume", "calls", of.window_s),
        ),
        value="1",
        broken="lately = 0 AND before > 0 AND volume > 0",
        params=params,
    )


def _per_call_growth(of: PerCallGrowth, params: dict[str, Value]) -> Shape:
    memory_s = of.window_s + of.memory_s
    return Shape(
        rows=c.calls(of.per, "memory_ms"),
        labels=c.columns(of.by),
        ended=c.ENDED,
        counts={"calls": "count()", "amount": _amount(c.measured(of.metric), _parts(of.metric))},
        windows=(
            Window("volume", "calls", of.window_s),
            Window("recent", "amount", of.window_s),
            Window("calls_before", "calls", memory_s, enters_s=of.window_s),
            Window("earlier", "amount", memory_s, enters_s=of.window_s),
        ),
        value="(recent / volume) / (earlier / calls_before)",  # Parts of a unit, in both.
        broken="volume >= {calls_min:UInt64} AND calls_before >= {calls_min:UInt64} "
        "AND value > {above:Float64}",
        params={**params, "calls_min": of.calls_min},
    )


def _absence(of: Absence, params: dict[str, Value]) -> Shape:
    counts = {f"calls_{place}": f"countIf({c.of(metric)})" for place, metric in enumerate(of.metrics)}
    most = f"arrayMax([{', '.join(f'memory_{name}' for name in counts)}])"
    return Shape(
        rows=f"otel_traces WHERE ({' OR '.join(f'({c.of(metric)})' for metric in of.metrics)}) "
        f"AND {c.between('from_ms')}",
        labels=c.columns(of.by),
        ended=c.ENDED,
        counts={"anything": "count()", **counts},
        windows=(
            Window("alive", "anything", of.window_s),
            *(Window(f"memory_{name}", name, of.memory_s) for name in counts),
        ),
        value="1",
        broken=f"alive = 0 AND {most} >= {{used_to:Float64}}",
        params={**params, "used_to": of.calls_min * of.memory_s / of.window_s},
    )


def _added(of: Increase, params: dict[str, Value]) -> Shape:
    return Shape(
        rows=c.added_calls(of),
        labels=c.columns(of.by),
        ended=c.ENDED,
        counts={"amount": _amount(c.measured(of.metric), _parts(of.metric))},
        windows=(Window("grown", "amount", of.window_s),),
        value=f"grown / {_parts(of.metric)}",
        broken="value > {above:Float64}",
        params=params,
    )


def _increase(of: Increase, params: dict[str, Value]) -> Shape:
    series = (a.SERVICE_NAME, *of.metric.labels)
    before = (
        f"(PARTITION BY {c.names(series)}, instance, StartTimeUnix, AggregationTemporality ORDER BY TimeUnix "
        "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"
    )
    # The first point of a process that began within the window says how much it grew since then. The
    # evaluator forgets it as soon as the process is older than the window; here it stays for a window.
    began = "StartTimeUnix > TimeUnix - toIntervalSecond({window_s:UInt32})"
    grown = (
        f"multiIf(AggregationTemporality = 1, Value, count() OVER {before} = 2, "
        f"Value - lagInFrame(Value) OVER {before}, {began}, Value, 0)"
    )
    return Shape(
        rows=f"""(
    SELECT {c.names(series)}, TimeUnix, {grown} AS more
    FROM (
        SELECT *, {c.points(series)}, {c.INSTANCE} AS instance FROM otel_metrics_sum
        WHERE MetricName = {c.text(of.metric.name)} AND {c.pointed("from_ms")}{where(of.where)}
    )
) WHERE true""",
        labels=c.names(of.by),
        ended="TimeUnix",
        counts={"amount": _amount("more", _parts(of.metric))},
        windows=(Window("grown", "amount", of.window_s),),
        value=f"grown / {_parts(of.metric)}",
        broken="value > {above:Float64}",
        params={**params, "window_s": of.window_s},
    )


def _parts(metric: Metric) -> int:
    """Return into how many parts one unit is divided, so that what leaves is exactly what entered."""
    return 1 if metric.unit == "{token}" else 10**9 if metric.operations else 1000


def _amount(value: str, parts: int) -> str:
    return f"sum(toInt64(round(toFloat64({value}) * {parts})))"


def where(conditions: Sequence[Labelled]) -> str:
    """Return the condition that points have values of labels."""
    return "".join(
        f" AND Attributes[{c.text(one.label.name)}] IN ({c.texts(one.values)})" for one in conditions
    )

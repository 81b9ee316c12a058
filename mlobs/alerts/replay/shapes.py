"""How each kind of indicator is replayed: what is counted, over which windows, and when a rule is broken.

The conditions are those of `sql`, on sums over windows instead of rows.
"""

from dataclasses import dataclass, field

from mlobs.alerts import clauses as c
from mlobs.alerts.conditions import ABOVE, ENOUGH, Value, busy_stretches, condition, enough, stretch, used_to
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
from mlobs.alerts.replay.grid import Grid
from mlobs.alerts.rules import Rule
from mlobs.semconv import attributes as a
from mlobs.semconv.rows import Metric
from mlobs.semconv.weights import WEIGHT


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
        last: What is remembered of an earlier step: by name, a sum as it was when another was last not 0.
    """

    rows: str
    labels: str
    ended: str
    counts: dict[str, str]
    windows: tuple[Window, ...]
    value: str
    broken: str
    params: dict[str, Value]
    last: dict[str, tuple[str, str]] = field(default_factory=dict)


def windows_s(rule: Rule) -> tuple[int, ...]:
    """Return how far back the rule looks from each moment: wherever a window begins or ends."""
    of = rule.indicator
    match of:
        case BurnRate():
            return (of.long_s, of.short_s)
        case PerCallGrowth() | Growth():
            return (of.window_s, of.window_s + of.memory_s)
        case Absence():
            return (of.window_s, of.stretch_s, of.memory_s, of.missed_s, of.missed_s + of.memory_s)
        case Silence():
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
            return _absence(of, params, grid.step_s)
        case Silence():
            return _silence(of, params)
        case Increase():
            return _added(of, params) if of.metric.operations else _increase(of, params)
    return None


def _ratio(of: Ratio, params: dict[str, Value]) -> Shape:
    when = condition(of)
    return Shape(
        rows=c.calls(of.metric, "from_ms", of.where),
        labels=c.columns(of.by),
        ended=c.ENDED,
        counts={"calls": c.SPANS, "bad": c.spans_if(c.bad(of.metric, of.bad))},
        windows=(Window("volume", "calls", of.window_s), Window("failed", "bad", of.window_s)),
        value=when.value,
        broken=when.broken,
        params={**params, **when.params},
    )


def _burn_rate(of: BurnRate, params: dict[str, Value]) -> Shape:
    when = condition(of)
    return Shape(
        rows=c.calls(of.metric, "from_ms", of.where),
        labels=c.columns(of.by),
        ended=c.ENDED,
        counts={"calls": c.SPANS, "bad": c.spans_if(c.bad(of.metric, of.bad))},
        windows=(
            Window("volume", "calls", of.long_s),
            Window("failed", "bad", of.long_s),
            Window("calls_lately", "calls", of.short_s),
            Window("bad_lately", "bad", of.short_s),
        ),
        value=when.value,
        broken=when.broken,
        params={**params, **when.params},
    )


def _quantile(of: Quantile, params: dict[str, Value]) -> Shape:
    measured = c.measured(of.metric)
    bounds = [float(bound) for bound in of.metric.buckets]
    within = {f"within_{place}": c.spans_if(f"{measured} <= {bound!r}") for place, bound in enumerate(bounds)}
    sums = ", ".join(f"sum_{name}" for name in within)
    place = f"arrayFirstIndex(count -> count >= {{quantile:Float64}} * volume, [{sums}])"
    low = f"if({place} > 1, {bounds}[{place} - 1], 0.)"
    before = f"if({place} > 1, [{sums}][{place} - 1], 0)"
    inside = (
        f"{low} + ({bounds}[{place}] - {low}) * ({{quantile:Float64}} * volume - {before}) "
        f"/ ([{sums}][{place}] - {before})"
    )
    return Shape(
        rows=c.calls(of.metric, "from_ms", of.where),
        labels=c.columns(of.by),
        ended=c.ENDED,
        counts={"calls": c.SPANS, **within},
        windows=(
            Window("volume", "calls", of.window_s),
            *(Window(f"sum_{name}", name, of.window_s) for name in within),
        ),
        value=f"if({place} = 0, {bounds[-1]!r}, {inside})",
        broken=f"{ENOUGH} AND {ABOVE}",
        params={**params, **enough(of), "quantile": of.quantile},
    )


def _growth(of: Growth, params: dict[str, Value]) -> Shape:
    memory_s, when = of.window_s + of.memory_s, condition(of, _parts(of.metric))
    amount = _spent(of.metric)
    return Shape(
        rows=c.calls(of.metric, "memory_ms", of.where),
        labels=c.columns(of.by),
        ended=c.ENDED,
        counts={"amount": amount, "grew": f"{amount} > 0"},
        windows=(
            Window("recent", "amount", of.window_s),
            Window("earlier", "amount", memory_s, enters_s=of.window_s),
            Window("times", "grew", memory_s, enters_s=of.window_s),
        ),
        value=when.value,
        broken=when.broken,
        params={**params, **when.params},
    )


def _silence(of: Silence, params: dict[str, Value]) -> Shape:
    names = c.names(of.by)
    return Shape(
        rows=f"""(
    SELECT {c.points(of.by)}, TimeUnix AS counted, 1 AS point FROM otel_metrics_gauge
    WHERE MetricName = {c.text(of.metric.name)} AND {c.pointed("from_ms")}{c.among_points(of.where)}
    UNION ALL
    SELECT {c.columns(of.by)}, {c.ENDED} AS counted, 0 AS point FROM {c.calls(of.calls, "from_ms", of.where)}
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
    memory_s, when = of.window_s + of.memory_s, condition(of)
    return Shape(
        rows=c.calls(of.per, "memory_ms", of.where),
        labels=c.columns(of.by),
        ended=c.ENDED,
        counts={"calls": c.SPANS, "amount": _spent(of.metric)},
        windows=(
            Window("volume", "calls", of.window_s),
            Window("recent", "amount", of.window_s),
            Window("calls_before", "calls", memory_s, enters_s=of.window_s),
            Window("earlier", "amount", memory_s, enters_s=of.window_s),
        ),
        value=when.value,
        broken=when.broken,
        params={**params, **when.params},
    )


def _absence(of: Absence, params: dict[str, Value], step_s: int) -> Shape:
    """Remember how busy a service was, and how often, at the step of its last call."""
    when = stretch("({from_ms:Int64} + bucket * {step_ms:Int64})", of)
    lately = (
        f"(PARTITION BY {c.names(of.by)} ORDER BY {when} "
        f"RANGE BETWEEN {of.stretches - 1} PRECEDING AND CURRENT ROW)"
    )
    counts = {f"calls_{place}": c.spans_if(c.of(metric)) for place, metric in enumerate(of.metrics)}
    most = f"greatest(0, {', '.join(f'memory_{name}' for name in counts)})"
    return Shape(
        rows=f"otel_traces WHERE ({' OR '.join(f'({c.of(metric)})' for metric in of.metrics)}) "
        f"AND {c.between('from_ms')}{c.among_calls(of.where)}",
        labels=c.columns(of.by),
        ended=c.ENDED,
        counts={"anything": "count()", "stretches": f"uniqExact({when}) OVER {lately}", **counts},
        windows=(
            Window("calling", "anything", step_s),
            Window("busy_at", "stretches", step_s),
            Window("alive", "anything", of.window_s),
            Window("missed", "anything", of.missed_s),
            *(Window(f"memory_{name}", name, of.memory_s) for name in counts),
        ),
        last={"busy": (most, "calling"), "often": ("busy_at", "calling")},
        value="1",
        broken="alive = 0 AND missed > 0 AND busy >= {used_to:Float64} AND often >= {busy_stretches:UInt64}",
        params={**params, "used_to": used_to(of), "busy_stretches": busy_stretches(of)},
    )


def _added(of: Increase, params: dict[str, Value]) -> Shape:
    return Shape(
        rows=c.added_calls(of),
        labels=c.columns(of.by),
        ended=c.ENDED,
        counts={"amount": _spent(of.metric)},
        windows=(Window("grown", "amount", of.window_s),),
        value=f"grown / {_parts(of.metric)}",
        broken=ABOVE,
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
        WHERE MetricName = {c.text(of.metric.name)} AND {c.pointed("from_ms")}
        {c.among_points(of.where)}
    )
) WHERE true""",
        labels=c.names(of.by),
        ended="TimeUnix",
        counts={"amount": f"sum({_whole('more', _parts(of.metric))})"},
        windows=(Window("grown", "amount", of.window_s),),
        value=f"grown / {_parts(of.metric)}",
        broken=ABOVE,
        params={**params, "window_s": of.window_s},
    )


def _parts(metric: Metric) -> int:
    """Return into how many parts one unit is divided, so that what leaves is exactly what entered."""
    return 1 if metric.unit == "{token}" else 10**9 if metric.operations else 1000


def _spent(metric: Metric) -> str:
    """Return what calls add up to, with those that stored ones stand for."""
    return f"sum({_whole(c.measured(metric), _parts(metric))} * {WEIGHT})"


def _whole(value: str, parts: int) -> str:
    return f"toInt64(round(toFloat64({value}) * {parts}))"

"""One question for every moment at which a rule was broken.

What happened is counted by label and step. Each count enters a window at its step and leaves it so many
steps later, so the running sum of what enters less what leaves is what `sql.question` would have counted at
each moment, for windows of any length. Steps at which the rule is broken are joined to stretches, and only
those come back: labels, `begin`, `end` and the largest `value`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mlobs.alerts import clauses as c
from mlobs.alerts.conditions import ABOVE, Value
from mlobs.alerts.indicators import Gauge, Ratio
from mlobs.alerts.replay.grid import Grid
from mlobs.alerts.replay.shapes import Shape, Window, shape
from mlobs.alerts.rules import Rule
from mlobs.alerts.sql import Question, chosen
from mlobs.semconv import attributes as a
from mlobs.semconv.rows import Attribute

ROWS_MAX = 100_000


def grouped(rule: Rule, grid: Grid) -> Question | None:
    """Return the question for `rule`, or None where moments have to be asked about one by one."""
    params = _params(rule, grid)
    of = rule.indicator
    if isinstance(of, Gauge):
        series = f"{c.names((a.SERVICE_NAME, *of.metric.labels))}, instance"
        return Question(_stretches(_gauge(of, grid, ABOVE), c.names(of.by), series), params)
    found = shape(rule, grid, params)
    if found is None:
        return None
    names = c.names(of.by)
    return Question(_stretches(_running(rule, found, grid), names, names), found.params)


def measured(rule: Rule, grid: Grid, labels: Mapping[str, str]) -> Question | None:
    """Return the question for what `rule` measures at every moment; None where it cannot be asked at once.

    Rows have `step`, `until`, the step before which it was the same, and `value`, which may be null.

    Args:
        rule: The rule.
        grid: The moments.
        labels: Of the one alert that is meant.
    """
    if rule.above is None:
        return None
    params, of = _params(rule, grid), rule.indicator
    mine = " AND ".join(f"{one.label} = {{own_{one.label}:String}}" for one in of.by) or "true"
    if isinstance(of, Gauge):
        states = _gauge(of, grid, mine)
    else:
        found = shape(rule, grid, params)
        if found is None:
            return None
        states, params = _running(rule, replace(found, broken=mine), grid), found.params
    own: dict[str, Value] = {f"own_{one.label}": labels.get(one.label, "") for one in of.by}
    return Question(
        f"SELECT step, until, if(isFinite(value), value, NULL) AS value FROM ({states}) "
        "WHERE step <= {last:Int64} ORDER BY step LIMIT {rows_max:UInt32}",
        {**params, **own},
    )


def _params(rule: Rule, grid: Grid) -> dict[str, Value]:
    return {
        "now_ms": round(grid.last_s * 1000),
        "from_ms": grid.origin_s * 1000,
        "memory_ms": grid.origin_s * 1000,
        "step_ms": grid.step_s * 1000,
        "last": grid.last,
        "rows_max": ROWS_MAX,
        **c.given(chosen(rule.indicator)),
        **({} if rule.above is None else {"above": rule.above}),
    }


def _step(ended: str) -> str:
    """Return the number of the first moment at which a row counts."""
    since = f"toUnixTimestamp64Milli(toDateTime64({ended}, 3, 'UTC')) - {{from_ms:Int64}}"
    return f"intDiv({since} - 1, {{step_ms:Int64}}) + 1"


def _running(rule: Rule, of: Shape, grid: Grid) -> str:
    """Return the question for sums over windows at the steps at which `of.broken` holds."""
    by = rule.indicator.by
    names = c.names(by)
    # A label whose values share the first count: each one's part of the whole is asked for.
    whole: Sequence[Attribute] = ()
    split: Attribute | None = None
    if isinstance(rule.indicator, Ratio) and by != rule.indicator.whole_by:
        whole, split = rule.indicator.whole_by, a.ERROR_TYPE
    counts = ", ".join(f"toInt64({expression}) AS {name}" for name, expression in of.counts.items())
    rows = (
        f"SELECT {c.listed(of.labels)}{_step(of.ended)} AS bucket, {counts} "
        f"FROM {of.rows} GROUP BY {c.listed(names)}bucket"
    )
    if split is not None:
        rows = _split(rows, of, c.names(whole), split)
    edges = sorted({edge for one in of.windows for edge in (one.enters_s, one.leaves_s)})
    events = ", ".join(
        f"(bucket + {grid.steps(edge)}, {', '.join(_change(one, edge) for one in of.windows)})"
        for edge in edges
    )
    changes = ", ".join(f"sum(event.{place}) AS change_{one.name}" for place, one in enumerate(of.windows, 2))
    order = f"({_partition(names)}ORDER BY step ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    sums = ", ".join(f"toFloat64(sum(change_{one.name}) OVER {order}) AS {one.name}" for one in of.windows)
    following = f"({_partition(names)}ORDER BY step ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING)"
    last = "".join(
        f", argMaxIf({one}, step, {when} > 0) OVER {order} AS {name}" for name, (one, when) in of.last.items()
    )
    return f"""SELECT *, {of.value} AS value
        FROM (SELECT *{last} FROM (
            SELECT {c.listed(names)}step, {sums},
                least(leadInFrame(step, 1, {{last:Int64}} + 1) OVER {following}, {{last:Int64}} + 1) AS until
            FROM (
                SELECT {c.listed(names)}event.1 AS step, {changes}
                FROM ({rows}) ARRAY JOIN [{events}] AS event
                WHERE bucket <= {{last:Int64}}
                GROUP BY {c.listed(names)}step
            )
        ))
        WHERE {of.broken}"""


def _split(rows: str, of: Shape, whole: str, split: Attribute) -> str:
    """Return the rows with the first count of every value of `split` told to each of them."""
    first, *others = of.counts
    mine = "".join(f", if(own = each, {name}, 0) AS {name}" for name in others)
    over = f"({_partition(whole).removesuffix(' ')})"
    return (
        f"SELECT {c.listed(whole)}each AS {split.label}, bucket, {first}{mine} "
        f"FROM (SELECT *, {split.label} AS own, groupUniqArray({split.label}) OVER {over} AS every "
        f"FROM ({rows})) "
        "ARRAY JOIN every AS each"
    )


def _change(window: Window, edge: int) -> str:
    if edge == window.enters_s:
        return window.column
    return f"-{window.column}" if edge == window.leaves_s else "toInt64(0)"


def _partition(names: str) -> str:
    return f"PARTITION BY {names} " if names else ""


def _stretches(states: str, names: str, series: str) -> str:
    """Return the question that joins broken steps which follow each other."""
    before = f"({_partition(series)}ORDER BY step ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"
    order = f"({_partition(series)}ORDER BY step ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    # After the last moment windows only empty, since nothing is asked for that would fill them.
    return f"""SELECT {c.listed(names)}min(step) AS begin, max(until) AS end, max(value) AS value
FROM (
    SELECT *, sum(gap) OVER {order} AS stretch
    FROM (
        SELECT *, step != lagInFrame(until, 1, toInt64(-1)) OVER {before} AS gap
        FROM (
        {states} AND step <= {{last:Int64}}
        )
    )
)
GROUP BY {c.listed(series)}stretch
ORDER BY begin LIMIT {{rows_max:UInt32}}"""


def _gauge(of: Gauge, grid: Grid, when: str) -> str:
    """Ask how long each series stood so: until its next point, or until it is too old."""
    series = f"{c.names((a.SERVICE_NAME, *of.metric.labels))}, instance"
    following = f"({_partition(series)}ORDER BY step ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING)"
    return f"""SELECT *, least(step + {grid.steps(of.fresh_s)}, next, {{last:Int64}} + 1) AS until
        FROM (
            SELECT {series}, step, value, leadInFrame(step, 1, {{last:Int64}} + 1) OVER {following} AS next
            FROM (
                SELECT {c.points((a.SERVICE_NAME, *of.metric.labels))}, {c.INSTANCE} AS instance,
                    {_step("TimeUnix")} AS step, argMax(Value, TimeUnix) AS value
                FROM otel_metrics_gauge
                WHERE MetricName = {c.text(of.metric.name)} AND {c.pointed("from_ms")}
                {c.among_points(of.where)}
                GROUP BY {series}, step
            )
        )
        WHERE {when}"""

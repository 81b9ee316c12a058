r"""SQL of the board that asks where spans are stored: the server, a ClickHouse, a collector's tables.

Two rules keep it from running what telemetry or a link brings:

* What is chosen stands in a statement percent-encoded and is decoded by the database. Grafana's own quoting
  (`singlequote`, `sqlstring`) leaves backslashes as they are, so a service named `\\') UNION ...` would end
  its text and go on as SQL. `queryparam` keeps several values apart and leaves nothing that ends a text.
* No variable holds SQL. `skipUrlSync` does not help: older releases of Grafana take any variable's value from
  the address. What depends on the tables is written out in the statement, inside the data source's macro
  `$__conditionalAll`, and hidden variables only say what of it stays.

Statements name the canonical columns of `otel_traces`. Tables that the OpenTelemetry Collector's ClickHouse
exporter made, old or new, lack them: there a WITH computes those that a statement names (`columns`).
So one board reads both, and where the columns are stored only they are read, which is twenty times faster.

A span that a sampler kept counts as often as it stands for (`Weight`), in everything that is said of many
runs. What is said of one run is said of what is stored of it: samplers keep a trace whole.

Why not two boards: whoever moves from one table to the other would have to change every link.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from mlobs.dashboards.queries import SERIES_MAX, VARIABLES
from mlobs.dashboards.sql.columns import (
    FAILED,
    LOGS,
    MAPS,
    STORED,
    TRACES,
    computed,
    computing,
    of_scores,
    text,
)
from mlobs.semconv import metrics as m
from mlobs.semconv.weights import WEIGHT

ROWS_MAX = 20

WHEN = "$__timeFilter(Timestamp)"
# The column that each variable of the board chooses by.
CHOICES: Mapping[str, str] = {name: labels[0].column for name, labels in VARIABLES.items()}


def among(variable: str) -> str:
    """Return the condition that a column has one of the values that are chosen of a variable.

    >>> among("service")[:65]
    'ServiceName IN (arrayMap(v -> decodeURLComponent(substring(v, 13)'
    """
    begin = len(f"var-{variable}=") + 1
    values = (
        f"arrayMap(v -> decodeURLComponent(substring(v, {begin})), "
        f"splitByChar('&', '${{{variable}:queryparam}}'))"
    )
    return f"{CHOICES[variable]} IN ({values})"


def chosen(*variables: str) -> str:
    """Return the condition that spans are in the range and among what these variables have."""
    return " AND ".join([WHEN, *(f"$__conditionalAll({among(name)}, ${name})" for name in variables)])


WHERE = chosen("service")
WHERE_MODEL = chosen("service", "provider", "model")
WHERE_AGENT = chosen("service", "agent")
WHERE_PREDICTOR = chosen("service", "predictor")
TIME = "$__timeInterval(Timestamp) AS time"
# Where a bucket is cut by the end of the range, everything would seem to stop.
WHOLE = "HAVING time >= $__fromTime AND time <= $__toTime - $__interval_s"
# The buckets that are not cut, whether anything is in them or not.
STEPS = (
    "arrayMap(at -> toDateTime(at, 'UTC'), range("
    "intDiv(toUnixTimestamp($__fromTime) + $__interval_s - 1, $__interval_s) * $__interval_s, "
    "toUnixTimestamp($__toTime) - $__interval_s + 1, $__interval_s))"
)
Missing = Literal["zero", "gap"]  # Of a count nothing is 0; of how long something takes it is nothing.
PER_MINUTE, PER_HOUR = "* 60 / $__interval_s", "* 3600 / $__interval_s"
THE_TRACE = f"{WHEN} AND TraceId = decodeURLComponent('${{trace:percentencode}}')"

COUNT = f"sum({WEIGHT})"
BUCKETS_EACH_DOUBLING = 16  # Of durations: a bucket is 4 % wide.
NANOS_MAX = "1e18"
_UP_TO_EACH = "arrayReduceInRanges('sum', arrayMap(i -> (1, i), arrayEnumerate(mapValues(b))), mapValues(b))"


def count_of(condition: str) -> str:
    """Return how many spans there were for which something is true, stored or not.

    >>> count_of("Duration > 5")
    'sumIf(Weight, Duration > 5)'
    """
    return f"sumIf({WEIGHT}, {condition})"


def total(value: str) -> str:
    """Return what a number of spans adds up to, stored or not.

    >>> total("CostUsd")
    'sum(ifNull(CostUsd, 0) * Weight)'
    """
    return f"sum(ifNull({value}, 0) * {WEIGHT})"


# Counts that a span may lack, as numbers.
TOKENS = total("ifNull(InputTokens, 0) + ifNull(OutputTokens, 0)")
COST = total("CostUsd")
COST_OF_RUN = "sum(ifNull(CostUsd, 0))"
FAILED_SHARE = f"{count_of(FAILED)} / {COUNT}"
TIME_OF_ALL = total("Duration / 1e9")


def of_operations(*operations: str) -> str:
    """Return the condition for spans of these operations.

    >>> of_operations("chat", "embeddings")
    "Operation IN ('chat', 'embeddings')"
    """
    return f"Operation IN ({', '.join(map(text, operations))})"


MODEL_CALLS = of_operations(*m.INFERENCE_DURATION.operations)
PAID_CALLS = of_operations(*m.COST.operations)
AGENT_RUNS = of_operations(*m.AGENT_DURATION.operations)
PREDICTIONS = "ModelName != '' AND Operation = ''"
TOOL_CALLS = of_operations(*m.TOOL_DURATION.operations)
ANY_CALL = of_operations(
    *m.COST.operations,
    *m.AGENT_DURATION.operations,
    *m.TOOL_DURATION.operations,
    *m.OPERATION_DURATION.operations,
)


def scores() -> str:
    """Return the table of scores, in brackets, from the log records that they came as.

    The server keeps them in a table of their own as well, which an exporter's database lacks.
    """
    columns = "Timestamp, TraceId, ServiceName, Name, Value, JudgedBy"
    begin = computing(columns, of_scores, MAPS)
    return f"({begin}SELECT {columns} FROM {LOGS} WHERE {WHEN} AND Name != '')"


def asked(what: str, where: str, *, table: str = TRACES, rest: str = "") -> str:
    """Return a statement over one table, with the columns it may lack."""
    # A statement within has a WITH of its own.
    begin = computing(f"{what} {where} {rest}", computed, STORED) if table == TRACES else ""
    return f"{begin}SELECT {what} FROM {table} WHERE {where} {rest}".rstrip()


def as_map(attributes: str) -> str:
    """Return a column of attributes as a map of texts, which it may be; what JSON nests stays nested."""
    return rf"JSONExtract(toJSONString({attributes}), 'Map\x28String\x2c String\x29')"


def quantile(level: float, nanos: str = "Duration") -> str:
    """Return the seconds that a share of all spans took no longer than, stored or not, within 4 %.

    The engine in the server has no quantile with weights, so they are added up by bucket. Within a bucket
    they are taken to lie evenly, as their logarithms go; of many spans that is within 0.2 %.

    Args:
        level: The share.
        nanos: How long a span took.
    """
    known = f"greatest(least(toFloat64({nanos}), {NANOS_MAX}), 1)"
    bucket = f"toInt16(floor(log2({known}) * {BUCKETS_EACH_DOUBLING}))"
    rank = f"{level:g} * c[-1]"  # Of b, the buckets, c is how many there were up to each, p the place sought.
    within = f"({rank} - c[p]) / mapValues(b)[p] + 1"
    value = f"exp2((mapKeys(b)[p] + {within}) / {BUCKETS_EACH_DOUBLING}) / 1e9"
    placed = f"arrayMap((b, c, p) -> {value}, [b], [c], [arrayFirstIndex(up -> up >= {rank}, c)])[1]"
    added = f"arrayMap((b, c) -> {placed}, [b], [{_UP_TO_EACH}])[1]"
    return f"arrayMap(b -> {added}, [sumMap(map({bucket}, toUInt64({WEIGHT})))])[1]"


def series(
    value: str, where: str, *, by: str, named: str, size: str = COUNT, missing: Missing = "zero"
) -> str:
    """Return the statement of one line for each value of a column: those with the largest `size`.

    Args:
        value: What is drawn, an aggregate.
        where: Of which spans.
        by: The column.
        named: What the column is called in the answer, by which the lines are named.
        size: An aggregate that adds up over time.
        missing: What a line has where there are no spans.
    """
    grouped = asked(
        f"{TIME}, toString({by}) AS {named}, {value} AS value, {size} AS size",
        f"{where} AND {by} != ''",
        rest=f"GROUP BY time, {named} {WHOLE}",
    )
    largest = f"GROUP BY {named} ORDER BY sum(size) DESC, {named} LIMIT {SERIES_MAX}"
    return _at_every_step(grouped, ["value"], largest, missing, named)


def over_time(values: Mapping[str, str], where: str, *, missing: Missing = "zero") -> str:
    """Return the statement of one line for each aggregate, by its name.

    Args:
        values: Aggregates by the name of their line.
        where: Of which spans.
        missing: What the lines have where there are no spans.
    """
    grouped = asked(f"{TIME}, {_named(values)}", where, rest=f"GROUP BY time {WHOLE}")
    return _at_every_step(grouped, list(values), "HAVING count() > 0", missing)


def _at_every_step(grouped: str, values: Sequence[str], rest: str, missing: Missing, named: str = "") -> str:
    """Return the statement of lines that have a value at every step, not only where there are rows.

    Between two rows Grafana draws a line, across whatever there was not. WITH FILL would make lines of an
    empty answer, and refuses a range that is shorter than a step.
    """
    begin = f"{named}, " if named else ""
    points = (
        f"groupArray(time) AS times, groupArray(tuple({', '.join(f'`{one}`' for one in values)})) AS points"
    )
    lines = f"SELECT {begin}{points} FROM ({grouped}) {rest}"
    # Behind the end of an array, and before it, are zeros.
    found = [f"points[indexOf(times, time)].{place}" for place in range(1, len(values) + 1)]
    shown = found if missing == "zero" else [f"if(has(times, time), {one}, NULL)" for one in found]
    columns = ", ".join(f"{one} AS `{name}`" for one, name in zip(shown, values, strict=True))
    return f"SELECT time, {begin}{columns} FROM ({lines}) ARRAY JOIN {STEPS} AS time ORDER BY time"


def ranked(
    columns_: Mapping[str, str],
    where: str,
    *,
    by: Sequence[str],
    order: str,
    having: str = "",
    table: str = TRACES,
) -> str:
    """Return the statement of a table: the rows that are largest by one of its columns.

    Args:
        columns_: Expressions by the heading of the column.
        where: Of which spans.
        by: What makes a row: headings, or expressions that are not shown.
        order: The heading of that column.
        having: Which rows; "" for all.
        table: What is asked.
    """
    groups = ", ".join(f"`{one}`" if one in columns_ else one for one in by)
    kept = f" HAVING {having}" if having else ""
    rest = f"GROUP BY {groups}{kept} ORDER BY `{order}` DESC LIMIT {ROWS_MAX}"
    return asked(_named(columns_), where, table=table, rest=rest)


def of_traces(found: str) -> str:
    """Return the statement of a table of runs, whose ids the statement `found` returns with their rank.

    Of each run all spans in the range are counted. The cost is that of model calls: agents repeat it.
    """
    what = _named({
        "Trace": "TraceId",
        "Began": "min(Timestamp)",
        "Run": "argMin(SpanName, (ParentSpanId != '', Timestamp))",
        "Service": "argMin(ServiceName, (ParentSpanId != '', Timestamp))",
        "Duration": "max(Duration) / 1e9",
        "Calls": f"countIf({MODEL_CALLS})",
        "Tools": f"countIf({TOOL_CALLS})",
        "Errors": f"countIf({FAILED})",
        "Cost": f"sumIf(ifNull(CostUsd, 0), {PAID_CALLS})",
    })  # fmt: skip
    return asked(what, f"{WHEN} AND TraceId IN (SELECT id FROM ({found}))", rest="GROUP BY TraceId")


def top_traces(rank: str, where: str, by: str = "TraceId") -> str:
    """Return the statement that finds the runs in which a group of spans has the largest sum of something.

    Groups are made by a hash, a quarter of the size of an id; two that fall together are one in 10^19.

    Args:
        rank: An aggregate.
        where: Of which spans.
        by: The columns that make a group, the trace among them.
    """
    rest = f"GROUP BY cityHash64({by}) ORDER BY best DESC LIMIT {ROWS_MAX}"
    return asked(f"any(TraceId) AS id, {rank} AS best", where, rest=rest)


def top_spans(rank: str, where: str) -> str:
    """Return the statement that finds the runs with the largest single span."""
    return asked(f"TraceId AS id, {rank} AS best", where, rest=f"ORDER BY best DESC LIMIT {ROWS_MAX}")


def _named(columns_: Mapping[str, str]) -> str:
    # A name may not be given again to what a WITH has given it to.
    return ", ".join(
        expression if expression == heading else f"{expression} AS `{heading}`"
        for heading, expression in columns_.items()
    )

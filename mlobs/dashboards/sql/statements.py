r"""SQL of the board that asks where spans are stored: the server, a ClickHouse, a collector's tables.

Two rules keep it from running what telemetry or a link brings:

* What is chosen stands in a statement percent-encoded and is decoded by the database. Grafana's own quoting
  (`singlequote`, `sqlstring`) leaves backslashes as they are, so a service named `\\') UNION ...` would end
  its text and go on as SQL. `queryparam` keeps several values apart and leaves nothing that ends a text.
* No variable holds SQL. `skipUrlSync` does not help: older releases of Grafana take any variable's value from
  the address. What depends on the tables is written out in the statement, inside the data source's macro
  `$__conditionalAll`, and a hidden variable only says which of the two stays.

Statements name the canonical columns of `otel_traces`. Tables that the OpenTelemetry Collector's ClickHouse
exporter made, old or new, lack them: there a WITH computes those that a statement names from the attributes.
So one board reads both, and where the columns are stored only they are read, which is twenty times faster.

Why not two boards: whoever moves from one table to the other would have to change every link.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache

from mlobs.dashboards.queries import SERIES_MAX, VARIABLES
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.dialects.rows import TENANT
from mlobs.semconv.rows import Attribute

TRACES, LOGS = "otel_traces", "otel_logs"
ROWS_MAX = 20
# Old exporters wrote the longer word.
FAILED = "StatusCode IN ('Error', 'STATUS_CODE_ERROR')"
OTHER = "_OTHER"
READERS: Mapping[str, str] = {"int": "toUInt64OrNull({})", "double": "toFloat64OrNull({})"}
STORED = "stored"  # The hidden variable: All where the canonical columns are there.

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
PER_MINUTE, PER_HOUR = "* 60 / $__interval_s", "* 3600 / $__interval_s"
THE_TRACE = f"{WHEN} AND TraceId = decodeURLComponent('${{trace:percentencode}}')"

# Counts that a span may lack, as numbers.
TOKENS = "sum(ifNull(InputTokens, 0) + ifNull(OutputTokens, 0))"
COST = "sum(ifNull(CostUsd, 0))"
SECONDS = "Duration / 1e9"


def text(value: str) -> str:
    r"""Return a text as SQL writes it.

    >>> print(text("it's"))
    'it\'s'
    """
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def stored() -> str:
    """Return the statement that says whether the canonical columns are stored: All, or another word."""
    names = ", ".join(map(text, computed()))
    return (
        f"SELECT if(count() = {len(computed())}, concat('$', '__all'), 'computed') AS {STORED} "
        f"FROM system.columns {_of_table(TRACES)} AND name IN ({names})"
    )


@cache
def computed() -> dict[str, str]:
    """Return how each canonical column is computed from the attributes of a span.

    >>> computed()["RequestModel"]
    "SpanAttributes['gen_ai.request.model']"
    """
    rows = [row for row in (*a.ATTRIBUTES, TENANT) if row.column and row not in {a.SERVICE_NAME, a.KIND}]
    found = {
        row.column: READERS.get(row.type, "{}").format(f"SpanAttributes[{text(row.name)}]") for row in rows
    }
    error = found[a.ERROR_TYPE.column]
    found[a.ERROR_TYPE.column] = f"if({FAILED} AND {error} = '', {text(OTHER)}, {error})"
    return found


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

    def said(row: Attribute) -> str:
        return f"LogAttributes[{text(row.name)}]"

    return (
        f"(SELECT Timestamp, TraceId, ServiceName, {said(a.EVALUATION_NAME)} AS Name, "
        f"toFloat64OrNull({said(a.EVALUATION_SCORE)}) AS Value, {said(a.EVALUATION_BY)} AS JudgedBy "
        f"FROM {LOGS} WHERE {WHEN} AND mapContains(LogAttributes, {text(a.EVALUATION_NAME.name)}))"
    )


def asked(what: str, where: str, *, table: str = TRACES, rest: str = "") -> str:
    """Return a statement over one table, with the columns it may lack."""
    begin = _computing(f"{what} {where} {rest}") if table == TRACES else ""
    return f"{begin}SELECT {what} FROM {table} WHERE {where} {rest}".rstrip()


def _computing(statement: str) -> str:
    """Return the WITH that computes the columns a statement names where they are not stored.

    Where they are, the macro leaves `1=1` of it. A statement within has a WITH of its own.
    """
    named = [f"{made} AS {name}" for name, made in computed().items() if re.search(rf"\b{name}\b", statement)]
    return f"WITH $__conditionalAll(tuple({', '.join(named)}), ${STORED}) AS canonical " if named else ""


def quantile(level: float, value: str = SECONDS) -> str:
    """Return a quantile, of a sample of 8,192 where there are more; the engine in the server has no other."""
    return f"quantile({level})({value})"


def series(value: str, where: str, *, by: str, named: str, size: str = "count()") -> str:
    """Return the statement of one line for each value of a column: those with the largest `size`.

    Args:
        value: What is drawn, an aggregate.
        where: Of which spans.
        by: The column.
        named: What the column is called in the answer, by which the lines are named.
        size: An aggregate that adds up over time.
    """
    grouped = asked(
        f"{TIME}, toString({by}) AS {named}, {value} AS value, {size} AS size",
        f"{where} AND {by} != ''",
        rest=f"GROUP BY time, {named} {WHOLE}",
    )
    summed = f"SELECT *, sum(size) OVER (PARTITION BY {named}) AS total FROM ({grouped})"
    ranked = f"SELECT *, dense_rank() OVER (ORDER BY total DESC, {named}) AS place FROM ({summed})"
    return f"SELECT time, {named}, value FROM ({ranked}) WHERE place <= {SERIES_MAX} ORDER BY time"


def over_time(values: Mapping[str, str], where: str) -> str:
    """Return the statement of one line for each aggregate, by its name."""
    return asked(f"{TIME}, {_named(values)}", where, rest=f"GROUP BY time {WHOLE} ORDER BY time")


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


def _of_table(name: str) -> str:
    return f"WHERE database = currentDatabase() AND table = {text(name)}"

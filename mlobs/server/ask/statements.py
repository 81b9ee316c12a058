"""The SQL of each question. What users say is in parameters; what is in the text comes from our tables.

Every statement is bounded by time first (`IN_RANGE`): days are partitions, parts know their first and
last time, and time is in the sort key.
"""

from collections.abc import Collection, Sequence

from mlobs.server.ask import keys
from mlobs.server.ask.compiling import Condition
from mlobs.server.ask.keys import ATTRIBUTE_MAPS, first_of
from mlobs.server.ends import end_ns

IN_RANGE = (
    "Timestamp >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC') "
    "AND Timestamp <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')"
)
# Agents repeat the tokens and the cost of the model calls that they make.
EMBEDDINGS, CALLS, OF_CALLS = keys.EMBEDDINGS, keys.CALLS, keys.IS_CALL
FAILED = "StatusCode = 'Error'"
TRACE = "TraceId"
SESSION = first_of(("SessionId", "ConversationId"))
NEWEST = (
    "SELECT toUnixTimestamp64Nano(Timestamp) AS newest_ns FROM otel_traces "
    "WHERE Timestamp <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC') ORDER BY Timestamp DESC LIMIT 1"
)
RANKS = {"newest": "toUnixTimestamp64Nano(Timestamp)", "slowest": "Duration", "dearest": "CostUsd"}
# The rank of the last row of the page before. Dollars are given by their bits (`listing`): the engine does
# not read every number as exactly as it writes it, and would take those of one price for more or less.
LAST_RANKS = {
    "newest": "{rank:Int64}", "slowest": "{rank:UInt64}", "dearest": "reinterpretAsFloat64({rank:UInt64})",
}  # fmt: skip
ORDERS = {
    "spans": "spans", "traces": "traces", "errors": "errors", "error_ratio": "errors / spans",
    "p50": "duration[1]", "p95": "duration[2]", "p99": "duration[3]",
    "tokens": "ifNull(input_tokens, 0) + ifNull(output_tokens, 0)", "cost": "ifNull(cost_usd, 0)",
    "total": "total_ns", "time": "at_ns",
}  # fmt: skip
QUANTILES = (0.5, 0.95, 0.99)
SAMPLE_SPANS = 100_000
_LEVELS = ", ".join(map(str, QUANTILES))
# What is no number is left out of sums and quantiles: one call must not take those of all others away.
_SUMS = f"""sumOrNullIf(InputTokens, {OF_CALLS}) AS input_tokens,
    sumOrNullIf(OutputTokens, {OF_CALLS}) AS output_tokens,
    sumOrNullIf(CostUsd, {OF_CALLS} AND isFinite(CostUsd)) AS cost_usd"""


MEASURES = {
    "errors": f"countIf({FAILED}) AS errors",
    "traces": "uniq(TraceId) AS traces",
    "duration": f"quantiles({_LEVELS})(Duration) AS duration, sum(Duration) AS total_ns",
    "first_chunk": f"quantilesIf({_LEVELS})(TimeToFirstChunk, isFinite(TimeToFirstChunk)) AS first_chunk, "
    "countIf(isFinite(TimeToFirstChunk)) AS first_chunks",
    "usage": _SUMS,
}
# What an order needs.
MEASURED = {
    "errors": "errors", "error_ratio": "errors", "traces": "traces", "p50": "duration", "p95": "duration",
    "p99": "duration", "total": "duration", "tokens": "usage", "cost": "usage",
}  # fmt: skip


def found(ident: str, sort: str, where: Condition, *, after: bool) -> str:
    """Return the statement for the ids (of traces or sessions) of the best-ranked spans, each once.

    Of the `spans_max` best spans, not of all: a sort that may stop needs no memory. `seen` says how many
    there were, so that whoever asks knows whether to ask for more.

    Args:
        ident: The expression of the id.
        sort: A key of RANKS.
        where: For a span.
        after: Whether the parameters `rank` and `id` are the last row of the page before.
    """
    rank = RANKS[sort]
    with_id = f"{ident} != ''" + (f" AND {rank} >= 0 AND isFinite({rank})" if sort == "dearest" else "")
    rest = ""
    if after:
        # An id that was shown may have spans further down too.
        order, last = f"({rank}, {ident})", f"({LAST_RANKS[sort]}, {{id:String}})"
        newer = " AND Timestamp >= fromUnixTimestamp64Nano({rank:Int64}, 'UTC')" if sort == "newest" else ""
        shown = (
            f"SELECT {ident} FROM otel_traces "
            f"WHERE {IN_RANGE}{newer} AND {with_id} AND {order} >= {last} AND {one}"
            for one in where.any_of
        )
        rest = f" AND {order} < {last} AND {ident} NOT IN ({' UNION ALL '.join(shown)})"
    scanned = IN_RANGE.replace("since_ns", "scan_since_ns").replace("until_ns", "scan_until_ns")
    best = " UNION ALL ".join(
        f"""(
    SELECT {ident} AS id, {rank} AS rank, toUnixTimestamp64Nano(Timestamp) AS at FROM otel_traces
    WHERE {scanned} AND {with_id} AND {one}{rest}
    ORDER BY rank DESC, id DESC LIMIT {{spans_max:UInt64}}
)"""
        for one in where.any_of
    )
    return f"""SELECT
    id, max(rank) AS best, min(at) AS first_ns, max(at) AS last_ns, sum(count()) OVER () AS seen
FROM (SELECT * FROM ({best}) ORDER BY rank DESC, id DESC LIMIT {{spans_max:UInt64}})
GROUP BY id ORDER BY best DESC, id DESC LIMIT {{limit:UInt32}}"""


def aggregate(
    groups: Sequence[str], where: Condition, order: str, *, step: bool, measures: Collection[str]
) -> str:
    """Return the statement that adds up spans by groups, and by steps of time where asked.

    Each column that is read costs, so what is not among `measures` (of MEASURES) is not read.
    """
    names = [f"{expression} AS group_{number}" for number, expression in enumerate(groups)]
    keys = [f"group_{number}" for number in range(len(groups))]
    at = "intDiv(toUnixTimestamp64Nano(Timestamp), {step_ns:Int64}) * {step_ns:Int64} AS at_ns"
    if step or order == "time":
        names.append(at if step else "toInt64(0) AS at_ns")
        keys.append("at_ns")
    direction = "" if order == "time" else " DESC"
    columns = [column for name, column in MEASURES.items() if name in measures]
    return f"""SELECT {"".join(f"{name}, " for name in names)}count() AS spans,
    {", ".join(columns)}
FROM otel_traces
WHERE {IN_RANGE} AND {where.sql}
{f"GROUP BY {', '.join(keys)}" if keys else ""}
ORDER BY {ORDERS[order]}{direction}{"".join(f", {key}" for key in keys)}
LIMIT {{limit:UInt32}}"""


def errors(where: Condition) -> str:
    """Return the statement for types of error, the most frequent first."""
    return f"""SELECT ErrorType AS type, ServiceName AS service, SpanName AS name, count() AS spans,
    uniq(TraceId) AS traces,
    toUnixTimestamp64Nano(min(Timestamp)) AS first_ns,
    toUnixTimestamp64Nano(max(Timestamp)) AS last_ns,
    argMax(TraceId, Timestamp) AS example_trace_id,
    argMax(substringUTF8(StatusMessage, 1, 300), Timestamp) AS example_message
FROM otel_traces
WHERE {IN_RANGE} AND {FAILED} AND {where.sql}
GROUP BY type, service, name
ORDER BY spans DESC, type, service, name
LIMIT {{limit:UInt32}}"""


LONG_ONE = f"""SELECT 1 AS found FROM otel_traces
WHERE {IN_RANGE} AND has(Content.keys, {{name:String}}) LIMIT 1"""
TRACE_SPANS = "SELECT count() AS spans FROM otel_traces WHERE TraceId = {trace_id:String}"


def running(where: Condition) -> str:
    """Return the statement for traces of which spans came and the root, in this range, did not."""
    return f"""SELECT TraceId AS trace_id,
    argMin(ServiceName, Timestamp) AS service,
    argMin(SpanName, Timestamp) AS first_name,
    argMax(SpanName, Timestamp) AS last_name,
    toUnixTimestamp64Nano(min(Timestamp)) AS start_ns,
    max({end_ns()}) AS last_ns,
    count() AS spans,
    countIf({FAILED}) AS errors,
    {_SUMS}
FROM otel_traces
WHERE {IN_RANGE} AND TraceId != '' AND {where.sql}
GROUP BY TraceId
HAVING countIf(ParentSpanId = '') = 0 AND TraceId NOT IN (
    SELECT TraceId FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({{root_wide_since_ns:Int64}}, 'UTC')
        AND Timestamp <= fromUnixTimestamp64Nano({{until_ns:Int64}}, 'UTC')
        AND ParentSpanId = '' AND TraceId IN (
            SELECT TraceId FROM otel_traces
            WHERE {IN_RANGE} AND TraceId != '' AND {where.sql}
            GROUP BY TraceId HAVING countIf(ParentSpanId = '') = 0
        )
)
ORDER BY last_ns DESC, trace_id
LIMIT {{limit:UInt32}}"""


SESSION_ROWS = f"""WITH members AS (
    SELECT DISTINCT TraceId, {SESSION} AS session FROM otel_traces
    WHERE {IN_RANGE} AND session IN (SELECT arrayJoin(JSONExtract({{ids:String}}, 'Array(String)')))
)
SELECT session AS session_id,
    toUnixTimestamp64Nano(min(Timestamp)) AS start_ns,
    max({end_ns()}) AS end_ns,
    uniqExact(TraceId) AS traces,
    count() AS spans,
    countIf({FAILED}) AS errors,
    max(UserId) AS user,
    arraySort(groupUniqArray(5)(toString(ServiceName))) AS services,
    arraySort(groupUniqArrayIf(5)(toString(AgentName), AgentName != '')) AS agents,
    {_SUMS}
FROM otel_traces INNER JOIN members USING TraceId
WHERE {IN_RANGE} AND TraceId IN (SELECT TraceId FROM members)
GROUP BY session"""


def attribute_keys() -> str:
    """Return the statement for the attributes that spans have, by how many of a sample have them."""
    maps = " UNION ALL ".join(
        f"SELECT '{prefix}.' AS prefix, arrayJoin(mapKeys({column})) AS name FROM sample"
        for prefix, columns in ATTRIBUTE_MAPS.items()
        for column in columns
    )
    columns = ", ".join(column for columns in ATTRIBUTE_MAPS.values() for column in columns)
    return f"""WITH sample AS (
    SELECT {columns} FROM otel_traces WHERE {IN_RANGE} LIMIT {SAMPLE_SPANS}
)
SELECT concat(prefix, name) AS key, count() AS spans FROM ({maps})
WHERE startsWith(key, {{beginning:String}})
GROUP BY key ORDER BY spans DESC, key LIMIT {{limit:UInt32}}"""


def attribute_values(expression: str) -> str:
    """Return the statement for the most frequent values of an expression."""
    return f"""SELECT {expression} AS value, count() AS spans FROM otel_traces
WHERE {IN_RANGE} AND value != '' AND startsWith(value, {{beginning:String}})
GROUP BY value ORDER BY spans DESC, value LIMIT {{limit:UInt32}}"""

"""The questions about sessions and users: what all traces of each come to.

Who a trace belongs to is often said by one of its spans only. So the traces are found first, then what these
come to is added up. Both read `turns`, where what spans say is added up by trace; only the filter of a list
and the texts are read from the spans.
"""

from mlobs.semconv import attributes as a
from mlobs.server.ask.compiling import EVERYTHING, Condition
from mlobs.server.ask.statements import FAILED, IN_RANGE, OF_CALLS, SESSION
from mlobs.server.turns import rows

USER = "UserId"
IDENTS = {"session": SESSION, "user": USER}
SAID = {"session": a.SESSION_ID.name, "user": a.USER_ID.name}  # Of a score.
COLUMNS = {"session": "Session", "user": USER}  # Of `turns`.
ORDERS = {"dearest": "sum(cost)", "failing": "countIf(failed)", "longest": "count()"}
# Constants, else the indexes of traces, sessions and users would not be asked.
_IDS = "JSONExtract({ids:String}, 'Array(String)')"
_TRACES = "JSONExtract({trace_ids:String}, 'Array(String)')"
_PAIRS = """pairs AS (
    SELECT tupleElement(pair, 1) AS TraceId, tupleElement(pair, 2) AS one FROM (
        SELECT arrayJoin(JSONExtract({pairs:String}, 'Array(Tuple(String, String))')) AS pair
    )
)"""
_SUMMED = (
    "TraceId", "UserId", "Session", "FirstNs", "EndNs", "Spans", "Errors", "Services", "Agents",
    "InputTokens", "OutputTokens", "CostUsd",
)  # fmt: skip
SUMS = f"""WITH {_PAIRS}
SELECT one AS id,
    min(FirstNs) AS start_ns,
    max(EndNs) AS end_ns,
    uniqExact(TraceId) AS turns,
    uniqExactIf(TraceId, Errors > 0) AS failed_turns,
    uniqExactIf(Session, Session != '') AS sessions,
    sum(Spans) AS spans,
    sum(Errors) AS errors,
    max(UserId) AS user,
    arraySort(groupUniqArrayArray(5)(Services)) AS services,
    arraySort(groupUniqArrayArray(5)(Agents)) AS agents,
    sum(InputTokens) AS input_tokens,
    sum(OutputTokens) AS output_tokens,
    sum(CostUsd) AS cost_usd
FROM {rows("TraceId", _TRACES, _SUMMED)} AS turned INNER JOIN pairs USING TraceId
GROUP BY id"""
# How each begins: the text of the first span that has one; messages without a person's come last. Of long
# traces only the first spans with texts are looked at, which the names of texts tell: these are short.
TEXTS_LOOKED_AT = 20
_SPANS = f"FROM otel_traces PREWHERE TraceId IN ({_TRACES})"
BEGINNINGS = f"""WITH {_PAIRS}
SELECT one AS id, argMin(
    text, (position(text, '"role"') > 0 AND position(text, '"user"') = 0, ParentSpanId != '', Timestamp)
) AS beginning
FROM (
    SELECT TraceId, ParentSpanId, Timestamp, substringUTF8(
        Content[arrayFirst(key -> mapContains(Content, key), splitByChar(',', {{keys:String}}))],
        1, {{characters:UInt32}}
    ) AS text
    {_SPANS} AND cityHash64(TraceId, SpanId) IN (
        SELECT cityHash64(TraceId, SpanId) {_SPANS}
        WHERE {IN_RANGE} AND hasAny(Content.keys, splitByChar(',', {{keys:String}}))
        ORDER BY ParentSpanId != '', Timestamp LIMIT {TEXTS_LOOKED_AT} BY TraceId
    ) WHERE {IN_RANGE}
) AS spans INNER JOIN pairs USING TraceId
WHERE text != '' GROUP BY id"""
# The sessions of some traces, whoever they are found by.
SESSIONS = f"""WITH {_PAIRS}
SELECT TraceId AS trace_id, max(Session) AS id, min(FirstNs) AS first_ns, max(EndNs) AS last_ns
FROM {rows("TraceId", _TRACES, ("TraceId", "Session", "FirstNs", "EndNs"))}
WHERE Session != ''
GROUP BY trace_id ORDER BY last_ns DESC"""


def scores(by: str) -> str:
    """Return the statement for the scores of some sessions or users, and of traces of theirs.

    Args:
        by: A key of IDENTS; of a score that was given outside of any call, what it must say.
    """
    said = f"Attributes['{SAID[by]}']"
    return f"""WITH {_PAIRS}
SELECT id, name, avgOrNullIf(value, isFinite(value)) AS mean, count() AS judged FROM (
    SELECT one AS id, Name AS name, Value AS value
    FROM scores INNER JOIN pairs USING TraceId
    WHERE TraceId IN ({_TRACES})
    UNION ALL
    SELECT {said} AS id, Name AS name, Value AS value
    FROM scores
    WHERE TraceId = '' AND {said} IN (SELECT one FROM pairs)
)
GROUP BY id, name ORDER BY id, judged DESC, name LIMIT 5000"""


def traces(by: str) -> str:
    """Return the statement for the traces of some sessions or users, the newest first.

    Args:
        by: A key of IDENTS. The parameter `ids` has the names as JSON, `limit` says how many traces.
    """
    column = COLUMNS[by]
    return f"""SELECT TraceId AS trace_id, {column} AS id, min(FirstNs) AS first_ns, max(EndNs) AS last_ns
FROM {rows(column, _IDS, ("TraceId", column, "FirstNs", "EndNs"))}
GROUP BY trace_id, id ORDER BY last_ns DESC LIMIT {{limit:UInt32}}"""


def first(by: str, where: Condition, order: str) -> str:
    """Return the statement for the names of those that come first; the parameter `limit` says how many.

    Args:
        by: A key of IDENTS.
        where: For a span of a trace of theirs.
        order: A key of ORDERS.
    """
    if where.any_of == EVERYTHING:
        column = COLUMNS[by]
        found = f"""SELECT max({column}) AS id, sum(ifNull(CostUsd, 0)) AS cost,
        sum(Errors) > 0 AS failed, max(EndNs) AS last
    FROM {rows("", "", ("TraceId", column, "CostUsd", "Errors", "EndNs"))}"""
    else:
        said = f"toString({IDENTS[by]})"
        found = f"""SELECT max({said}) AS id,
        sumIf(ifNull(CostUsd, 0), {OF_CALLS} AND isFinite(CostUsd)) AS cost,
        countIf({FAILED}) > 0 AS failed, max(toUnixTimestamp64Nano(Timestamp)) AS last
    FROM otel_traces WHERE {IN_RANGE} AND TraceId != '' AND {where.sql}"""
    return f"""SELECT id FROM (
    {found}
    GROUP BY cityHash64(TraceId)
)
WHERE id != '' GROUP BY id ORDER BY {ORDERS[order]} DESC, max(last) DESC, id LIMIT {{limit:UInt32}}"""

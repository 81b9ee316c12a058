"""The questions about sessions and users: what all traces of each come to.

Who a trace belongs to is often said by one of its spans only. So the traces are found first, which reads
little; then what they come to is added up, near the times at which they were found. Sums are of what is
stored, within the range of the page.
"""

from mlobs.server.ask.compiling import Condition
from mlobs.server.ask.statements import FAILED, IN_RANGE, OF_CALLS, SESSION

USER = "UserId"
IDENTS = {"session": SESSION, "user": USER}
ORDERS = {"dearest": "sum(cost)", "failing": "countIf(failed)", "longest": "count()"}
START_NS_MAX = 8_900_000_000_000_000_000  # Of a span whose end is to be a number, too.
_AT = "toUnixTimestamp64Nano(Timestamp)"
_SAID = f"toString({SESSION})"
_PAIRS = """pairs AS (
    SELECT tupleElement(pair, 1) AS TraceId, tupleElement(pair, 2) AS one FROM (
        SELECT arrayJoin(JSONExtract({pairs:String}, 'Array(Tuple(String, String))')) AS pair
    )
)"""
# Which spans they are is known from their traces' ids alone, so nothing else is read of all others.
_COLUMNS = (
    "TraceId, ParentSpanId, Timestamp, Duration, StatusCode, ServiceName, AgentName, SessionId, "
    "ConversationId, UserId, Operation, InputTokens, OutputTokens, CostUsd"
)
_FOUND = f"otel_traces PREWHERE TraceId IN (SELECT TraceId FROM pairs) WHERE {IN_RANGE}"
_OF_PAIRS = f"FROM (SELECT {_COLUMNS} FROM {_FOUND}) AS spans INNER JOIN pairs USING TraceId"
SUMS = f"""WITH {_PAIRS}
SELECT one AS id,
    toUnixTimestamp64Nano(min(Timestamp)) AS start_ns,
    max(least({_AT}, {START_NS_MAX}) + toInt64(Duration)) AS end_ns,
    uniqExact(TraceId) AS turns,
    uniqExactIf(TraceId, {FAILED}) AS failed_turns,
    uniqExactIf({_SAID}, {_SAID} != '') AS sessions,
    count() AS spans,
    countIf({FAILED}) AS errors,
    max({USER}) AS user,
    arraySort(groupUniqArray(5)(toString(ServiceName))) AS services,
    arraySort(groupUniqArrayIf(5)(toString(AgentName), AgentName != '')) AS agents,
    sumOrNullIf(InputTokens, {OF_CALLS}) AS input_tokens,
    sumOrNullIf(OutputTokens, {OF_CALLS}) AS output_tokens,
    sumOrNullIf(CostUsd, {OF_CALLS}) AS cost_usd
{_OF_PAIRS}
GROUP BY id"""
SCORES = f"""WITH {_PAIRS}
SELECT one AS id, Name AS name, avg(Value) AS mean, count() AS judged
FROM scores INNER JOIN pairs USING TraceId
WHERE TraceId IN (SELECT TraceId FROM pairs)
GROUP BY id, name ORDER BY id, judged DESC, name LIMIT 5000"""
# How each begins: the text of the first span that has one.
BEGINNINGS = f"""WITH {_PAIRS}
SELECT one AS id, argMin(text, (ParentSpanId != '', Timestamp)) AS beginning
FROM (
    SELECT TraceId, ParentSpanId, Timestamp, substringUTF8(
        Content[arrayFirst(key -> mapContains(Content, key), splitByChar(',', {{keys:String}}))],
        1, {{characters:UInt32}}
    ) AS text
    FROM {_FOUND}
) AS spans INNER JOIN pairs USING TraceId
WHERE text != '' GROUP BY id"""
# The sessions of some traces, whoever they are found by.
SESSIONS = f"""WITH {_PAIRS}
SELECT TraceId AS trace_id, any({_SAID}) AS id, min({_AT}) AS first_ns, max({_AT}) AS last_ns
FROM otel_traces
WHERE {IN_RANGE} AND TraceId IN (SELECT TraceId FROM pairs) AND {_SAID} != ''
GROUP BY trace_id ORDER BY last_ns DESC"""


def traces(by: str) -> str:
    """Return the statement for the traces of some sessions or users, the newest first.

    Args:
        by: A key of IDENTS. The parameter `ids` has the names as JSON, `limit` says how many traces.
    """
    return f"""SELECT TraceId AS trace_id, toString({IDENTS[by]}) AS id,
    min({_AT}) AS first_ns, max({_AT}) AS last_ns
FROM otel_traces
WHERE {IN_RANGE} AND TraceId != ''
    AND {IDENTS[by]} IN (SELECT arrayJoin(JSONExtract({{ids:String}}, 'Array(String)')))
GROUP BY trace_id, id ORDER BY last_ns DESC LIMIT {{limit:UInt32}}"""


def first(by: str, where: Condition, order: str) -> str:
    """Return the statement for the names of those that come first; the parameter `limit` says how many.

    Args:
        by: A key of IDENTS.
        where: For a span of a trace of theirs.
        order: A key of ORDERS.
    """
    said = f"toString({IDENTS[by]})"
    return f"""SELECT id FROM (
    SELECT anyIf({said}, {said} != '') AS id, sumIf(ifNull(CostUsd, 0), {OF_CALLS}) AS cost,
        countIf({FAILED}) > 0 AS failed, max(Timestamp) AS last
    FROM otel_traces WHERE {IN_RANGE} AND TraceId != '' AND {where.sql}
    GROUP BY cityHash64(TraceId)
)
WHERE id != '' GROUP BY id ORDER BY {ORDERS[order]} DESC, max(last) DESC, id LIMIT {{limit:UInt32}}"""

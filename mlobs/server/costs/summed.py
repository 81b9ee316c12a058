"""Model calls added up by trace and ten minutes: fills `call_sums` from the spans.

A view adds what arrives; spans that were there before are added once, when the table is new.

A call that another span repeats (see the package) is told apart as far as one INSERT shows it: where the call
and the span below it came together and began in the same hour, it is in `Repeated` and in no other sum. What
came apart is found when costs are asked: `Spans` has the ids of calls that count so far, and `Parents` the
ids of spans that are repeated if they are calls: of parents that did not come along, and of calls that were
found to be repeated, in case they came twice. Traces where one of the former is among the latter are read
from the spans. Ids are hashes of 32 bits, so a trace may be read that need not be.
"""

import re

from mlobs.prices.buckets import BUCKETS
from mlobs.server.ask.ranges import AROUND_NS
from mlobs.server.ask.statements import FAILED, OF_CALLS
from mlobs.server.costs.agents import ABOVE, AT, IS_AGENT, SPAN
from mlobs.server.costs.calls import CUT, MODEL, OF_BUCKETS, RARE_MAP, TOTALS, USED, details, tier

TABLE, VIEW, FILLING = "call_sums", "call_sums_view", "call_sums_2"
TEN_S = 600
# Sizes of an input that are told apart; prices that change at others are asked of the spans. Rows that are
# stored were made with these, and with `tier` and its STANDARD: a release with others empties the table in a
# step of its schema, and it is filled anew.
SIZES = (32_000, 100_000, 128_000, 199_999, 200_000, 256_000, 272_000, 400_000, 512_000, 1_000_000)
SERVICE_VERSION = "resource.service.version"
NAMED = (
    "ServiceName", "Operation", "StatusCode", "Provider", "RequestModel", "ResponseModel", "ModelName",
    "AgentName", "Tenant", "SessionId", "ConversationId", "UserId",
)  # fmt: skip
TOKENS = {name: f"Tokens{''.join(part.capitalize() for part in name.split('_'))}" for name in BUCKETS}
KEYS = ("Ten", "Trace", "Weight", "ServiceVersion", *NAMED, "Under", "Tier", "Size", "Above", "Begun")
SUMS = ("Calls", "Repeated", "Unused", "Told", *TOKENS.values(), "RootFailed", "Spans", "Parents")
COLUMNS = (*KEYS, *SUMS)
_KNOWN = frozenset({*NAMED, "ServiceVersion", "AND", "OR", "NOT", "LIKE", "IN", "IS", "NULL"})
_NAME, _NO_NAMES = re.compile(r"\b[A-Z]\w*"), re.compile(r"\{[^}]*\}|'[^']*'")
_AMOUNTS = (
    "InputTokens", "OutputTokens", "CacheReadTokens", "CacheWriteTokens", "ReasoningTokens", "CostUsd",
)  # fmt: skip
_HOUR = "toStartOfHour(Timestamp)"
_FAILED_ROOT = f"(ParentSpanId = '' AND {FAILED})"
_COUNTS = "is_call AND NOT repeated"


def fits(sql: str) -> bool:
    """Return whether all that an expression over spans reads is in `call_sums` under the same name.

    >>> fits("(ServiceName = {p0:String} AND StatusCode != 'Error')"), fits("Duration > {p0:Float64}")
    (True, False)
    """
    return set(_NAME.findall(_NO_NAMES.sub("", sql))) <= _KNOWN


def call_sums_view() -> str:
    """Return the statement that creates the view from spans to sums."""
    return f"CREATE MATERIALIZED VIEW {VIEW} TO {TABLE} AS\n{selected()}"


def selected(where: str = "1") -> str:
    """Return the question that adds up calls by trace and ten minutes.

    Args:
        where: Which spans, all of those that came together.
    """
    came = f"FROM otel_traces WHERE ClockKnown AND ({where})"
    told = details("rare[{}]")
    cut = ",\n        ".join(f"{text.format(**told)} AS {name}" for name, text in CUT.items())
    tokens = ", ".join(f"toUInt64({OF_BUCKETS[name]}) * Weight AS t_{name}" for name in BUCKETS)
    sums = ", ".join(f"sumIf(t_{name}, {_COUNTS}) AS {TOKENS[name]}" for name in BUCKETS)
    # One that began long before is not in every range that the call is in.
    near = f"ran.2 BETWEEN {AT} - {AROUND_NS} AND {AT} + {AROUND_NS}"
    under = f"toLowCardinality(if(AgentName = '' AND {OF_CALLS} AND {near}, ran.1, ''))"
    unsettled = f"({_COUNTS} AND AgentName = '' AND Under = '' AND TraceId != '')"
    size = ", ".join(f"inputs > {size}, {size}" for size in reversed(SIZES))
    return f"""SELECT {", ".join(KEYS)},
    sumIf(Weight, {_COUNTS}) AS Calls, sumIf(Weight, is_call AND repeated) AS Repeated,
    sumIf(Weight, {_COUNTS} AND unused) AS Unused, sumIf(told, {_COUNTS}) AS Told,
    {sums}, max(root_failed) AS RootFailed,
    groupUniqArrayIf(span, {_COUNTS} AND may_be) AS Spans,
    arrayConcat(
        groupUniqArrayIf(parent, may_repeat), groupUniqArrayIf(span, is_call AND repeated)
    ) AS Parents
FROM (
    SELECT toStartOfTenMinutes(toDateTime(Timestamp, 'UTC')) AS Ten, sipHash64(TraceId) AS Trace, Weight,
        toLowCardinality(ResourceAttributes['service.version']) AS ServiceVersion, {", ".join(NAMED)},
        {OF_CALLS} AS is_call, {_FAILED_ROOT} AS root_failed,
        {cut},
        {under} AS Under, if({unsettled}, above, 0) AS Above, if({unsettled}, {AT}, 0) AS Begun,
        {tier("rare[{}]")} AS Tier, toUInt32(multiIf({size}, 0)) AS Size, {tokens},
        InputTokens IS NULL AND OutputTokens IS NULL AS unused, CostUsd * Weight AS told,
        toUInt32(cityHash64(SpanId)) AS span, toUInt32(cityHash64(ParentSpanId)) AS parent,
        {_same("SpanId")} IN (SELECT {_same("ParentSpanId")} {came} AND {_MAY_REPEAT}) AS repeated,
        {_MAY_REPEAT} AND {_this("ParentSpanId")} NOT IN (SELECT {_this("SpanId")} {came}) AS may_repeat,
        {_MAY_BE_REPEATED} AS may_be
    FROM (
        SELECT Timestamp, TraceId, SpanId, ParentSpanId, Weight, {", ".join(NAMED)}, {", ".join(_AMOUNTS)},
            ResourceAttributes, {RARE_MAP} AS rare, {ABOVE} AS above
        {came} AND ({OF_CALLS} OR {_FAILED_ROOT})
    ) AS c LEFT JOIN (
        SELECT {SPAN} AS agent, max((toString(AgentName), {AT})) AS ran {came} AND {IS_AGENT} GROUP BY agent
    ) AS a ON c.above = a.agent
)
GROUP BY {", ".join(KEYS)}"""


def _same(span: str) -> str:
    return f"cityHash64(TraceId, {span}, {TOTALS}, {MODEL}, {_HOUR})"


def _this(span: str) -> str:
    return f"cityHash64(TraceId, {span}, {_HOUR})"


# Without a trace, nothing says that a parent of that id is the span's own.
_MAY_BE_REPEATED = f"({OF_CALLS} AND {USED} AND {MODEL} != '' AND TraceId != '')"
_MAY_REPEAT = f"({_MAY_BE_REPEATED} AND ParentSpanId != '')"

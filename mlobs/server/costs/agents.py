"""When which agent ran: fills `agents` from the spans, and tells whom a call was made for.

The agent of a call that names none is the one that is its parent, else the one that began last, in its trace,
of those running when the call began: the nearest above it, unless agents run side by side and the call has
another span between itself and its agent. Without a trace nothing says what is above a call.

A view adds the agents that arrive. An agent ends after the calls it makes, so it often comes after them, and
whom a call was made for is found when costs are asked. Agents that began an hour outside a range, or more,
are not looked for.

Where many calls have a step between themselves and their agent, what the only agent of a trace ran is told by
the trace: a row for each call and when it began, as traces of several agents need, would take gigabytes.
"""

from mlobs.server.ask.compiling import TIMES
from mlobs.server.turns import END

TABLE, VIEW, FILLING = "agents", "agents_view", "agents_2"
COLUMNS = ("Ten", "Trace", "Span", "BeginNs", "EndNs", "AgentName")
RUNNING_MAX = 1_000  # Of one trace, the first; beside those that are the parent of a call.
AT = "toUnixTimestamp64Nano(Timestamp)"
SPAN, ABOVE = "cityHash64(TraceId, SpanId)", "cityHash64(TraceId, ParentSpanId)"
IS_AGENT = "Operation = 'invoke_agent' AND AgentName != '' AND TraceId != ''"
# What `joins` needs of each call: the agent it names, its trace, the span above it, and when it began.
OF_SPANS = f"toString(AgentName) AS agent, {ABOVE} AS above, {AT} AS begun"
OF_SUMS = "toString(if(AgentName != '', AgentName, Under)) AS agent, Above AS above, Begun AS begun"
_BEGUN = "BeginNs BETWEEN {wide_since_ns:Int64} AND {wide_until_ns:Int64}"
_TENS = "Ten >= toDateTime({near_since_s:UInt32}, 'UTC') AND Ten < toDateTime({near_until_s:UInt32}, 'UTC')"
_NONE_ALONE = (
    "SELECT toUInt64(0) AS ran_alone, '' AS name, toUInt64(0) AS span, toInt64(0) AS begins, "
    "toInt64(0) AS ends WHERE 0"
)
_ALONE = "o.span = c.above OR c.begun BETWEEN o.begins AND o.ends"
AGENT = f"multiIf(c.agent != '', c.agent, p.name != '', p.name, r.name != '', r.name, {_ALONE}, o.name, '')"


def selected(where: str = "1") -> str:
    """Return the question for the agents among spans.

    Args:
        where: Which spans.
    """
    return f"""SELECT toStartOfTenMinutes(toDateTime(Timestamp, 'UTC')) AS Ten, sipHash64(TraceId) AS Trace,
    {SPAN} AS Span, {AT} AS BeginNs, {END} AS EndNs, AgentName
FROM otel_traces
WHERE ClockKnown AND {IS_AGENT} AND ({where})"""


def agents_view() -> str:
    """Return the statement that creates the view from spans to agents."""
    return f"CREATE MATERIALIZED VIEW {VIEW} TO {TABLE} AS\n{selected()}"


def joins(asking: str, *, summed: bool, few: bool) -> str:
    """Return what calls, named `c`, are joined with so that AGENT is theirs.

    Args:
        asking: The statement for the calls that name no agent: trace, above and begun of each.
        summed: Whether agents are read from `agents`; else they are from the spans.
        few: Whether few traces have such calls.
    """
    among = agents = _agents(f"SELECT trace FROM ({asking})" if few else "", summed=summed)
    alone, seek = _NONE_ALONE, ""
    if summed and not few:
        several = f"SELECT trace FROM ({agents}) GROUP BY trace HAVING count() > 1"
        among, seek = f"SELECT * FROM ({agents}) WHERE trace IN ({several})", f"trace IN ({several}) AND "
        alone = f"""SELECT trace AS ran_alone, any(name) AS name, any(span) AS span, any(begins) AS begins,
        any(ends) AS ends
    FROM ({agents}) GROUP BY trace HAVING count() = 1"""
    above = f"above NOT IN (SELECT span FROM ({among}))"
    asked = f"SELECT DISTINCT trace, begun FROM ({asking}) WHERE {seek}{above}"
    first = f"SELECT * FROM ({among}) ORDER BY trace, begins, ends, name LIMIT {RUNNING_MAX} BY trace"
    return f""" LEFT JOIN (
    {alone}
) AS o ON c.trace = o.ran_alone LEFT JOIN (
    SELECT span, max(name) AS name FROM ({among}) GROUP BY span
) AS p ON c.above = p.span LEFT JOIN (
    SELECT q.trace AS ran_in, q.begun AS ran_at, argMax(a.name, (a.begins, -a.ends, a.name)) AS name
    FROM ({asked}) AS q INNER JOIN ({first}) AS a ON q.trace = a.trace
    WHERE a.begins <= q.begun AND a.ends >= q.begun
    GROUP BY ran_in, ran_at
) AS r ON c.trace = r.ran_in AND c.begun = r.ran_at"""


def _agents(traces: str, *, summed: bool) -> str:
    if summed:
        some = f" AND Trace IN ({traces})" if traces else ""
        return f"""SELECT Trace AS trace, Span AS span, BeginNs AS begins, EndNs AS ends,
        toString(AgentName) AS name
    FROM {TABLE} WHERE {_TENS} AND {_BEGUN}{some}"""
    some = f" AND sipHash64(TraceId) IN ({traces})" if traces else ""
    return f"""SELECT sipHash64(TraceId) AS trace, {SPAN} AS span, {AT} AS begins, {END} AS ends,
        toString(AgentName) AS name
    FROM otel_traces WHERE {TIMES} AND {IS_AGENT}{some}"""

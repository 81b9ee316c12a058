"""What `mlobs traces export` asks for: the whole spans of some traces."""

from collections.abc import Sequence

COLUMNS = (
    "toUnixTimestamp64Nano(Timestamp) AS StartNs, TraceId, SpanId, ParentSpanId, TraceState, SpanName, "
    "SpanKind, ServiceName, ResourceAttributes, ScopeName, ScopeVersion, "
    "mapUpdate(SpanAttributes, Content) AS Attributes, "
    "Duration AS DurationNs, StatusCode, StatusMessage, "
    "Events.Name AS EventNames, arrayMap(t -> toUnixTimestamp64Nano(t), Events.Timestamp) AS EventTimesNs, "
    "Events.Attributes AS EventAttributes, Links.TraceId AS LinkTraceIds, Links.SpanId AS LinkSpanIds, "
    "Links.TraceState AS LinkTraceStates, Links.Attributes AS LinkAttributes, "
    # What the attributes say, with the same names whichever dialect they came in; for reading only.
    "Kind, Operation, Provider, RequestModel, ResponseModel, AgentName, ToolName, SessionId, ConversationId, "
    "UserId, ErrorType, CallState, InputTokens, OutputTokens, CacheReadTokens, CacheWriteTokens, "
    "ReasoningTokens, CostUsd, TimeToFirstChunk"
)


def spans_of(trace_ids: Sequence[str]) -> str:
    """Return the statement for every span of some traces, in order.

    Args:
        trace_ids: Hex digits only.

    Raises:
        ValueError: One has something else in it.
    """
    if not all(one.isalnum() and one.isascii() for one in trace_ids):
        raise ValueError("A trace id is hex digits.")
    ids = ", ".join(f"'{one}'" for one in trace_ids)
    return f"SELECT {COLUMNS} FROM otel_traces WHERE TraceId IN ({ids}) ORDER BY StartNs, SpanId"

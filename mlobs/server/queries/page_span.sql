-- One span with everything. Texts and lists are cut, each with how much there is of it.
SELECT
    SpanId AS span_id,
    ParentSpanId AS parent_span_id,
    SpanName AS name,
    SpanAttributes[{name_key:String}] AS given_name,
    Kind AS noun,
    Operation AS operation,
    SpanKind AS kind,
    ServiceName AS service,
    ScopeName AS scope,
    ScopeVersion AS scope_version,
    Dialect AS dialect,
    toUnixTimestamp64Nano(Timestamp) AS start_ns,
    Duration AS duration_ns,
    StatusCode AS status,
    StatusMessage AS status_message,
    ErrorType AS error_type,
    CallState AS state,
    InputTokens AS input_tokens,
    OutputTokens AS output_tokens,
    CacheReadTokens AS cached_tokens,
    ReasoningTokens AS reasoning_tokens,
    CostUsd AS cost_usd,
    TimeToFirstChunk AS first_chunk_s,
    AgentName AS agent,
    ToolName AS tool,
    multiIf(ResponseModel != '', toString(ResponseModel), RequestModel != '', toString(RequestModel), toString(ModelName)) AS model,
    SessionId AS session,
    UserId AS user,
    length(SpanAttributes) AS attribute_count,
    arraySlice(arraySort(arrayMap((k, v) -> (toString(k), v), mapKeys(SpanAttributes), mapValues(SpanAttributes))), 1, {pairs:UInt32}) AS attributes,
    length(Content) AS content_count,
    arraySlice(arraySort(arrayMap(
        (k, v) -> (toString(k), substringUTF8(v, 1, {characters:UInt32}), lengthUTF8(v)), mapKeys(Content), mapValues(Content)
    )), 1, {pairs:UInt32}) AS content,
    arraySlice(arraySort(arrayMap((k, v) -> (toString(k), v), mapKeys(ResourceAttributes), mapValues(ResourceAttributes))), 1, {pairs:UInt32}) AS resource,
    length(Events.Name) AS event_count,
    arraySlice(Events.Name, 1, {events:UInt32}) AS event_names,
    arraySlice(arrayMap(t -> toUnixTimestamp64Nano(t), Events.Timestamp), 1, {events:UInt32}) AS event_times_ns,
    arrayMap(m -> arraySlice(arraySort(arrayMap(
        (k, v) -> (toString(k), substringUTF8(v, 1, {characters:UInt32}), lengthUTF8(v)), mapKeys(m), mapValues(m)
    )), 1, {pairs:UInt32}), arraySlice(Events.Attributes, 1, {events:UInt32})) AS event_attributes,
    arrayZip(arraySlice(Links.TraceId, 1, {events:UInt32}), arraySlice(Links.SpanId, 1, {events:UInt32})) AS links
FROM otel_traces
WHERE TraceId = {trace_id:String} AND SpanId = {span_id:String}
ORDER BY Timestamp
LIMIT 1

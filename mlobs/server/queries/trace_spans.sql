-- The spans of one trace, oldest first.
SELECT
    SpanId AS span_id,
    ParentSpanId AS parent_span_id,
    SpanName AS name,
    SpanKind AS kind,
    Kind AS noun,
    Operation AS operation,
    ServiceName AS service,
    toUnixTimestamp64Nano(Timestamp) AS start_ns,
    Duration AS duration_ns,
    StatusCode AS status,
    StatusMessage AS status_message,
    ErrorType AS error_type,
    CallState AS state,
    InputTokens AS input_tokens,
    OutputTokens AS output_tokens,
    CostUsd AS cost_usd,
    TimeToFirstChunk AS time_to_first_chunk_s,
    mapUpdate(SpanAttributes, Content) AS attributes,
    Events.Name AS event_names,
    arrayMap(t -> toUnixTimestamp64Nano(t), Events.Timestamp) AS event_times_ns,
    Events.Attributes AS event_attributes
FROM otel_traces
WHERE TraceId = {trace_id:String}
ORDER BY Timestamp, SpanId
LIMIT {limit:UInt32}

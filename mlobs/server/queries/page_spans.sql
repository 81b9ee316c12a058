-- The spans of one trace without what they were given and gave: enough for its tree, oldest first.
SELECT
    SpanId AS span_id,
    ParentSpanId AS parent_span_id,
    SpanName AS name,
    SpanAttributes[{name_key:String}] AS given_name,
    Kind AS noun,
    Operation AS operation,
    ServiceName AS service,
    AgentName AS agent,
    ToolName AS tool,
    multiIf(ResponseModel != '', toString(ResponseModel), RequestModel != '', toString(RequestModel), toString(ModelName)) AS model,
    toUnixTimestamp64Nano(Timestamp) AS start_ns,
    Duration AS duration_ns,
    StatusCode = 'Error' AS failed,
    ErrorType AS error_type,
    substringUTF8(StatusMessage, 1, 200) AS message,
    CallState AS state,
    InputTokens AS input_tokens,
    OutputTokens AS output_tokens,
    if(has(splitByChar(',', {operations:String}), Operation), CostUsd, NULL) AS cost_usd,
    SessionId AS session,
    ConversationId AS conversation,
    UserId AS user
FROM otel_traces
WHERE TraceId = {trace_id:String}
ORDER BY Timestamp, SpanId
LIMIT {limit:UInt32}

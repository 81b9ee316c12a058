-- What the calls of one trace were given and gave, oldest first.
SELECT
    SpanId AS span_id,
    SpanName AS name,
    Kind AS noun,
    ToolName AS tool,
    AgentName AS agent,
    toUnixTimestamp64Nano(Timestamp) AS start_ns,
    StatusCode = 'Error' AS failed,
    ErrorType AS error_type,
    substringUTF8(StatusMessage, 1, 500) AS message,
    SpanAttributes[{call_id_key:String}] AS call_id,
    arraySort(arrayMap(
        (k, v) -> (toString(k), substringUTF8(v, 1, {characters:UInt32}), lengthUTF8(v)), mapKeys(Content), mapValues(Content)
    )) AS content
FROM otel_traces
WHERE TraceId = {trace_id:String} AND (notEmpty(Content) OR (Kind = 'tool' AND StatusCode = 'Error'))
ORDER BY Timestamp, SpanId
LIMIT {limit:UInt32}

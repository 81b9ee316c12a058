-- The traces of one session, the newest first: what each came to.
WITH
    splitByChar(',', {operations:String}) AS operations
SELECT
    TraceId AS trace_id,
    toUnixTimestamp64Nano(min(Timestamp)) AS start_ns,
    max(least(toUnixTimestamp64Nano(Timestamp), 8900000000000000000) + toInt64(least(Duration, 323372036854775807))) AS end_ns,
    argMin(SpanName, (ParentSpanId != '', Timestamp)) AS name,
    countIf(ParentSpanId = '') > 0 AS finished,
    countIf(StatusCode = 'Error') AS errors,
    countIf(StatusCode = 'Error' AND ParentSpanId = '') > 0 AS failed,
    argMinIf(ErrorType, (ParentSpanId != '', Timestamp), StatusCode = 'Error') AS error_type,
    argMinIf(substringUTF8(StatusMessage, 1, 300), (ParentSpanId != '', Timestamp), StatusCode = 'Error') AS message,
    countIf(has(operations, Operation)) AS calls,
    countIf(Operation = 'execute_tool' OR Kind = 'tool') AS tools,
    arraySort(groupUniqArrayIf(5)(toString(AgentName), AgentName != '')) AS agents,
    sumOrNullIf(InputTokens, has(operations, Operation)) AS input_tokens,
    sumOrNullIf(OutputTokens, has(operations, Operation)) AS output_tokens,
    sumOrNullIf(CostUsd, isFinite(CostUsd) AND has(operations, Operation)) AS cost_usd
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC')
    AND Timestamp <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
    AND TraceId IN (JSONExtract({ids:String}, 'Array(String)'))
GROUP BY TraceId
HAVING start_ns < {before_ns:Int64}
ORDER BY start_ns DESC, trace_id
LIMIT {limit:UInt32}

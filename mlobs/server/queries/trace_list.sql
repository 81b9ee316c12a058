-- One row for each of the traces named in {ids}, of their spans near the range that was asked for.
-- Tokens and cost are those of model calls: agents repeat them.
SELECT
    TraceId AS trace_id,
    argMin(SpanName, (ParentSpanId != '', Timestamp)) AS name,
    argMin(ServiceName, (ParentSpanId != '', Timestamp)) AS service,
    countIf(ParentSpanId = '') > 0 AS finished,
    min(toUnixTimestamp64Nano(Timestamp)) AS start_ns,
    max(least(toUnixTimestamp64Nano(Timestamp), 8900000000000000000) + toInt64(least(Duration, 323372036854775807))) AS end_ns,
    count() AS spans,
    countIf(StatusCode = 'Error') AS errors,
    sumOrNullIf(InputTokens, has(splitByChar(',', {operations:String}), Operation)) AS input_tokens,
    sumOrNullIf(OutputTokens, has(splitByChar(',', {operations:String}), Operation)) AS output_tokens,
    sumOrNullIf(CostUsd, has(splitByChar(',', {operations:String}), Operation) AND isFinite(CostUsd)) AS cost_usd
FROM otel_traces
WHERE TraceId IN (JSONExtract({ids:String}, 'Array(String)'))
    AND Timestamp >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC')
    AND Timestamp <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
GROUP BY TraceId

-- The newest traces, one row each. A clock more than a day ahead makes no trace the newest for ever.
-- Tokens and cost are those of model calls: agents repeat them.
WITH chosen AS (
    SELECT TraceId
    FROM otel_traces
    WHERE TraceId != '' AND Timestamp >= now64(9, 'UTC') - toIntervalSecond({since_s:UInt32})
    GROUP BY TraceId
    HAVING ({noun:String} = '' OR countIf(Kind = {noun:String}) > 0)
        AND ({service:String} = '' OR countIf(ServiceName = {service:String}) > 0)
        AND ({status:String} = ''
            OR ({status:String} = 'error' AND countIf(StatusCode = 'Error') > 0)
            OR ({status:String} = 'ok' AND countIf(StatusCode = 'Error') = 0))
    ORDER BY maxIf(Timestamp, Timestamp <= now64(9, 'UTC') + toIntervalDay(1)) DESC, TraceId
    LIMIT {limit:UInt32}
)
SELECT
    TraceId AS trace_id,
    argMin(SpanName, (ParentSpanId != '', Timestamp)) AS name,
    argMin(ServiceName, (ParentSpanId != '', Timestamp)) AS service,
    min(toUnixTimestamp64Nano(Timestamp)) AS start_ns,
    max(least(toUnixTimestamp64Nano(Timestamp), 8900000000000000000) + toInt64(Duration)) AS end_ns,
    count() AS spans,
    countIf(StatusCode = 'Error') AS errors,
    sumOrNullIf(InputTokens, has(splitByChar(',', {operations:String}), Operation)) AS input_tokens,
    sumOrNullIf(OutputTokens, has(splitByChar(',', {operations:String}), Operation)) AS output_tokens,
    sumOrNullIf(CostUsd, has(splitByChar(',', {operations:String}), Operation)) AS cost_usd
FROM otel_traces
WHERE TraceId IN (SELECT TraceId FROM chosen)
GROUP BY TraceId
ORDER BY maxIf(Timestamp, Timestamp <= now64(9, 'UTC') + toIntervalDay(1)) DESC, TraceId

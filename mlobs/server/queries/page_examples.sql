-- A few traces that something points at, such as an alert: what each was, how long it took, what its model
-- calls cost, how it begins.
SELECT
    TraceId AS trace_id,
    argMin(SpanName, (ParentSpanId != '', Timestamp)) AS name,
    argMin(ServiceName, (ParentSpanId != '', Timestamp)) AS service,
    min(Timestamp) AS started,
    argMin(Duration, (ParentSpanId != '', Timestamp)) / 1e6 AS duration_ms,
    countIf(StatusCode = 'Error') AS errors,
    sumOrNullIf(CostUsd, isFinite(CostUsd) AND has(splitByChar(',', {operations:String}), Operation)) AS cost_usd,
    -- Messages without a person's come last: those of a root may be instructions alone.
    argMinIf(text, (position(text, '"role"') > 0 AND position(text, '"user"') = 0, ParentSpanId != '', Timestamp), text != '') AS beginning
FROM (
    SELECT
        TraceId, SpanName, ServiceName, Timestamp, Duration, StatusCode, ParentSpanId, Operation, CostUsd,
        substringUTF8(Content[arrayFirst(key -> mapContains(Content, key), splitByChar(',', {keys:String}))], 1, {characters:UInt32}) AS text
    FROM otel_traces
    WHERE TraceId IN (JSONExtract({ids:String}, 'Array(String)'))
        AND Timestamp >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC')
        AND Timestamp <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
)
GROUP BY TraceId
ORDER BY started DESC

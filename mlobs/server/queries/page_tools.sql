-- The tools of one service: how often each was called, failed, and how long it took. Tools are in no sums by
-- minute, which they would make many times as many.
SELECT
    ToolName AS tool,
    count() AS spans,
    countIf(StatusCode = 'Error') AS errors,
    quantiles(0.5, 0.95)(Duration) AS took_ns
FROM otel_traces
PREWHERE ServiceName = {service:String} AND Kind = 'tool'
WHERE ToolName != ''
    AND Timestamp >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC')
    AND Timestamp <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
GROUP BY tool
ORDER BY spans DESC, tool
LIMIT {limit:UInt32}

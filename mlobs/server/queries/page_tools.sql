-- The tools of one service: how often each was called, failed, and how long it took, in the buckets that minutes
-- have. Tools are in no sums by minute, which they would make many times as many.
SELECT
    ToolName AS tool,
    sum(Weight) AS spans,
    sumIf(Weight, StatusCode = 'Error') AS errors,
    sumMap(map(toUInt16(floor(log2(greatest(Duration, 1)) * {buckets_each_doubling:UInt8})), Weight)) AS durations
FROM otel_traces
PREWHERE ServiceName = {service:String} AND Kind = 'tool'
WHERE ToolName != ''
    AND Timestamp >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC')
    AND Timestamp <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
GROUP BY tool
ORDER BY spans DESC, tool
LIMIT {limit:UInt32}

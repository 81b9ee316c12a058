-- What each service has cost this month, and in the last day. A span carries the price of its moment, and
-- one that a sampler kept stands for several. No call costs more than a million, so that sums stay numbers.
SELECT
    ServiceName AS service,
    sumIf(least(CostUsd, 1000000) * Weight, Timestamp >= fromUnixTimestamp64Milli({month_ms:Int64})) AS month_usd,
    sumIf(least(CostUsd, 1000000) * Weight, Timestamp > fromUnixTimestamp64Milli({day_ms:Int64})) AS day_usd
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Milli(least({month_ms:Int64}, {day_ms:Int64}))
    AND Timestamp <= fromUnixTimestamp64Milli({now_ms:Int64})
    AND Operation IN ('chat', 'generate_content', 'text_completion', 'embeddings')
    AND isFinite(CostUsd) AND CostUsd > 0
GROUP BY service
ORDER BY month_usd DESC
LIMIT {rows_max:UInt32}

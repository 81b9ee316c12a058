-- Which share of each guardrail's checks blocked lately. A span that a sampler kept counts as often as it
-- stands for.
SELECT
    ServiceName AS service, SpanAttributes[{name:String}] AS guardrail, sum(Weight) AS checks,
    sumIf(Weight, SpanAttributes[{verdict:String}] = 'block') / checks AS blocked
FROM otel_traces
WHERE Timestamp > fromUnixTimestamp64Milli({now_ms:Int64}) - toIntervalSecond({window_s:UInt32})
    AND Timestamp <= fromUnixTimestamp64Milli({now_ms:Int64})
    AND Kind = 'guardrail' AND SpanAttributes[{verdict:String}] != ''
GROUP BY service, guardrail
HAVING checks >= {calls_min:UInt32}
ORDER BY checks DESC
LIMIT {rows_max:UInt32}

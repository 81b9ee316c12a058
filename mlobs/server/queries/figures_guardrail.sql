-- Which share of each guardrail's checks blocked lately.
SELECT
    ServiceName AS service, SpanAttributes[{name:String}] AS guardrail, count() AS checks,
    countIf(SpanAttributes[{verdict:String}] = 'block') / checks AS blocked
FROM otel_traces
WHERE Timestamp > fromUnixTimestamp64Milli({now_ms:Int64}) - toIntervalSecond({window_s:UInt32})
    AND Timestamp <= fromUnixTimestamp64Milli({now_ms:Int64})
    AND Kind = 'guardrail' AND SpanAttributes[{verdict:String}] != ''
GROUP BY service, guardrail
HAVING checks >= {calls_min:UInt32}
ORDER BY checks DESC
LIMIT {rows_max:UInt32}

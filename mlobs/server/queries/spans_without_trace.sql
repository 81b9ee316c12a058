-- Spans with an empty trace id, which are in no trace.
SELECT count() AS spans
FROM otel_traces
WHERE TraceId = '' AND Timestamp >= now64(9, 'UTC') - toIntervalSecond({since_s:UInt32})

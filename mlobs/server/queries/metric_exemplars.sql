-- The newest span of each series and step between bounds of its buckets, of those that ended lately.
SELECT
    Operation AS operation, ServiceName AS service, Labels AS labels,
    toUnixTimestamp64Milli(max(Moment)) / 1000 AS moment_s,
    argMax(TraceId, Moment) AS trace_id, argMax(SpanId, Moment) AS span_id,
    argMax(Duration, Moment) / 1000000000 AS duration_s, argMax(TimeToFirstChunk, Moment) AS first_chunk_s
FROM exemplars
WHERE Moment > now64(9, 'UTC') - toIntervalSecond({recent_s:UInt32})
    -- Others are no ids of OpenTelemetry, and labels of an exemplar must be short.
    AND length(TraceId) = 32 AND length(SpanId) = 16
GROUP BY operation, service, labels, Step
ORDER BY moment_s DESC
LIMIT {rows_max:UInt32}

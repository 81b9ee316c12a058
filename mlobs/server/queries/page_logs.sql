-- The log records of one trace, or of one of its spans, oldest first.
SELECT
    toUnixTimestamp64Nano(Timestamp) AS time_ns,
    SpanId AS span_id,
    SeverityText AS severity,
    SeverityNumber AS severity_number,
    EventName AS event,
    substringUTF8(Body, 1, {characters:UInt32}) AS body,
    lengthUTF8(Body) AS body_length,
    arraySlice(arraySort(arrayMap(
        (k, v) -> (toString(k), substringUTF8(v, 1, {characters:UInt32}), lengthUTF8(v)), mapKeys(LogAttributes), mapValues(LogAttributes)
    )), 1, {pairs:UInt32}) AS attributes
FROM otel_logs
WHERE TraceId = {trace_id:String} AND ({span_id:String} = '' OR SpanId = {span_id:String}) AND EventName != {score_event:String}
ORDER BY Timestamp
LIMIT {limit:UInt32}

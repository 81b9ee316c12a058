-- Who handed over to whom in one trace.
SELECT
    SpanId AS span_id,
    event.Attributes[{from_key:String}] AS giver,
    event.Attributes[{to_key:String}] AS taker,
    substringUTF8(event.Attributes[{reason_key:String}], 1, 300) AS reason
FROM otel_traces ARRAY JOIN Events AS event
WHERE TraceId = {trace_id:String} AND event.Name = {event:String}
ORDER BY event.Timestamp
LIMIT {limit:UInt32}

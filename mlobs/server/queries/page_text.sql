-- The whole text of one attribute of a span.
SELECT if(mapContains(Content, {key:String}), Content[{key:String}], SpanAttributes[{key:String}]) AS text
FROM otel_traces
WHERE TraceId = {trace_id:String} AND SpanId = {span_id:String}
    AND (mapContains(Content, {key:String}) OR mapContains(SpanAttributes, {key:String}))
ORDER BY Timestamp
LIMIT 1

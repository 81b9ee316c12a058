-- What some traces were asked and answered: the content of the outermost span that is no model's call or
-- tool, of the first call of a model, and of the last one; each with its span.
WITH
    splitByChar(',', {operations:String}) AS operations,
    Kind = 'llm' OR (Kind = '' AND has(operations, Operation)) AS is_call,
    notEmpty(Content) AS told,
    arrayMap(
        (k, v) -> (toString(k), substringUTF8(v, 1, {characters:UInt32}), lengthUTF8(v)), mapKeys(Content), mapValues(Content)
    ) AS pairs
SELECT
    TraceId AS trace_id,
    argMinIf(SpanId, (ParentSpanId != '', Timestamp), told AND NOT is_call AND Kind != 'tool') AS outer_span,
    argMinIf(pairs, (ParentSpanId != '', Timestamp), told AND NOT is_call AND Kind != 'tool') AS outer_content,
    argMinIf(SpanId, Timestamp, told AND is_call) AS first_span,
    argMinIf(pairs, Timestamp, told AND is_call) AS first_content,
    argMaxIf(SpanId, Timestamp, told AND is_call) AS last_span,
    argMaxIf(pairs, Timestamp, told AND is_call) AS last_content
FROM otel_traces
WHERE TraceId IN (JSONExtract({ids:String}, 'Array(String)'))
    AND Timestamp >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC')
    AND Timestamp <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
GROUP BY TraceId

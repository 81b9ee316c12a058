-- What evaluators and people thought of the calls of one trace.
SELECT
    toUnixTimestamp64Nano(Timestamp) AS time_ns,
    SpanId AS span_id,
    Name AS name,
    Value AS value,
    Label AS label,
    JudgedBy AS judged_by,
    substringUTF8(Explanation, 1, 2000) AS explanation
FROM scores
WHERE TraceId = {trace_id:String}
ORDER BY Timestamp
LIMIT {limit:UInt32}

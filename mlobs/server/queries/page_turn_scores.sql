-- What evaluators and people thought of some traces.
SELECT
    TraceId AS trace_id,
    Name AS name,
    Value AS value,
    Label AS label,
    JudgedBy AS judged_by
FROM scores
WHERE TraceId IN (JSONExtract({ids:String}, 'Array(String)'))
ORDER BY Timestamp
LIMIT {limit:UInt32}

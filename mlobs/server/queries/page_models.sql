-- The calls of models step by step: those that are named each alone, all others together.
SELECT
    intDiv(toUInt32(Minute), {step_s:UInt32}) * {step_s:UInt32} AS at_s,
    if(Model IN (SELECT arrayJoin(JSONExtract({models:String}, 'Array(String)'))), toString(Model), '') AS model,
    sum(Spans) AS spans,
    sum(Errors) AS errors,
    sum(InputTokens) AS input_tokens,
    sum(OutputTokens) AS output_tokens,
    sum(CacheReadTokens) AS cached_tokens,
    sum(CostNanos) AS cost_nanos,
    sumMap(Durations) AS durations
FROM {table:Identifier}
WHERE Minute >= toDateTime({since_s:UInt32}, 'UTC') AND Minute < toDateTime({until_s:UInt32}, 'UTC')
    AND ({service:String} = '' OR ServiceName = {service:String})
    AND (Calls != 0 OR Kind = 'predict')
GROUP BY at_s, model
HAVING spans > 0
ORDER BY at_s, model

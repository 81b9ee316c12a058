-- The same as page_totals.sql step by step: requests are the first spans of traces, calls those of models.
SELECT
    intDiv(toUInt32(Minute), {step_s:UInt32}) * {step_s:UInt32} AS at_s,
    sumIf(Spans, IsRoot) AS requests,
    sumIf(Errors, IsRoot) AS failed,
    sum(Errors) AS errors,
    sum(InputTokens) AS input_tokens,
    sum(OutputTokens) AS output_tokens,
    sum(PricedCalls) AS priced,
    sum(CostNanos) AS cost_nanos,
    sumMapIf(Durations, IsRoot) AS durations,
    sumMap(FirstChunks) AS first_chunks
FROM {table:Identifier}
WHERE Minute >= toDateTime({since_s:UInt32}, 'UTC') AND Minute < toDateTime({until_s:UInt32}, 'UTC')
    AND ({service:String} = '' OR ServiceName = {service:String})
GROUP BY at_s
ORDER BY at_s

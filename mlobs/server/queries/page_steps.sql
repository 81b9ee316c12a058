-- The same as page_totals.sql step by step: requests are the first spans of traces, calls those of models.
-- Predictions outside of requests are requests only where nothing else is.
WITH IsRoot AND (Kind != 'predict' OR {predictions:UInt8} != 0) AS request
SELECT
    intDiv(toUInt32(Minute), {step_s:UInt32}) * {step_s:UInt32} AS at_s,
    sumIf(Spans, request) AS requests,
    sumIf(Errors, request) AS failed,
    sum(Errors) AS errors,
    sum(InputTokens) AS input_tokens,
    sum(OutputTokens) AS output_tokens,
    sum(PricedCalls) AS priced,
    sum(CostNanos) AS cost_nanos,
    sumMapIf(Durations, request) AS durations,
    sumMap(FirstChunks) AS first_chunks
FROM {table:Identifier}
WHERE Minute >= toDateTime({since_s:UInt32}, 'UTC') AND Minute < toDateTime({until_s:UInt32}, 'UTC')
    AND ({service:String} = '' OR ServiceName = {service:String})
GROUP BY at_s
ORDER BY at_s

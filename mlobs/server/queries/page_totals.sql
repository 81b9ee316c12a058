-- What there was in a range of minutes, for each kind of span, service, model and agent; see `minutes`.
SELECT
    ServiceName AS service,
    Kind AS noun,
    Model AS model,
    AgentName AS agent,
    IsRoot AS is_root,
    sum(Spans) AS spans,
    sum(Errors) AS errors,
    sum(Calls) AS calls,
    sum(CountedCalls) AS counted,
    -- Those that failed before anything was counted, as a rate limit does. Of sums: rows are others when merged.
    greatest(least(errors, calls - counted), 0) AS failed_untold,
    sum(InputTokens) AS input_tokens,
    sum(OutputTokens) AS output_tokens,
    sum(CacheReadTokens) AS cached_tokens,
    sum(PricedCalls) AS priced,
    sum(CostNanos) AS cost_nanos,
    sumMap(Durations) AS durations,
    sumMap(FirstChunks) AS first_chunks
FROM {table:Identifier}
WHERE Minute >= toDateTime({since_s:UInt32}, 'UTC') AND Minute < toDateTime({until_s:UInt32}, 'UTC')
    AND ({service:String} = '' OR ServiceName = {service:String})
GROUP BY service, noun, model, agent, is_root
HAVING spans > 0
ORDER BY spans DESC
LIMIT {limit:UInt32}

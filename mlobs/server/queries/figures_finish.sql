-- How the answers of each model ended lately: of those that came, the share that are empty, cut off at the
-- limit of tokens, refusals, or stopped by a filter. Providers have words of their own for each.
SELECT
    ServiceName AS service, RequestModel AS model, count() AS answers,
    countIf(filtered) / answers AS content_filter,
    countIf(refused AND NOT filtered) / answers AS refusal,
    countIf(cut AND NOT refused AND NOT filtered) / answers AS length,
    countIf(OutputTokens = 0 AND NOT cut AND NOT refused AND NOT filtered) / answers AS empty
FROM (
    SELECT
        ServiceName, RequestModel, OutputTokens,
        extractAll(lower(SpanAttributes[{reasons:String}]), '[a-z_]+') AS words,
        hasAny(words, ['content_filter', 'content_filtered', 'safety', 'recitation', 'prohibited_content', 'guardrail_intervened']) AS filtered,
        has(words, 'refusal') AS refused,
        hasAny(words, ['length', 'max_tokens', 'max_output_tokens', 'model_length']) AS cut
    FROM otel_traces
    WHERE Timestamp > fromUnixTimestamp64Milli({now_ms:Int64}) - toIntervalSecond({window_s:UInt32})
        AND Timestamp <= fromUnixTimestamp64Milli({now_ms:Int64})
        AND Operation IN ('chat', 'generate_content', 'text_completion') AND ErrorType = '' AND CallState = ''
)
GROUP BY service, model
HAVING answers >= {calls_min:UInt32}
ORDER BY answers DESC
LIMIT {rows_max:UInt32}

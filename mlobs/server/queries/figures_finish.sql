-- How the answers of each model ended lately: of those that came, the share that are empty, cut off at the
-- limit of tokens, refusals, or stopped by a filter. Which words say so, and where they stand, are parameters:
-- mlobs.semconv.finishes. A span that a sampler kept counts as often as it stands for.
SELECT
    ServiceName AS service, RequestModel AS model, sum(Weight) AS answers,
    sumIf(Weight, filtered) / answers AS content_filter,
    sumIf(Weight, refused AND NOT filtered) / answers AS refusal,
    sumIf(Weight, cut AND NOT refused AND NOT filtered) / answers AS length,
    sumIf(Weight, OutputTokens = 0 AND NOT cut AND NOT refused AND NOT filtered) / answers AS empty
FROM (
    SELECT
        ServiceName, RequestModel, OutputTokens, Weight,
        arrayStringConcat(arrayMap(key -> SpanAttributes[key], splitByChar(',', {keys:String})), ' ') AS told,
        -- In a message's own text the quotes are escaped, so this finds members of messages and no words in them.
        arrayFlatten(arrayMap(
            key -> extractAll(SpanAttributes[key], '"finish_reason"\\s*:\\s*"([^"\\\\]*)"'), splitByChar(',', {messages:String})
        )) AS members,
        arrayMap(
            word -> replaceRegexpOne(replaceRegexpAll(word, '[_ -]', ''), {prefix:String}, ''),
            extractAll(lower(concat(told, ' | ', arrayStringConcat(members, ' | '))), '[a-z][a-z_-]*')
        ) AS words,
        hasAny(words, splitByChar(',', {content_filter:String})) AS filtered,
        hasAny(words, splitByChar(',', {refusal:String})) AS refused,
        hasAny(words, splitByChar(',', {length:String})) AS cut
    FROM otel_traces
    WHERE Timestamp > fromUnixTimestamp64Milli({now_ms:Int64}) - toIntervalSecond({window_s:UInt32})
        AND Timestamp <= fromUnixTimestamp64Milli({now_ms:Int64})
        AND Operation IN ('chat', 'generate_content', 'text_completion') AND ErrorType = '' AND CallState = ''
)
GROUP BY service, model
HAVING answers >= {calls_min:UInt32}
ORDER BY answers DESC
LIMIT {rows_max:UInt32}

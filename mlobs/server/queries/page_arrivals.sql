-- What arrives of each service, by minutes: how much, and what its calls of models leave out.
SELECT
    ServiceName AS service,
    toUInt32(max(Minute)) AS last_s,
    sum(Spans) AS spans,
    sumIf(Spans, IsRoot) AS roots,
    sum(Calls) AS calls,
    sumIf(Calls, Model = '') AS nameless,
    -- Those that failed before anything was counted, as a rate limit does; rows below nought take spans off.
    sum(if(Calls < 0, greatest(Errors, Calls - CountedCalls), least(Errors, Calls - CountedCalls))) AS failed_untold,
    sum(Calls) - sum(CountedCalls) - failed_untold AS uncounted,
    sum(CountedCalls) - sum(PricedCalls) AS unpriced
FROM {table:Identifier}
WHERE Minute >= toDateTime({since_s:UInt32}, 'UTC') AND Minute < toDateTime({until_s:UInt32}, 'UTC')
GROUP BY service
HAVING spans > 0
ORDER BY spans DESC, service
LIMIT {limit:UInt32}

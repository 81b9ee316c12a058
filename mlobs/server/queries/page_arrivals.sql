-- What arrives of each service, by minutes: how much, and what its calls of models leave out.
SELECT
    ServiceName AS service,
    toUInt32(max(Minute)) AS last_s,
    sum(Spans) AS spans,
    sumIf(Spans, IsRoot) AS roots,
    sum(Calls) AS calls,
    sumIf(Calls, Model = '') AS nameless,
    sum(Calls) - sum(CountedCalls) AS uncounted,
    sum(CountedCalls) - sum(PricedCalls) AS unpriced
FROM {table:Identifier}
WHERE Minute >= toDateTime({since_s:UInt32}, 'UTC') AND Minute < toDateTime({until_s:UInt32}, 'UTC')
GROUP BY service
HAVING spans > 0
ORDER BY spans DESC, service
LIMIT {limit:UInt32}

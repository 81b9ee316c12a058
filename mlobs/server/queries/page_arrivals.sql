-- What arrives of each service, by minutes: how much, and what its calls of models leave out.
SELECT
    service,
    max(last) AS last_s,
    sum(of_kind) AS spans,
    sumIf(of_kind, IsRoot) AS roots,
    sum(called) AS calls,
    sumIf(called, Model = '') AS nameless,
    calls - sum(counted) - sum(failed_untold) AS uncounted,
    sum(counted) - sum(priced) AS unpriced
FROM (
    SELECT
        ServiceName AS service, Kind, Model, AgentName, IsRoot,
        toUInt32(max(Minute)) AS last, sum(Spans) AS of_kind, sum(Calls) AS called, sum(CountedCalls) AS counted,
        sum(PricedCalls) AS priced,
        -- Those that failed before anything was counted, as a rate limit does. Of sums: rows are others when merged.
        greatest(least(sum(Errors), called - counted), 0) AS failed_untold
    FROM {table:Identifier}
    WHERE Minute >= toDateTime({since_s:UInt32}, 'UTC') AND Minute < toDateTime({until_s:UInt32}, 'UTC')
    GROUP BY service, Kind, Model, AgentName, IsRoot
)
GROUP BY service
HAVING spans > 0
ORDER BY spans DESC, service
LIMIT {limit:UInt32}

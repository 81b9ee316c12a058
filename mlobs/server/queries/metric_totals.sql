-- What spans have added up to. Series beyond the limit of an operation become one; which ones
-- those are does not change, because the order is the order in which they were first seen.
WITH
    grouped AS (
        SELECT
            Operation, Measure, ServiceName, Labels, Bounds, min(FirstSeen) AS first_seen,
            sum(Count) AS calls, sum(Whole) AS whole, sum(Part) AS part, sumForEachMerge(Buckets) AS buckets
        FROM metric_totals
        GROUP BY Operation, Measure, ServiceName, Labels, Bounds
    ),
    ranked AS (
        SELECT
            *,
            row_number() OVER (PARTITION BY Operation, Measure ORDER BY first_seen, ServiceName, Labels) > {series_max:UInt32}
                AS overflow
        FROM grouped
    )
SELECT
    Operation AS operation, Measure AS measure, if(overflow, '', ServiceName) AS service,
    if(overflow, CAST(map(), 'Map(LowCardinality(String), String)'), Labels) AS labels,
    Bounds AS bounds, overflow, sum(calls) AS count, sum(whole) AS whole, sum(part) AS part, sumForEach(buckets) AS buckets
FROM ranked
GROUP BY operation, measure, service, labels, bounds, overflow
ORDER BY operation, measure, overflow, service, labels

-- What spans have added up to. Series beyond the limit of a metric become one; which ones those
-- are does not change, because the order is the order in which they were first seen.
WITH
    grouped AS (
        SELECT
            MetricName, ServiceName, Labels, Bounds, min(FirstSeen) AS first_seen,
            sum(Count) AS calls, sum(Whole) AS whole, sum(Part) AS part, sumForEachMerge(Buckets) AS buckets
        FROM metric_totals
        GROUP BY MetricName, ServiceName, Labels, Bounds
    ),
    ranked AS (
        SELECT
            *,
            row_number() OVER (PARTITION BY MetricName ORDER BY first_seen, ServiceName, Labels) > {series_max:UInt32} AS overflow
        FROM grouped
    )
SELECT
    MetricName AS metric, if(overflow, '', ServiceName) AS service, if(overflow, CAST(map(), 'Map(LowCardinality(String), String)'), Labels) AS labels,
    Bounds AS bounds, overflow, sum(calls) AS count, sum(whole) AS whole, sum(part) AS part, sumForEach(buckets) AS buckets
FROM ranked
GROUP BY metric, service, labels, bounds, overflow
ORDER BY metric, overflow, service, labels

-- The series that programs send. A counter is the sum over processes and their starts; a gauge
-- is the largest among the processes that still send.
WITH
    series AS (
        SELECT
            MetricName, ServiceName, Labels, Instance, StartTimeUnix,
            max(Value) AS highest, argMax(Value, TimeUnix) AS newest, max(TimeUnix) AS sent
        FROM metric_latest
        GROUP BY MetricName, ServiceName, Labels, Instance, StartTimeUnix
    ),
    grouped AS (
        SELECT
            MetricName, ServiceName, Labels, min(StartTimeUnix) AS first_seen, sum(highest) AS counter,
            maxIf(newest, sent >= now64(9, 'UTC') - toIntervalSecond({stale_s:UInt32})) AS gauge,
            countIf(sent >= now64(9, 'UTC') - toIntervalSecond({stale_s:UInt32})) AS live
        FROM series
        GROUP BY MetricName, ServiceName, Labels
    ),
    ranked AS (
        SELECT
            *,
            row_number() OVER (PARTITION BY MetricName ORDER BY first_seen, ServiceName, Labels) > {series_max:UInt32} AS overflow
        FROM grouped
    )
SELECT
    MetricName AS metric, if(overflow, '', ServiceName) AS service, if(overflow, CAST(map(), 'Map(LowCardinality(String), String)'), Labels) AS labels,
    overflow, sum(counter) AS counter, max(gauge) AS gauge, sum(live) AS live
FROM ranked
GROUP BY metric, service, labels, overflow
ORDER BY metric, overflow, service, labels

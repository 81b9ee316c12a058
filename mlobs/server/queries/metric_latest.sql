-- The series that programs send. A counter is the sum over processes and their starts, or of its points
-- where those are increases; a gauge is the largest among the processes that still send. Labels without a
-- value are left out, so that a series stays the same one when a release knows another label. Metrics by
-- bin of a feature have many series each, and so a limit of their own; a new version of a profile has new
-- ones, so there those that nobody sends any more make room. A gauge that nobody sends has no place at all.
-- What cannot be counted, as less than nothing or more than 2^53, is left out, and what is no number.
WITH
    splitByChar(',', {counters:String}) AS counters,
    points AS (
        SELECT MetricName, ServiceName, Instance, StartTimeUnix, Labels, TimeUnix, Value FROM metric_latest
        WHERE isFinite(Value) AND if(
            has(counters, MetricName), Value BETWEEN 0 AND 9007199254740992,
            TimeUnix >= now64(9, 'UTC') - toIntervalSecond({stale_s:UInt32})
        )
        UNION ALL
        SELECT MetricName, ServiceName, '', min(FirstSeen), Labels, max(Sent), sum(Value) FROM metric_added
        GROUP BY MetricName, ServiceName, Labels
        HAVING sum(Value) BETWEEN 0 AND 9007199254740992
    ),
    series AS (
        SELECT
            MetricName, ServiceName, Instance, StartTimeUnix,
            CAST((
                arrayFilter((label, text) -> text != '', mapKeys(Labels), mapValues(Labels)),
                arrayFilter(text -> text != '', mapValues(Labels))
            ), 'Map(LowCardinality(String), String)') AS GivenLabels,
            max(Value) AS highest, argMax(Value, TimeUnix) AS newest, max(TimeUnix) AS sent
        FROM points
        GROUP BY MetricName, ServiceName, GivenLabels, Instance, StartTimeUnix
    ),
    grouped AS (
        SELECT
            MetricName, ServiceName, GivenLabels, min(StartTimeUnix) AS first_seen, sum(highest) AS counter,
            max(sent) AS last_sent, mapContains(GivenLabels, 'mlobs_bin') AS is_bin,
            maxIf(newest, sent >= now64(9, 'UTC') - toIntervalSecond({stale_s:UInt32})) AS gauge,
            countIf(sent >= now64(9, 'UTC') - toIntervalSecond({stale_s:UInt32})) AS live
        FROM series
        GROUP BY MetricName, ServiceName, GivenLabels
    ),
    ranked AS (
        SELECT
            *,
            is_bin AND live = 0 AS is_past,
            row_number() OVER (
                PARTITION BY MetricName
                ORDER BY is_past, if(is_past, last_sent, toDateTime64(0, 9, 'UTC')) DESC, first_seen, ServiceName, GivenLabels
            ) > if(is_bin, {bins_max:UInt32}, {series_max:UInt32}) AS overflow
        FROM grouped
    )
SELECT
    MetricName AS metric, if(overflow, '', ServiceName) AS service, if(overflow, CAST(map(), 'Map(LowCardinality(String), String)'), GivenLabels) AS labels,
    overflow, sum(counter) AS counter, max(gauge) AS gauge, sum(live) AS live
FROM ranked
GROUP BY metric, service, labels, overflow
ORDER BY metric, overflow, service, labels

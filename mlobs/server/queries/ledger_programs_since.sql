-- The same, of what was said since a time: by how much counters grew, and gauges at both ends. A counter
-- that began after that time grew from nought; one of increases is the sum of them.
SELECT
    MetricName AS metric, ServiceName AS service, ResourceAttributes['service.instance.id'] AS instance,
    Attributes['mlobs.signal'] AS signal, Attributes['mlobs.dropped.reason'] AS reason, toFloat64(StartTimeUnix) AS began_s,
    toFloat64(max(TimeUnix)) AS last_s,
    multiIf(
        AggregationTemporality = 1, sum(Value), began_s >= {since_s:Float64}, argMax(Value, TimeUnix),
        argMax(Value, TimeUnix) - argMin(Value, TimeUnix)
    ) AS value, toFloat64(0) AS before
FROM otel_metrics_sum
WHERE has(splitByChar(',', {metrics:String}), MetricName) AND Value BETWEEN 0 AND 9007199254740992
    AND TimeUnix >= fromUnixTimestamp64Nano(toInt64({since_s:Float64} * 1e9), 'UTC')
GROUP BY metric, service, instance, signal, reason, StartTimeUnix, AggregationTemporality
UNION ALL
SELECT
    MetricName, ServiceName, ResourceAttributes['service.instance.id'], Attributes['mlobs.signal'], '', toFloat64(0),
    toFloat64(max(TimeUnix)), argMax(Value, TimeUnix),
    argMin(Value, TimeUnix)
FROM otel_metrics_gauge
WHERE has(splitByChar(',', {metrics:String}), MetricName) AND Value BETWEEN 0 AND 9007199254740992
    AND TimeUnix >= fromUnixTimestamp64Nano(toInt64({since_s:Float64} * 1e9), 'UTC')
GROUP BY MetricName, ServiceName, ResourceAttributes['service.instance.id'], Attributes['mlobs.signal']

-- What each process said last of where its telemetry is, of each of its starts. What nobody can have counted is
-- left out.
SELECT
    MetricName AS metric, ServiceName AS service, Instance AS instance, Labels['mlobs_signal'] AS signal,
    Labels['mlobs_dropped_reason'] AS reason, toFloat64(StartTimeUnix) AS began_s, toFloat64(max(TimeUnix)) AS last_s,
    argMax(Value, TimeUnix) AS value, toFloat64(0) AS before
FROM metric_latest
WHERE has(splitByChar(',', {metrics:String}), MetricName) AND Value BETWEEN 0 AND 9007199254740992
GROUP BY metric, service, instance, signal, reason, StartTimeUnix
UNION ALL
SELECT
    MetricName, ServiceName, 'added', Labels['mlobs_signal'], Labels['mlobs_dropped_reason'], toFloat64(min(FirstSeen)),
    toFloat64(max(Sent)), sum(Value), toFloat64(0)
FROM metric_added
WHERE has(splitByChar(',', {metrics:String}), MetricName)
GROUP BY MetricName, ServiceName, Labels['mlobs_signal'], Labels['mlobs_dropped_reason']
HAVING sum(Value) BETWEEN 0 AND 9007199254740992

-- What each process that watches a feature knows by itself, the worst of them for each feature: its own
-- detector may be sure before that of all processes together is, or where there is none. What is no number
-- says nothing.
SELECT
    ServiceName AS service, model, version, ref, feature, segment,
    uniqExact(Instance) AS processes,
    countIf(MetricName = {alarm:String} AND value = 1) AS own_alarms,
    maxIf(value, MetricName = {own:String}) AS own_log_e,
    maxIf(value, MetricName = {line:String}) AS own_threshold,
    maxIf(value, MetricName = {bound:String}) AS own_tv_lower_bound,
    maxIf(value, MetricName = {floor:String}) AS own_floor,
    minIf(value, MetricName = {start:String} AND value > 0) AS own_change_start_s,
    maxOrNullIf(value, MetricName = {distance:String} AND method = 'psi') AS own_psi,
    toUnixTimestamp64Milli(max(sent)) / 1000 AS sent_s
FROM (
    SELECT
        MetricName, ServiceName, Instance,
        Labels[{model_key:String}] AS model, Labels[{version_key:String}] AS version,
        Labels[{ref_key:String}] AS ref, Labels[{feature_key:String}] AS feature,
        Labels[{segment_key:String}] AS segment, Labels[{method_key:String}] AS method,
        argMax(Value, TimeUnix) AS value, max(TimeUnix) AS sent
    FROM metric_latest
    WHERE MetricName IN (
            {alarm:String}, {own:String}, {line:String}, {bound:String}, {floor:String}, {start:String}, {distance:String}
        )
        AND TimeUnix >= now64(9, 'UTC') - toIntervalSecond({stale_s:UInt32})
    GROUP BY MetricName, ServiceName, Instance, model, version, ref, feature, segment, method
)
WHERE isFinite(value)
GROUP BY service, model, version, ref, feature, segment
ORDER BY service, model, version, ref, feature, segment
LIMIT 20000

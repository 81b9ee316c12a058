-- The evidence that a feature has moved, and where the alarm is, in each step: of all processes together,
-- and of each that has a detector of its own.
SELECT
    MetricName AS metric,
    ResourceAttributes[{instance:String}] AS instance,
    intDiv(toUnixTimestamp(TimeUnix), {step_s:UInt32}) * {step_s:UInt32} AS at_s,
    max(Value) AS value
FROM otel_metrics_gauge
WHERE ServiceName = {service:String} AND MetricName IN ({evidence:String}, {threshold:String}, {own:String})
    AND TimeUnix >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC')
    AND TimeUnix <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
    AND Attributes[{feature_key:String}] = {feature:String}
    AND Attributes[{model_key:String}] = {model:String}
    AND Attributes[{version_key:String}] = {version:String}
    AND Attributes[{ref_key:String}] = {ref:String}
    AND Attributes[{segment_key:String}] = {segment:String}
    AND isFinite(Value)
GROUP BY metric, instance, at_s
ORDER BY at_s
LIMIT 20000

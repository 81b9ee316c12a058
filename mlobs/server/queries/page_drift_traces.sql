-- The traces that a feature's evidence points at: those of rows in the bins that grew, the newest first.
SELECT example.1 AS trace_id, toUnixTimestamp64Nano(max(example.2)) AS at_ns
FROM (
    SELECT arrayJoin(arrayZip(`Exemplars.TraceId`, `Exemplars.TimeUnix`)) AS example
    FROM otel_metrics_gauge
    WHERE ServiceName = {service:String} AND MetricName IN ({own:String}, {alarm:String})
        AND TimeUnix >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC')
        AND TimeUnix <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
        AND notEmpty(`Exemplars.TraceId`)
        AND Attributes[{feature_key:String}] = {feature:String}
        AND Attributes[{model_key:String}] = {model:String}
        AND Attributes[{version_key:String}] = {version:String}
        AND Attributes[{ref_key:String}] = {ref:String}
        AND Attributes[{segment_key:String}] = {segment:String}
)
WHERE trace_id != ''
GROUP BY trace_id
ORDER BY at_ns DESC
LIMIT {limit:UInt32}

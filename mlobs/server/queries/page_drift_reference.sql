-- The share of each bin in a feature's profile, and the values it holds, as processes told it last.
SELECT Labels[{bin:String}] AS bin, argMax(Value, TimeUnix) AS ratio,
    argMax(Labels[{range:String}], TimeUnix) AS range
FROM metric_latest
WHERE MetricName = {metric:String} AND ServiceName = {service:String}
    AND Labels[{feature_key:String}] = {feature:String}
    AND Labels[{model_key:String}] = {model:String}
    AND Labels[{version_key:String}] = {version:String}
    AND Labels[{ref_key:String}] = {ref:String}
    AND Labels[{segment_key:String}] = {segment:String}
    AND isFinite(Value)
GROUP BY bin
ORDER BY bin

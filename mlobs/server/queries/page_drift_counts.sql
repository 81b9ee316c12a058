-- How many rows fell into each bin of a feature in each step, over all processes. A counter's increase is
-- from the step before; of a process that was heard of before the range, the hour before it is read, too.
-- What cannot be counted, as more than 2^53, is none.
SELECT bin, at_s, toUInt64(sum(more)) AS counted
FROM (
    SELECT
        bin, at_s,
        multiIf(
            temporality = 1, added,
            count() OVER before > 1, greatest(highest - lagInFrame(highest) OVER before, 0),
            began >= fromUnixTimestamp64Nano({before_ns:Int64}, 'UTC'), highest,
            0
        ) AS more
    FROM (
        SELECT
            Attributes[{bin:String}] AS bin,
            ResourceAttributes[{instance:String}] AS instance,
            StartTimeUnix AS began, AggregationTemporality AS temporality,
            intDiv(toUnixTimestamp(TimeUnix), {step_s:UInt32}) * {step_s:UInt32} AS at_s,
            max(Value) AS highest, sum(Value) AS added
        FROM otel_metrics_sum
        PREWHERE ServiceName = {service:String} AND MetricName = {metric:String}
            AND Attributes[{feature_key:String}] = {feature:String}
        WHERE TimeUnix >= fromUnixTimestamp64Nano({before_ns:Int64}, 'UTC')
            AND TimeUnix <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
            AND Attributes[{model_key:String}] = {model:String}
            AND Attributes[{version_key:String}] = {version:String}
            AND Attributes[{ref_key:String}] = {ref:String}
            AND Attributes[{segment_key:String}] = {segment:String}
            AND Value BETWEEN 0 AND 9007199254740992
        GROUP BY bin, instance, began, temporality, at_s
    )
    WINDOW before AS (PARTITION BY bin, instance, began, temporality ORDER BY at_s ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
WHERE at_s + {step_s:UInt32} > intDiv({since_ns:Int64}, 1000000000)
GROUP BY bin, at_s
ORDER BY at_s, bin

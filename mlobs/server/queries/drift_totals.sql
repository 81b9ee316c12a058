-- What every feature that some process watches has been counted as, by bin, over all processes and their
-- starts, with the reference it is compared with. A process is told from another by its instance or by
-- when it began, so a counter that was reset is another series, and one that is heard of twice is not.
--
-- Processes and their starts come and go, and their series stay; so only those are added up that were heard
-- of since a time. When whoever asks moves that on, to `next`, `kept` is what will be left of the counts.
-- Increases are one series whoever sent them, and are kept whole. What nobody can have counted, as less than
-- nothing or more than 2^53, is left out, and what is no number.
WITH
    toDateTime64({since_s:UInt32}, 9, 'UTC') AS since,
    toDateTime64({next_s:UInt32}, 9, 'UTC') AS next,
    points AS (
        SELECT MetricName, ServiceName, Instance, StartTimeUnix, Labels, TimeUnix, Value, 0 AS is_added
        FROM metric_latest
        WHERE TimeUnix >= since AND Value BETWEEN 0 AND 9007199254740992 AND MetricName IN (
            {observations:String}, {ratio:String}, {rows:String}, {effect:String}, {floor:String}, {gap:String}
        )
        UNION ALL
        SELECT MetricName, ServiceName, '', min(FirstSeen), Labels, max(Sent), sum(Value), 1 FROM metric_added
        WHERE MetricName = {observations:String}
        GROUP BY MetricName, ServiceName, Labels
        HAVING sum(Value) BETWEEN 0 AND 9007199254740992
    ),
    series AS (
        SELECT
            MetricName, ServiceName, Instance, StartTimeUnix,
            Labels['mlobs_model_name'] AS model, Labels['mlobs_model_version'] AS version,
            Labels['mlobs_profile_ref'] AS ref, Labels['mlobs_feature'] AS feature,
            Labels['mlobs_segment'] AS segment, Labels['mlobs_bin'] AS bin,
            argMax(Labels['mlobs_bin_range'], TimeUnix) AS told,
            max(Value) AS highest, argMax(Value, TimeUnix) AS newest, max(TimeUnix) AS sent,
            sent >= now64(9, 'UTC') - toIntervalSecond({stale_s:UInt32}) AS is_fresh,
            is_added OR sent >= next AS is_kept
        FROM points
        GROUP BY
            MetricName, ServiceName, Instance, StartTimeUnix, is_added,
            model, version, ref, feature, segment, bin
    ),
    bins AS (
        SELECT
            ServiceName, model, version, ref, feature, segment, bin,
            sumIf(highest, MetricName = {observations:String}) AS counted,
            sumIf(highest, MetricName = {observations:String} AND is_kept) AS kept_count,
            countIf(MetricName = {observations:String}) > 0 AS is_counted,
            argMaxIf(newest, sent, MetricName = {ratio:String}) AS ratio,
            countIf(MetricName = {ratio:String}) > 0 AS is_referred,
            argMaxIf(newest, sent, MetricName = {gap:String}) AS gap,
            countIf(MetricName = {gap:String}) > 0 AS is_placed,
            argMaxIf(told, sent, MetricName = {ratio:String}) AS range,
            argMaxIf(newest, sent, MetricName = {rows:String}) AS referred_rows,
            argMaxIf(newest, sent, MetricName = {effect:String}) AS effect,
            maxIf(newest, MetricName = {floor:String} AND is_fresh) AS own_floor,
            countIf(MetricName = {floor:String} AND is_fresh) > 0 AS has_floor,
            uniqExactIf((Instance, StartTimeUnix), MetricName = {observations:String} AND is_fresh) AS telling,
            maxIf(sent, MetricName = {observations:String}) AS heard
        FROM series
        GROUP BY ServiceName, model, version, ref, feature, segment, bin
    )
SELECT
    ServiceName AS service, model, version, ref, feature, segment,
    groupArrayIf((bin, counted), is_counted) AS counts,
    groupArrayIf((bin, kept_count), is_counted AND next > since) AS kept,
    groupArrayIf((bin, ratio), is_referred) AS ratios,
    groupArrayIf((bin, gap), is_placed) AS gaps,
    groupArrayIf((bin, range), range != '') AS ranges,
    max(referred_rows) AS reference_rows, max(effect) AS design_effect,
    maxIf(own_floor, has_floor) AS floor, max(has_floor) AS is_floored,
    max(telling) AS processes, toUnixTimestamp64Milli(max(heard)) / 1000 AS sent_s
FROM bins
GROUP BY service, model, version, ref, feature, segment
HAVING notEmpty(counts) AND max(heard) >= since
ORDER BY service, model, version, ref, segment, feature

-- By which share the mean score of the last hour, or of the last day, is proven to be below that of the seven
-- days before. If nothing changed, the recent scores are a random part of all of them, so Bernstein's inequality
-- (which holds for drawing without replacement, after Hoeffding) bounds how far their mean falls below that of
-- all by chance, whatever their distribution: exceeded once in e^chance looks. Too few scores prove nothing,
-- which is 0 too.
SELECT service, name, max(scored) AS scored, max(drop) AS drop
FROM (
    SELECT
        ServiceName AS service, Name AS name, window_s, count() AS scored,
        countIf(Timestamp > recently) AS lately, scored - lately AS before,
        avg(Value) AS mean, varPop(Value) AS variance, mean - min(Value) AS reach,
        avgIf(Value, Timestamp > recently) AS recent,
        avgIf(Value, Timestamp <= recently) AS usual,
        reach * {chance:Float64} / (3 * lately) AS part,
        part + sqrt(part * part + 2 * variance * {chance:Float64} / lately) AS bound,
        lately >= {scores_min:UInt32} AND before >= {scores_min:UInt32} AND usual != 0 AS enough,
        -- The difference to what was usual is this many times that to the mean of all.
        if(enough, greatest((mean - recent - bound) * scored / before / abs(usual), 0), 0) AS drop
    FROM (
        SELECT
            ServiceName, Name, Timestamp, assumeNotNull(Value) AS Value,
            arrayJoin([{hour_s:UInt32}, {day_s:UInt32}]) AS window_s,
            fromUnixTimestamp64Milli({now_ms:Int64}) - toIntervalSecond(window_s) AS recently
        FROM scores
        WHERE ClockKnown AND isFinite(Value)
            AND Timestamp > recently - toIntervalSecond({memory_s:UInt32})
            AND Timestamp <= fromUnixTimestamp64Milli({now_ms:Int64})
    )
    GROUP BY service, name, window_s
    HAVING lately > 0
)
GROUP BY service, name
ORDER BY scored DESC
LIMIT {rows_max:UInt32}

-- By which share the mean score of the last hour is below that of the seven days before, at least: three
-- standard errors of the difference are taken off, so that chance alone is nearly never over 0. With too few
-- scores in one of the two times nothing is proven, which is 0 too.
SELECT
    ServiceName AS service, Name AS name, count() AS scored,
    countIf(Timestamp > recently) AS lately,
    avgIf(Value, Timestamp > recently) AS recent,
    avgIf(Value, Timestamp <= recently) AS usual,
    stddevSampIf(Value, Timestamp <= recently) * sqrt(1 / lately + 1 / (scored - lately)) AS error,
    lately >= {scores_min:UInt32} AND scored - lately >= {scores_min:UInt32} AND usual != 0 AS enough,
    if(enough, greatest((usual - recent - 3 * error) / abs(usual), 0), 0) AS drop
FROM (
    SELECT
        ServiceName, Name, Timestamp, assumeNotNull(Value) AS Value,
        fromUnixTimestamp64Milli({now_ms:Int64}) - toIntervalSecond({window_s:UInt32}) AS recently
    FROM scores
    WHERE ClockKnown AND isFinite(Value)
        AND Timestamp > fromUnixTimestamp64Milli({now_ms:Int64}) - toIntervalSecond({memory_s:UInt32})
        AND Timestamp <= fromUnixTimestamp64Milli({now_ms:Int64})
)
GROUP BY service, name
HAVING lately > 0
ORDER BY scored DESC
LIMIT {rows_max:UInt32}

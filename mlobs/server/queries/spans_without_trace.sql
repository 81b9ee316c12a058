-- Spans that no list of traces shows: those with an empty trace id, and those whose clock is more than a day ahead.
SELECT
    (
        SELECT count()
        FROM otel_traces
        WHERE TraceId = ''
            AND Timestamp >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC')
            AND Timestamp <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
    ) AS spans,
    (
        SELECT count()
        FROM otel_traces
        WHERE NOT ClockKnown AND Timestamp > now64(9, 'UTC') + toIntervalDay(1)
    ) AS ahead

-- When each service last sent logs and metrics.
SELECT service, signal, toUnixTimestamp64Nano(max(sent)) AS last_ns
FROM (
    SELECT ServiceName AS service, 'logs' AS signal, max(Timestamp) AS sent FROM otel_logs
    WHERE Timestamp >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC') AND Timestamp <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
    GROUP BY service
    UNION ALL
    SELECT ServiceName AS service, 'metrics' AS signal, max(TimeUnix) AS sent FROM otel_metrics_sum
    WHERE TimeUnix >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC') AND TimeUnix <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
    GROUP BY service
    UNION ALL
    SELECT ServiceName AS service, 'metrics' AS signal, max(TimeUnix) AS sent FROM otel_metrics_gauge
    WHERE TimeUnix >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC') AND TimeUnix <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
    GROUP BY service
    UNION ALL
    SELECT ServiceName AS service, 'metrics' AS signal, max(TimeUnix) AS sent FROM otel_metrics_histogram
    WHERE TimeUnix >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC') AND TimeUnix <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
    GROUP BY service
)
GROUP BY service, signal
ORDER BY service, signal
LIMIT {limit:UInt32}

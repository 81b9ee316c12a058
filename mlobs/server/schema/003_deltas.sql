-- Schema 3: what counters of delta temporality have added up to. Their points say how much was counted since
-- the point before, so nothing tells one process from another, and nothing has to. They are whole numbers,
-- whose sums are the same in any order.
CREATE TABLE IF NOT EXISTS metric_added (
    MetricName LowCardinality(String),
    ServiceName LowCardinality(String),
    Labels Map(LowCardinality(String), String),
    FirstSeen SimpleAggregateFunction(min, DateTime64(9, 'UTC')),
    Sent SimpleAggregateFunction(max, DateTime64(9, 'UTC')),
    Value SimpleAggregateFunction(sum, Float64)
)
ENGINE = AggregatingMergeTree
ORDER BY (MetricName, ServiceName, Labels)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

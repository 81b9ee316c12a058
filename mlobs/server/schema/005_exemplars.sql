-- Schema 5: for each series of a histogram, and each step between bounds of its buckets, the newest span. A
-- view fills it. What a crash takes is replaced by the next spans, so nothing is synced.
CREATE TABLE IF NOT EXISTS exemplars (
    Operation LowCardinality(String),
    ServiceName LowCardinality(String),
    Labels Map(LowCardinality(String), String),
    Step Tuple(UInt64, UInt64),
    Moment DateTime64(9, 'UTC'),
    TraceId String,
    SpanId String,
    Duration UInt64,
    TimeToFirstChunk Nullable(Float64)
)
ENGINE = ReplacingMergeTree(Moment)
ORDER BY (Operation, ServiceName, Labels, Step)
TTL toDateTime(Moment) + INTERVAL 1 HOUR
SETTINGS non_replicated_deduplication_window = 10000, merge_with_ttl_timeout = 3600;

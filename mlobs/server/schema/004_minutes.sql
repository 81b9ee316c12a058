-- Schema 4: spans added up by minute, so that a page over a day need not read the day's spans.
--
-- A view of spans fills `minutes`, and a view of that `ten_minutes`, for charts whose steps are whole tens.
-- Durations are counted in buckets of the logarithm, eight to each doubling, from which any quantile can be
-- read to within 10 %. Everything is whole numbers that are added, so spans that are deleted are taken off
-- again. Costs are billionths of a dollar.
--
-- Spans of clocks that are not believed are in no minute.
CREATE TABLE IF NOT EXISTS minutes (
    Minute DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    ServiceName LowCardinality(String),
    Kind LowCardinality(String),
    Model LowCardinality(String),
    AgentName LowCardinality(String),
    IsRoot Bool,
    Spans SimpleAggregateFunction(sum, Int64),
    Errors SimpleAggregateFunction(sum, Int64),
    Calls SimpleAggregateFunction(sum, Int64),
    CountedCalls SimpleAggregateFunction(sum, Int64),
    InputTokens SimpleAggregateFunction(sum, Int64),
    OutputTokens SimpleAggregateFunction(sum, Int64),
    CacheReadTokens SimpleAggregateFunction(sum, Int64),
    PricedCalls SimpleAggregateFunction(sum, Int64),
    CostNanos SimpleAggregateFunction(sum, Int64),
    Durations SimpleAggregateFunction(sumMap, Map(UInt16, Int64)),
    FirstChunks SimpleAggregateFunction(sumMap, Map(UInt16, Int64))
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(Minute)
ORDER BY (Minute, ServiceName, Kind, Model, AgentName, IsRoot)
SETTINGS non_replicated_deduplication_window = 10000, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;
CREATE TABLE IF NOT EXISTS ten_minutes (
    Minute DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    ServiceName LowCardinality(String),
    Kind LowCardinality(String),
    Model LowCardinality(String),
    AgentName LowCardinality(String),
    IsRoot Bool,
    Spans SimpleAggregateFunction(sum, Int64),
    Errors SimpleAggregateFunction(sum, Int64),
    Calls SimpleAggregateFunction(sum, Int64),
    CountedCalls SimpleAggregateFunction(sum, Int64),
    InputTokens SimpleAggregateFunction(sum, Int64),
    OutputTokens SimpleAggregateFunction(sum, Int64),
    CacheReadTokens SimpleAggregateFunction(sum, Int64),
    PricedCalls SimpleAggregateFunction(sum, Int64),
    CostNanos SimpleAggregateFunction(sum, Int64),
    Durations SimpleAggregateFunction(sumMap, Map(UInt16, Int64)),
    FirstChunks SimpleAggregateFunction(sumMap, Map(UInt16, Int64))
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(Minute)
ORDER BY (Minute, ServiceName, Kind, Model, AgentName, IsRoot)
SETTINGS non_replicated_deduplication_window = 10000, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

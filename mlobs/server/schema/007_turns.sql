-- Schema 7: what the spans of a trace come to in each minute, so that what sessions and users come to is added
-- up from a tenth of the rows, in the order in which it is asked for, and the slowest and dearest traces are
-- found in them.
--
-- A view of spans fills it. Who a trace belongs to is often said by one of its spans only, and others may say
-- somebody else: spans that say different things are in different rows, and rows of one trace come together
-- when they are asked for. Rows of deleted traces are deleted. Spans without a trace are in no row, and neither
-- are those of clocks that are not believed: questions read them as they are.
--
-- Few rows to a mark, because what is asked for lies in many places.
CREATE TABLE IF NOT EXISTS turns (
    Minute DateTime('UTC') CODEC(ZSTD(1)),
    UserId String CODEC(ZSTD(1)),
    Session String CODEC(ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    FirstNs SimpleAggregateFunction(min, Int64) CODEC(T64, ZSTD(1)),
    EndNs SimpleAggregateFunction(max, Int64) CODEC(T64, ZSTD(1)),
    Longest SimpleAggregateFunction(max, UInt64) CODEC(T64, ZSTD(1)),
    Dearest SimpleAggregateFunction(max, Nullable(Float64)) CODEC(ZSTD(1)),
    Spans SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    Errors SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    Services SimpleAggregateFunction(groupUniqArrayArray(5), Array(String)) CODEC(ZSTD(1)),
    Agents SimpleAggregateFunction(groupUniqArrayArray(5), Array(String)) CODEC(ZSTD(1)),
    InputTokens SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(ZSTD(1)),
    OutputTokens SimpleAggregateFunction(sum, Nullable(UInt64)) CODEC(ZSTD(1)),
    CostUsd SimpleAggregateFunction(sum, Nullable(Float64)) CODEC(ZSTD(1)),

    INDEX session Session TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(Minute)
ORDER BY (UserId, Session, TraceId, Minute)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000,
    min_bytes_for_wide_part = 134217728, merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

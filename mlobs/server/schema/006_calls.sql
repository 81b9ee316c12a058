-- Schema 6: model calls added up by trace and ten minutes, so that what they cost need not be read from the
-- spans. A view of spans fills it; see `mlobs.server.costs.summed`.
--
-- A row is what one INSERT brought of one trace: nothing is merged, so that traces can be counted and a trace
-- that is deleted goes with its rows. What repeats another call is in Repeated and in no other sum.
--
-- Spans of clocks that are not believed are in no row.
CREATE TABLE IF NOT EXISTS call_sums (
    Ten DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    Trace UInt64 CODEC(ZSTD(1)),
    Weight UInt32 CODEC(ZSTD(1)),
    ServiceName LowCardinality(String),
    ServiceVersion LowCardinality(String),
    Operation LowCardinality(String),
    StatusCode LowCardinality(String),
    Provider LowCardinality(String),
    RequestModel LowCardinality(String),
    ResponseModel LowCardinality(String),
    ModelName LowCardinality(String),
    AgentName LowCardinality(String),
    Tenant LowCardinality(String),
    SessionId String CODEC(ZSTD(1)),
    ConversationId String CODEC(ZSTD(1)),
    UserId String CODEC(ZSTD(1)),
    Tier LowCardinality(String),
    Size UInt32 CODEC(ZSTD(1)),
    Calls UInt64 CODEC(T64, ZSTD(1)),
    Repeated UInt64 CODEC(T64, ZSTD(1)),
    Unused UInt64 CODEC(T64, ZSTD(1)),
    Told Nullable(Float64) CODEC(ZSTD(1)),
    TokensInput UInt64 CODEC(T64, ZSTD(1)),
    TokensCachedRead UInt64 CODEC(T64, ZSTD(1)),
    TokensCachedWrite UInt64 CODEC(T64, ZSTD(1)),
    TokensOutput UInt64 CODEC(T64, ZSTD(1)),
    TokensReasoning UInt64 CODEC(T64, ZSTD(1)),
    TokensCachedWrite1h UInt64 CODEC(T64, ZSTD(1)),
    TokensInputAudio UInt64 CODEC(T64, ZSTD(1)),
    TokensInputImage UInt64 CODEC(T64, ZSTD(1)),
    TokensCachedAudio UInt64 CODEC(T64, ZSTD(1)),
    TokensOutputAudio UInt64 CODEC(T64, ZSTD(1)),
    TokensOutputImage UInt64 CODEC(T64, ZSTD(1)),
    RootFailed Bool,
    Spans Array(UInt32) CODEC(ZSTD(1)),
    Parents Array(UInt32) CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(Ten)
ORDER BY (Ten, ServiceName, RequestModel, Trace)
SETTINGS non_replicated_deduplication_window = 10000, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

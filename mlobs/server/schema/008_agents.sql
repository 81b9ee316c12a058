-- Schema 8: when which agent ran, a row for each of their spans, so that costs are divided by agent without
-- reading the spans. A view of spans fills it; see `mlobs.server.costs.agents`.
--
-- Calls whose agent is above them and came together with them know it: Under. Others that name no agent are
-- a row each, with the span above them and when they began, so their agent is found when it is asked for. The
-- calls that are there are added up anew.
CREATE TABLE IF NOT EXISTS agents (
    Ten DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    Trace UInt64 CODEC(ZSTD(1)),
    Span UInt64 CODEC(ZSTD(1)),
    BeginNs Int64 CODEC(Delta(8), ZSTD(1)),
    EndNs Int64 CODEC(Delta(8), ZSTD(1)),
    AgentName LowCardinality(String)
)
ENGINE = MergeTree
PARTITION BY toDate(Ten)
ORDER BY (Ten, Trace)
SETTINGS non_replicated_deduplication_window = 10000, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;
TRUNCATE TABLE call_sums;
ALTER TABLE call_sums
    ADD COLUMN IF NOT EXISTS Under LowCardinality(String) AFTER AgentName,
    ADD COLUMN IF NOT EXISTS Above UInt64 CODEC(ZSTD(1)) AFTER Size,
    ADD COLUMN IF NOT EXISTS Begun Int64 CODEC(ZSTD(1)) AFTER Above;

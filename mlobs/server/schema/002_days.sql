-- Schema 2: days as partitions, time first in the order of spans, texts beside the attributes, all
-- kinds of metrics, scores as a table of their own. Rows of schema 1 are moved.
--
-- The canonical columns of spans are not here: `canonical` computes them, and they follow the vocabulary.
--
-- Every statement may run twice: a migration that a crash interrupted begins again. Those that move a
-- table are left out when it was moved already.
--
-- Partitions are days, so that old data goes by dropping them. A clock that is far off (ClockKnown is
-- false) has one partition for all times: one program must not make thousands of them, each part of
-- an INSERT is synced. The expression names Timestamp so that the engine knows each part's range.
--
-- Time first, because nearly every question is about a range of it, newest first; sorted by service the
-- spans took 15 % less space and a list of the newest read everything.
--
-- Parts below 128 MB keep all columns in one file, which halves what an INSERT costs. Merging waits for
-- more parts of a size (merge_selector_base), which halves what merging costs while data pours in.

DROP TABLE IF EXISTS otel_traces_2;
-- only while otel_traces lacks ClockKnown
CREATE TABLE otel_traces_2 (
    Timestamp DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName LowCardinality(String) CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Content Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 CODEC(T64, ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested (
        Timestamp DateTime64(9, 'UTC'),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Links Nested (
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    ClockKnown Bool DEFAULT true,

    INDEX trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX content_text mapValues(Content) TYPE text(tokenizer = 'splitByNonAlpha'),
    INDEX duration Duration TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY if(ClockKnown, toDate(Timestamp), toDate(0))
ORDER BY (Timestamp, TraceId)
SETTINGS non_replicated_deduplication_window = 10000, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;
-- only while otel_traces lacks ClockKnown
INSERT INTO otel_traces_2 ({stored otel_traces}, SpanAttributes, Content, ClockKnown)
SELECT
    {stored otel_traces},
    picked(SpanAttributes, NOT is_content), picked(SpanAttributes, is_content),
    Timestamp BETWEEN now() - INTERVAL 400 DAY AND now() + INTERVAL 1 DAY
FROM (SELECT *, content(SpanAttributes) AS is_content FROM otel_traces);
-- only while otel_traces lacks ClockKnown
EXCHANGE TABLES otel_traces AND otel_traces_2;
DROP TABLE IF EXISTS otel_traces_2;

DROP TABLE IF EXISTS otel_logs_2;
-- only while otel_logs lacks ClockKnown
CREATE TABLE otel_logs_2 (
    Timestamp DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    TraceFlags UInt8,
    SeverityText LowCardinality(String) CODEC(ZSTD(1)),
    SeverityNumber UInt8,
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    Body String CODEC(ZSTD(1)),
    ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    LogAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    EventName LowCardinality(String) CODEC(ZSTD(1)),
    ClockKnown Bool DEFAULT true,

    INDEX trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY if(ClockKnown, toDate(Timestamp), toDate(0))
ORDER BY (toStartOfFiveMinutes(Timestamp), ServiceName, Timestamp)
SETTINGS non_replicated_deduplication_window = 10000, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;
-- only while otel_logs lacks ClockKnown
INSERT INTO otel_logs_2 ({stored otel_logs}, ClockKnown)
SELECT {stored otel_logs}, Timestamp BETWEEN now() - INTERVAL 400 DAY AND now() + INTERVAL 1 DAY
FROM otel_logs;
-- only while otel_logs lacks ClockKnown
EXCHANGE TABLES otel_logs AND otel_logs_2;
DROP TABLE IF EXISTS otel_logs_2;

DROP TABLE IF EXISTS otel_metrics_gauge_2;
-- only while otel_metrics_gauge lacks ClockKnown
CREATE TABLE otel_metrics_gauge_2 (
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ScopeName LowCardinality(String) CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    MetricName LowCardinality(String) CODEC(ZSTD(1)),
    MetricDescription LowCardinality(String) CODEC(ZSTD(1)),
    MetricUnit LowCardinality(String) CODEC(ZSTD(1)),
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    TimeUnix DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ClockKnown Bool DEFAULT true,
    Value Float64 CODEC(ZSTD(1)),
    Flags UInt32 CODEC(ZSTD(1)),
    Exemplars Nested (
        FilteredAttributes Map(LowCardinality(String), String),
        TimeUnix DateTime64(9, 'UTC'),
        Value Float64,
        SpanId String,
        TraceId String
    ) CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY if(ClockKnown, toDate(TimeUnix), toDate(0))
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS non_replicated_deduplication_window = 10000, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;
-- only while otel_metrics_gauge lacks ClockKnown
INSERT INTO otel_metrics_gauge_2 ({stored otel_metrics_gauge}, ClockKnown)
SELECT {stored otel_metrics_gauge}, TimeUnix BETWEEN now() - INTERVAL 400 DAY AND now() + INTERVAL 1 DAY
FROM otel_metrics_gauge;
-- only while otel_metrics_gauge lacks ClockKnown
EXCHANGE TABLES otel_metrics_gauge AND otel_metrics_gauge_2;
DROP TABLE IF EXISTS otel_metrics_gauge_2;

DROP TABLE IF EXISTS otel_metrics_sum_2;
-- only while otel_metrics_sum lacks ClockKnown
CREATE TABLE otel_metrics_sum_2 (
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ScopeName LowCardinality(String) CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    MetricName LowCardinality(String) CODEC(ZSTD(1)),
    MetricDescription LowCardinality(String) CODEC(ZSTD(1)),
    MetricUnit LowCardinality(String) CODEC(ZSTD(1)),
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    TimeUnix DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ClockKnown Bool DEFAULT true,
    Value Float64 CODEC(ZSTD(1)),
    Flags UInt32 CODEC(ZSTD(1)),
    Exemplars Nested (
        FilteredAttributes Map(LowCardinality(String), String),
        TimeUnix DateTime64(9, 'UTC'),
        Value Float64,
        SpanId String,
        TraceId String
    ) CODEC(ZSTD(1)),
    AggregationTemporality Int32 CODEC(ZSTD(1)),
    IsMonotonic Bool CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY if(ClockKnown, toDate(TimeUnix), toDate(0))
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS non_replicated_deduplication_window = 10000, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;
-- only while otel_metrics_sum lacks ClockKnown
INSERT INTO otel_metrics_sum_2 ({stored otel_metrics_sum}, ClockKnown)
SELECT {stored otel_metrics_sum}, TimeUnix BETWEEN now() - INTERVAL 400 DAY AND now() + INTERVAL 1 DAY
FROM otel_metrics_sum;
-- only while otel_metrics_sum lacks ClockKnown
EXCHANGE TABLES otel_metrics_sum AND otel_metrics_sum_2;
DROP TABLE IF EXISTS otel_metrics_sum_2;

DROP TABLE IF EXISTS otel_metrics_histogram_2;
-- only while otel_metrics_histogram lacks ClockKnown
CREATE TABLE otel_metrics_histogram_2 (
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ScopeName LowCardinality(String) CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    MetricName LowCardinality(String) CODEC(ZSTD(1)),
    MetricDescription LowCardinality(String) CODEC(ZSTD(1)),
    MetricUnit LowCardinality(String) CODEC(ZSTD(1)),
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    TimeUnix DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ClockKnown Bool DEFAULT true,
    Count UInt64 CODEC(Delta, ZSTD(1)),
    Sum Float64 CODEC(ZSTD(1)),
    BucketCounts Array(UInt64) CODEC(ZSTD(1)),
    ExplicitBounds Array(Float64) CODEC(ZSTD(1)),
    Exemplars Nested (
        FilteredAttributes Map(LowCardinality(String), String),
        TimeUnix DateTime64(9, 'UTC'),
        Value Float64,
        SpanId String,
        TraceId String
    ) CODEC(ZSTD(1)),
    Flags UInt32 CODEC(ZSTD(1)),
    Min Float64 CODEC(ZSTD(1)),
    Max Float64 CODEC(ZSTD(1)),
    AggregationTemporality Int32 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY if(ClockKnown, toDate(TimeUnix), toDate(0))
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS non_replicated_deduplication_window = 10000, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;
-- only while otel_metrics_histogram lacks ClockKnown
INSERT INTO otel_metrics_histogram_2 ({stored otel_metrics_histogram}, ClockKnown)
SELECT {stored otel_metrics_histogram}, TimeUnix BETWEEN now() - INTERVAL 400 DAY AND now() + INTERVAL 1 DAY
FROM otel_metrics_histogram;
-- only while otel_metrics_histogram lacks ClockKnown
EXCHANGE TABLES otel_metrics_histogram AND otel_metrics_histogram_2;
DROP TABLE IF EXISTS otel_metrics_histogram_2;

CREATE TABLE IF NOT EXISTS otel_metrics_exponential_histogram (
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ScopeName LowCardinality(String) CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    MetricName LowCardinality(String) CODEC(ZSTD(1)),
    MetricDescription LowCardinality(String) CODEC(ZSTD(1)),
    MetricUnit LowCardinality(String) CODEC(ZSTD(1)),
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    TimeUnix DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ClockKnown Bool DEFAULT true,
    Count UInt64 CODEC(Delta, ZSTD(1)),
    Sum Float64 CODEC(ZSTD(1)),
    Scale Int32 CODEC(ZSTD(1)),
    ZeroCount UInt64 CODEC(ZSTD(1)),
    ZeroThreshold Float64 CODEC(ZSTD(1)),
    PositiveOffset Int32 CODEC(ZSTD(1)),
    PositiveBucketCounts Array(UInt64) CODEC(ZSTD(1)),
    NegativeOffset Int32 CODEC(ZSTD(1)),
    NegativeBucketCounts Array(UInt64) CODEC(ZSTD(1)),
    Exemplars Nested (
        FilteredAttributes Map(LowCardinality(String), String),
        TimeUnix DateTime64(9, 'UTC'),
        Value Float64,
        SpanId String,
        TraceId String
    ) CODEC(ZSTD(1)),
    Flags UInt32 CODEC(ZSTD(1)),
    Min Float64 CODEC(ZSTD(1)),
    Max Float64 CODEC(ZSTD(1)),
    AggregationTemporality Int32 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY if(ClockKnown, toDate(TimeUnix), toDate(0))
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS non_replicated_deduplication_window = 10000, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS otel_metrics_summary (
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ScopeName LowCardinality(String) CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    MetricName LowCardinality(String) CODEC(ZSTD(1)),
    MetricDescription LowCardinality(String) CODEC(ZSTD(1)),
    MetricUnit LowCardinality(String) CODEC(ZSTD(1)),
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    TimeUnix DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ClockKnown Bool DEFAULT true,
    Count UInt64 CODEC(ZSTD(1)),
    Sum Float64 CODEC(ZSTD(1)),
    ValueAtQuantiles Nested (
        Quantile Float64,
        Value Float64
    ) CODEC(ZSTD(1)),
    Flags UInt32 CODEC(ZSTD(1)),
    Exemplars Nested (
        FilteredAttributes Map(LowCardinality(String), String),
        TimeUnix DateTime64(9, 'UTC'),
        Value Float64,
        SpanId String,
        TraceId String
    ) CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY if(ClockKnown, toDate(TimeUnix), toDate(0))
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS non_replicated_deduplication_window = 10000, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- What evaluators and people thought of calls; filled from log events by a view.
CREATE TABLE IF NOT EXISTS scores (
    Timestamp DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    Name LowCardinality(String) CODEC(ZSTD(1)),
    Value Nullable(Float64) CODEC(ZSTD(1)),
    Label LowCardinality(String) CODEC(ZSTD(1)),
    JudgedBy LowCardinality(String) CODEC(ZSTD(1)),
    Explanation String CODEC(ZSTD(1)),
    ResponseId String CODEC(ZSTD(1)),
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ClockKnown Bool DEFAULT true,

    INDEX trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY if(ClockKnown, toDate(Timestamp), toDate(0))
ORDER BY (Name, Timestamp)
SETTINGS non_replicated_deduplication_window = 10000, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

INSERT INTO scores {so far};

-- Where the OpenTelemetry Collector's ClickHouse exporter writes (traces_table_name: otel_traces_exporter).
-- Nothing is kept here: a view puts its rows into otel_traces as the server does with its own, other
-- dialects translated and content beside the attributes. Written into otel_traces itself, rows of the
-- current conventions have their canonical columns too; those of other dialects do not.
CREATE TABLE IF NOT EXISTS otel_traces_exporter (
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    TraceState String,
    SpanName LowCardinality(String),
    SpanKind LowCardinality(String),
    ServiceName LowCardinality(String),
    ResourceAttributes Map(LowCardinality(String), String),
    ScopeName String,
    ScopeVersion String,
    SpanAttributes Map(LowCardinality(String), String),
    Duration UInt64,
    StatusCode LowCardinality(String),
    StatusMessage String,
    Events Nested (
        Timestamp DateTime64(9),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ),
    Links Nested (
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    )
)
ENGINE = Null;

-- Tables with the columns of the OpenTelemetry Collector's ClickHouse exporter, and the GenAI
-- facts as columns computed from the attributes, so that rows the exporter wrote have them too.
--
-- non_replicated_deduplication_window makes a repeated INSERT of the same segment a no-op. It
-- counts parts, so it must be well above the parts of one INSERT: there is a partition for each
-- of 360 months and one for all clocks that are wrong. Each part is synced, so fewer are better.
--
-- fsync_after_insert and fsync_part_directory: the journal's segment is deleted after the
-- INSERT, so the part must be on the disk by then.

CREATE TABLE IF NOT EXISTS otel_traces ON CLUSTER 'main' (
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

    Operation LowCardinality(String) MATERIALIZED SpanAttributes['gen_ai.operation.name'],
    Provider LowCardinality(String) MATERIALIZED SpanAttributes['gen_ai.provider.name'],
    RequestModel LowCardinality(String) MATERIALIZED SpanAttributes['gen_ai.request.model'],
    ResponseModel LowCardinality(String) MATERIALIZED SpanAttributes['gen_ai.response.model'],
    AgentName LowCardinality(String) MATERIALIZED SpanAttributes['gen_ai.agent.name'],
    ToolName LowCardinality(String) MATERIALIZED SpanAttributes['gen_ai.tool.name'],
    ErrorType LowCardinality(String) MATERIALIZED
        if(StatusCode = 'Error' AND SpanAttributes['error.type'] = '', '_OTHER', SpanAttributes['error.type']),
    ConversationId String MATERIALIZED SpanAttributes['gen_ai.conversation.id'] CODEC(ZSTD(1)),
    SessionId String MATERIALIZED SpanAttributes['session.id'] CODEC(ZSTD(1)),
    UserId String MATERIALIZED SpanAttributes['user.id'] CODEC(ZSTD(1)),
    Kind LowCardinality(String) MATERIALIZED SpanAttributes['mlobs.kind'],
    CallState LowCardinality(String) MATERIALIZED SpanAttributes['mlobs.call.state'],
    ModelName LowCardinality(String) MATERIALIZED SpanAttributes['mlobs.model.name'],
    ModelVersion LowCardinality(String) MATERIALIZED SpanAttributes['mlobs.model.version'],
    InputTokens Nullable(UInt64) MATERIALIZED toUInt64OrNull(SpanAttributes['gen_ai.usage.input_tokens']) CODEC(ZSTD(1)),
    OutputTokens Nullable(UInt64) MATERIALIZED toUInt64OrNull(SpanAttributes['gen_ai.usage.output_tokens']) CODEC(ZSTD(1)),
    CacheReadTokens Nullable(UInt64) MATERIALIZED toUInt64OrNull(SpanAttributes['gen_ai.usage.cache_read.input_tokens']) CODEC(ZSTD(1)),
    CacheWriteTokens Nullable(UInt64) MATERIALIZED toUInt64OrNull(SpanAttributes['gen_ai.usage.cache_write.input_tokens']) CODEC(ZSTD(1)),
    ReasoningTokens Nullable(UInt64) MATERIALIZED toUInt64OrNull(SpanAttributes['gen_ai.usage.reasoning.output_tokens']) CODEC(ZSTD(1)),
    CostUsd Nullable(Float64) MATERIALIZED toFloat64OrNull(SpanAttributes['mlobs.cost.usd']) CODEC(ZSTD(1)),
    TimeToFirstChunk Nullable(Float64) MATERIALIZED toFloat64OrNull(SpanAttributes['gen_ai.response.time_to_first_chunk']) CODEC(ZSTD(1)),

    INDEX trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX duration Duration TYPE minmax GRANULARITY 1
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY if(toYear(Timestamp) BETWEEN 2020 AND 2049, toYYYYMM(Timestamp), 0)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS otel_logs ON CLUSTER 'main' (
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

    INDEX trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY if(toYear(Timestamp) BETWEEN 2020 AND 2049, toYYYYMM(Timestamp), 0)
ORDER BY (toStartOfFiveMinutes(Timestamp), ServiceName, Timestamp)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS otel_metrics_gauge ON CLUSTER 'main' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY if(toYear(TimeUnix) BETWEEN 2020 AND 2049, toYYYYMM(TimeUnix), 0)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS otel_metrics_sum ON CLUSTER 'main' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY if(toYear(TimeUnix) BETWEEN 2020 AND 2049, toYYYYMM(TimeUnix), 0)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS otel_metrics_histogram ON CLUSTER 'main' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY if(toYear(TimeUnix) BETWEEN 2020 AND 2049, toYYYYMM(TimeUnix), 0)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

-- What /metrics shows of spans: for each operation (or noun of ours without one) and measured
-- column. Whole numbers only: sums of floats change with the order in which parts merge, and a
-- counter may never go backwards. A value is Whole units and Part billionths of one, because the
-- lite engine has no integers wider than 64 bits.
CREATE TABLE IF NOT EXISTS metric_totals ON CLUSTER 'main' (
    Operation LowCardinality(String),
    Measure LowCardinality(String),
    ServiceName LowCardinality(String),
    Labels Map(LowCardinality(String), String),
    Bounds Array(Float64),
    FirstSeen SimpleAggregateFunction(min, DateTime64(9, 'UTC')),
    Count SimpleAggregateFunction(sum, UInt64),
    Whole SimpleAggregateFunction(sum, UInt64),
    Part SimpleAggregateFunction(sum, UInt64),
    Buckets AggregateFunction(sumForEach, Array(UInt64))
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
ORDER BY (Operation, Measure, ServiceName, Labels, Bounds)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

-- The last point of every series that programs send under a name of ours. A counter's series
-- keeps one row for each start of each process, so that their sum never goes backwards.
CREATE TABLE IF NOT EXISTS metric_latest ON CLUSTER 'main' (
    MetricName LowCardinality(String),
    ServiceName LowCardinality(String),
    Instance String,
    Labels Map(LowCardinality(String), String),
    StartTimeUnix DateTime64(9, 'UTC'),
    TimeUnix DateTime64(9, 'UTC'),
    Value Float64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', TimeUnix)
ORDER BY (MetricName, ServiceName, Instance, Labels, StartTimeUnix)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

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

DROP TABLE IF EXISTS otel_traces_2 ON CLUSTER 'main';

-- only while otel_traces lacks ClockKnown
CREATE TABLE otel_traces_2 ON CLUSTER 'main' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY if(ClockKnown, toDate(Timestamp), toDate(0))
ORDER BY (Timestamp, TraceId)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- only while otel_traces lacks ClockKnown
INSERT INTO otel_traces_2 (Timestamp, SpanAttributes, Content, ClockKnown)
SELECT
    Timestamp,
    CAST((arrayFilter((one, is) -> NOT is, mapKeys(SpanAttributes), is_content), arrayFilter((one, is) -> NOT is, mapValues(SpanAttributes), is_content)), 'Map(LowCardinality(String), String)'), CAST((arrayFilter((one, is) -> is, mapKeys(SpanAttributes), is_content), arrayFilter((one, is) -> is, mapValues(SpanAttributes), is_content)), 'Map(LowCardinality(String), String)'),
    Timestamp BETWEEN now() - INTERVAL 400 DAY AND now() + INTERVAL 1 DAY
FROM (SELECT *, arrayMap((k, v) -> length(v) > 1024 OR k IN ('gen_ai.system_instructions', 'gen_ai.input.messages', 'gen_ai.output.messages', 'gen_ai.tool.definitions', 'gen_ai.tool.call.arguments', 'gen_ai.tool.call.result', 'mlobs.input', 'mlobs.output', 'input.value', 'output.value', 'ai.prompt', 'ai.prompt.messages', 'ai.response.text', 'ai.response.object', 'ai.response.toolCalls', 'ai.response.reasoning', 'ai.prompt.tools', 'ai.toolCall.args', 'ai.toolCall.result', 'langfuse.observation.input', 'langfuse.trace.input', 'langfuse.observation.output', 'langfuse.trace.output', 'mlflow.spanInputs', 'mlflow.spanOutputs', 'mlflow.chat.tools', 'gen_ai.prompt', 'pydantic_ai.all_messages', 'gen_ai.completion', 'final_result', 'traceloop.entity.input', 'traceloop.entity.output') OR (startsWith(k, 'llm.input_messages.') OR startsWith(k, 'llm.prompts.') OR startsWith(k, 'llm.output_messages.') OR startsWith(k, 'llm.choices.') OR startsWith(k, 'llm.tools.') OR startsWith(k, 'retrieval.documents.') OR startsWith(k, 'gen_ai.prompt.') OR startsWith(k, 'gen_ai.completion.') OR startsWith(k, 'llm.request.functions.')) AND k NOT IN ('gen_ai.prompt.name', 'gen_ai.prompt.version'), mapKeys(SpanAttributes), mapValues(SpanAttributes)) AS is_content FROM otel_traces);

-- only while otel_traces lacks ClockKnown
EXCHANGE TABLES otel_traces AND otel_traces_2 ON CLUSTER 'main';

DROP TABLE IF EXISTS otel_traces_2 ON CLUSTER 'main';

DROP TABLE IF EXISTS otel_logs_2 ON CLUSTER 'main';

-- only while otel_logs lacks ClockKnown
CREATE TABLE otel_logs_2 ON CLUSTER 'main' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY if(ClockKnown, toDate(Timestamp), toDate(0))
ORDER BY (toStartOfFiveMinutes(Timestamp), ServiceName, Timestamp)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- only while otel_logs lacks ClockKnown
INSERT INTO otel_logs_2 (Timestamp, ClockKnown)
SELECT Timestamp, Timestamp BETWEEN now() - INTERVAL 400 DAY AND now() + INTERVAL 1 DAY
FROM otel_logs;

-- only while otel_logs lacks ClockKnown
EXCHANGE TABLES otel_logs AND otel_logs_2 ON CLUSTER 'main';

DROP TABLE IF EXISTS otel_logs_2 ON CLUSTER 'main';

DROP TABLE IF EXISTS otel_metrics_gauge_2 ON CLUSTER 'main';

-- only while otel_metrics_gauge lacks ClockKnown
CREATE TABLE otel_metrics_gauge_2 ON CLUSTER 'main' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY if(ClockKnown, toDate(TimeUnix), toDate(0))
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- only while otel_metrics_gauge lacks ClockKnown
INSERT INTO otel_metrics_gauge_2 (Timestamp, ClockKnown)
SELECT Timestamp, TimeUnix BETWEEN now() - INTERVAL 400 DAY AND now() + INTERVAL 1 DAY
FROM otel_metrics_gauge;

-- only while otel_metrics_gauge lacks ClockKnown
EXCHANGE TABLES otel_metrics_gauge AND otel_metrics_gauge_2 ON CLUSTER 'main';

DROP TABLE IF EXISTS otel_metrics_gauge_2 ON CLUSTER 'main';

DROP TABLE IF EXISTS otel_metrics_sum_2 ON CLUSTER 'main';

-- only while otel_metrics_sum lacks ClockKnown
CREATE TABLE otel_metrics_sum_2 ON CLUSTER 'main' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY if(ClockKnown, toDate(TimeUnix), toDate(0))
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- only while otel_metrics_sum lacks ClockKnown
INSERT INTO otel_metrics_sum_2 (Timestamp, ClockKnown)
SELECT Timestamp, TimeUnix BETWEEN now() - INTERVAL 400 DAY AND now() + INTERVAL 1 DAY
FROM otel_metrics_sum;

-- only while otel_metrics_sum lacks ClockKnown
EXCHANGE TABLES otel_metrics_sum AND otel_metrics_sum_2 ON CLUSTER 'main';

DROP TABLE IF EXISTS otel_metrics_sum_2 ON CLUSTER 'main';

DROP TABLE IF EXISTS otel_metrics_histogram_2 ON CLUSTER 'main';

-- only while otel_metrics_histogram lacks ClockKnown
CREATE TABLE otel_metrics_histogram_2 ON CLUSTER 'main' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY if(ClockKnown, toDate(TimeUnix), toDate(0))
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- only while otel_metrics_histogram lacks ClockKnown
INSERT INTO otel_metrics_histogram_2 (Timestamp, ClockKnown)
SELECT Timestamp, TimeUnix BETWEEN now() - INTERVAL 400 DAY AND now() + INTERVAL 1 DAY
FROM otel_metrics_histogram;

-- only while otel_metrics_histogram lacks ClockKnown
EXCHANGE TABLES otel_metrics_histogram AND otel_metrics_histogram_2 ON CLUSTER 'main';

DROP TABLE IF EXISTS otel_metrics_histogram_2 ON CLUSTER 'main';

CREATE TABLE IF NOT EXISTS otel_metrics_exponential_histogram ON CLUSTER 'main' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY if(ClockKnown, toDate(TimeUnix), toDate(0))
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS otel_metrics_summary ON CLUSTER 'main' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY if(ClockKnown, toDate(TimeUnix), toDate(0))
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- What evaluators and people thought of calls; filled from log events by a view.
CREATE TABLE IF NOT EXISTS scores ON CLUSTER 'main' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY if(ClockKnown, toDate(Timestamp), toDate(0))
ORDER BY (Name, Timestamp)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

INSERT INTO scores {so far};

-- Where the OpenTelemetry Collector's ClickHouse exporter writes (traces_table_name: otel_traces_exporter).
-- Nothing is kept here: a view puts its rows into otel_traces as the server does with its own, other
-- dialects translated and content beside the attributes. Written into otel_traces itself, rows of the
-- current conventions have their canonical columns too; those of other dialects do not.
CREATE TABLE IF NOT EXISTS otel_traces_exporter ON CLUSTER 'main' (
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

-- Schema 3: what counters of delta temporality have added up to. Their points say how much was counted since
-- the point before, so nothing tells one process from another, and nothing has to. They are whole numbers,
-- whose sums are the same in any order.
CREATE TABLE IF NOT EXISTS metric_added ON CLUSTER 'main' (
    MetricName LowCardinality(String),
    ServiceName LowCardinality(String),
    Labels Map(LowCardinality(String), String),
    FirstSeen SimpleAggregateFunction(min, DateTime64(9, 'UTC')),
    Sent SimpleAggregateFunction(max, DateTime64(9, 'UTC')),
    Value SimpleAggregateFunction(sum, Float64)
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
ORDER BY (MetricName, ServiceName, Labels)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

-- Schema 4: spans added up by minute, so that a page over a day need not read the day's spans.
--
-- A view of spans fills `minutes`, and a view of that `ten_minutes`, for charts whose steps are whole tens.
-- Durations are counted in buckets of the logarithm, eight to each doubling, from which any quantile can be
-- read to within 10 %. Everything is whole numbers that are added, so spans that are deleted are taken off
-- again. Costs are billionths of a dollar.
--
-- Spans of clocks that are not believed are in no minute.
CREATE TABLE IF NOT EXISTS minutes ON CLUSTER 'main' (
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
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toDate(Minute)
ORDER BY (Minute, ServiceName, Kind, Model, AgentName, IsRoot)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS ten_minutes ON CLUSTER 'main' (
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
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toDate(Minute)
ORDER BY (Minute, ServiceName, Kind, Model, AgentName, IsRoot)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- Schema 5: for each series of a histogram, and each step between bounds of its buckets, the newest span. A
-- view fills it. What a crash takes is replaced by the next spans, so nothing is synced.
CREATE TABLE IF NOT EXISTS exemplars ON CLUSTER 'main' (
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', Moment)
ORDER BY (Operation, ServiceName, Labels, Step)
TTL toDateTime(Moment) + INTERVAL 1 HOUR
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, merge_with_ttl_timeout = 3600;

-- Schema 6: model calls added up by trace and ten minutes, so that what they cost need not be read from the
-- spans. A view of spans fills it; see `mlobs.server.costs.summed`.
--
-- A row is what one INSERT brought of one trace: nothing is merged, so that traces can be counted and a trace
-- that is deleted goes with its rows. What repeats another call is in Repeated and in no other sum.
--
-- Spans of clocks that are not believed are in no row.
CREATE TABLE IF NOT EXISTS call_sums ON CLUSTER 'main' (
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toDate(Ten)
ORDER BY (Ten, ServiceName, RequestModel, Trace)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

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
CREATE TABLE IF NOT EXISTS turns ON CLUSTER 'main' (
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
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toDate(Minute)
ORDER BY (UserId, Session, TraceId, Minute)
SETTINGS index_granularity = 1024, replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800,
    min_bytes_for_wide_part = 134217728, merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- Schema 8: when which agent ran, a row for each of their spans, so that costs are divided by agent without
-- reading the spans. A view of spans fills it; see `mlobs.server.costs.agents`.
--
-- Calls whose agent is above them and came together with them know it: Under. Others that name no agent are
-- a row each, with the span above them and when they began, so their agent is found when it is asked for. The
-- calls that are there are added up anew.
CREATE TABLE IF NOT EXISTS agents ON CLUSTER 'main' (
    Ten DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    Trace UInt64 CODEC(ZSTD(1)),
    Span UInt64 CODEC(ZSTD(1)),
    BeginNs Int64 CODEC(Delta(8), ZSTD(1)),
    EndNs Int64 CODEC(Delta(8), ZSTD(1)),
    AgentName LowCardinality(String)
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toDate(Ten)
ORDER BY (Ten, Trace)
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, min_bytes_for_wide_part = 134217728,
    merge_selector_base = 10,
    fsync_after_insert = 1, fsync_part_directory = 1;

TRUNCATE TABLE call_sums ON CLUSTER 'main';

ALTER TABLE call_sums ON CLUSTER 'main'
    ADD COLUMN IF NOT EXISTS Under LowCardinality(String) AFTER AgentName,
    ADD COLUMN IF NOT EXISTS Above UInt64 CODEC(ZSTD(1)) AFTER Size,
    ADD COLUMN IF NOT EXISTS Begun Int64 CODEC(ZSTD(1)) AFTER Above;

CREATE TABLE IF NOT EXISTS schema_version ON CLUSTER 'main' (Version UInt32) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}', '{shard}-{replica}') ORDER BY Version;

CREATE TABLE IF NOT EXISTS canonical_columns ON CLUSTER 'main' (Digest String) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}', '{shard}-{replica}') ORDER BY Digest;

CREATE DATABASE IF NOT EXISTS mlobs ON CLUSTER 'main';

CREATE TABLE migrating ON CLUSTER 'main' (Nothing UInt8) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}') ORDER BY Nothing;

DROP VIEW IF EXISTS scores_view ON CLUSTER 'main';

TRUNCATE TABLE ten_minutes ON CLUSTER 'main';

ALTER TABLE otel_traces ON CLUSTER 'main' ADD COLUMN A String MATERIALIZED SpanAttributes['a'];

ALTER TABLE scores_view ON CLUSTER 'main' MODIFY COMMENT 'x';


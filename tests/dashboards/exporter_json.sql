-- As the collector's ClickHouse exporter makes its tables with `json: true`, which keeps numbers as such.
CREATE DATABASE exporter_json;
CREATE TABLE exporter_json.otel_traces (
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    TraceState String,
    SpanName LowCardinality(String),
    SpanKind LowCardinality(String),
    ServiceName LowCardinality(String),
    ResourceAttributes JSON,
    ResourceAttributesKeys Array(LowCardinality(String)),
    ScopeName String,
    ScopeVersion String,
    SpanAttributes JSON,
    SpanAttributesKeys Array(LowCardinality(String)),
    Duration UInt64,
    StatusCode LowCardinality(String),
    StatusMessage String
) ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp);
CREATE TABLE exporter_json.otel_logs (
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    TraceFlags UInt8,
    SeverityText LowCardinality(String),
    SeverityNumber UInt8,
    ServiceName LowCardinality(String),
    Body String,
    ResourceAttributes JSON,
    ResourceAttributesKeys Array(LowCardinality(String)),
    LogAttributes JSON,
    LogAttributesKeys Array(LowCardinality(String)),
    EventName String
) ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (toStartOfFiveMinutes(Timestamp), ServiceName, Timestamp);
CREATE FUNCTION attributes_json AS attributes -> CAST(concat('{', arrayStringConcat(arrayMap(
    (k, v) -> concat(toJSONString(k), ': ', if(match(v, '^[0-9]+(\\.[0-9]+)?$'), v, toJSONString(v))),
    mapKeys(attributes), mapValues(attributes)), ', '), '}'), 'JSON');
INSERT INTO exporter_json.otel_traces
SELECT Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName,
    attributes_json(ResourceAttributes), mapKeys(ResourceAttributes), ScopeName, ScopeVersion,
    attributes_json(SpanAttributes), mapKeys(SpanAttributes), Duration, StatusCode, StatusMessage
FROM mlobs.otel_traces;
INSERT INTO exporter_json.otel_logs
SELECT Timestamp, TraceId, SpanId, TraceFlags, SeverityText, SeverityNumber, ServiceName, Body,
    attributes_json(ResourceAttributes), mapKeys(ResourceAttributes),
    attributes_json(LogAttributes), mapKeys(LogAttributes), EventName
FROM mlobs.otel_logs

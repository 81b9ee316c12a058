"""Views and the exporter's table: other ways in, and other ways to look."""

import os
import time

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.server.otlp import post, span


def test_what_the_collectors_exporter_writes_is_translated_like_our_own(served):
    """Its columns only; the row is in otel_traces, with canonical columns and content apart."""
    trace_id = os.urandom(16).hex()
    with served.store.writing() as connection:
        connection.run(
            "INSERT INTO otel_traces_exporter (Timestamp, TraceId, SpanName, SpanAttributes, StatusCode, "
            "Events.Name, Events.Timestamp, Events.Attributes) SELECT now64(9), {id:String}, 'ChatOpenAI', "
            "map('openinference.span.kind', 'LLM', 'llm.model_name', 'gpt-5-mini', 'input.value', 'hello'), "
            "'Ok', ['e'], [now64(9)], [map('a', 'b')]",
            {"id": trace_id},
        )
    [row] = served.store.query(
        "SELECT Dialect, Operation, RequestModel, Content, mapKeys(SpanAttributes) AS keys, ClockKnown, "
        "Events.Name AS events FROM otel_traces WHERE TraceId = {id:String}",
        {"id": trace_id},
    )
    assert row == {
        "Dialect": "openinference",
        "Operation": "chat",
        "RequestModel": "gpt-5-mini",
        "Content": {"input.value": "hello"},
        "keys": ["openinference.span.kind", "llm.model_name"],
        "ClockKnown": True,
        "events": ["e"],
    }


def test_predictions_are_spans_with_what_went_in_and_came_out(served):
    request = ExportTraceServiceRequest()
    made = span(
        request,
        "predict churn",
        mlobs__kind="predict",
        mlobs__model__name="churn",
        mlobs__model__version="7",
        mlobs__input='{"age":41}',
        mlobs__output="0.25",
    )
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    asked = "SELECT ModelName, ModelVersion, Input, Output FROM predictions WHERE TraceId = {id:String}"
    assert served.store.query(asked, {"id": made.trace_id.hex()}) == [
        {"ModelName": "churn", "ModelVersion": "7", "Input": '{"age":41}', "Output": "0.25"}
    ]


def test_events_are_those_of_spans_and_log_records_with_a_name(served):
    request = ExportTraceServiceRequest()
    made = span(request, "with events")
    made.events.add(name="mlobs.note", time_unix_nano=time.time_ns())
    assert post(served.url, request.SerializeToString()).status_code == 200
    logs = ExportLogsServiceRequest()
    records = logs.resource_logs.add().scope_logs.add().log_records
    records.add(time_unix_nano=time.time_ns(), event_name="gen_ai.evaluation.result", trace_id=made.trace_id)
    records.add(time_unix_nano=time.time_ns(), trace_id=made.trace_id)
    assert post(served.url, logs.SerializeToString(), signal="logs").status_code == 200
    served.drain()
    asked = "SELECT Name FROM events WHERE TraceId = {id:String} ORDER BY Name"
    found = served.store.query(asked, {"id": made.trace_id.hex()})
    assert [row["Name"] for row in found] == ["gen_ai.evaluation.result", "mlobs.note"]

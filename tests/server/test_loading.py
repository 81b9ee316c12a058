"""Segments the engine would refuse, and how much of a segment it takes at once."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.semconv import metrics as m
from mlobs.server.framing import frame
from tests.server.otlp import post, span

SPANS_IN_A_BLOCK = 70_000  # More than the engine's own block, 65,409 rows.


def field(number: int, data: bytes) -> bytes:
    """Return a length-delimited field of a short message."""
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def count(server, name: str) -> int:
    server.drain()
    asked = "SELECT count() AS found FROM otel_traces WHERE SpanName = {name:String}"
    found: int = server.store.query(asked, {"name": name})[0]["found"]
    return found


def test_a_field_of_the_wrong_kind_costs_nobody_a_span(served):
    """Python's parser passes over it, the engine's refuses the file: others' spans are in there."""
    request = ExportTraceServiceRequest()
    span(request, "beside the odd one")
    # resource_spans.scope_spans.spans.name, which is text, as a number
    odd = field(1, field(2, field(2, field(1, b"t" * 16) + bytes([5 << 3, 7]))))
    loaded = served.counts.value(m.SERVER_LOADED, "traces")
    set_aside = served.counts.value(m.SERVER_SET_ASIDE, "traces")
    assert post(served.url, odd).status_code == 200
    assert post(served.url, request.SerializeToString()).status_code == 200
    assert count(served, "beside the odd one") == 1
    assert served.counts.value(m.SERVER_LOADED, "traces") > loaded
    assert served.counts.value(m.SERVER_SET_ASIDE, "traces") == set_aside
    assert served.failures() == {}


def test_a_segment_is_stored_whole_or_not_at_all(served, tmp_path):
    """Were it several blocks, a repeated segment could not be told from a new one in the middle."""
    request = ExportTraceServiceRequest()
    template = span(request, "one block")
    spans = request.resource_spans[0].scope_spans[0].spans
    for _ in range(999):
        spans.add().CopyFrom(template)
    body = frame(request.SerializeToString())
    segment = tmp_path / "traces-00000000000000000001.sealed"
    segment.write_bytes(body * (SPANS_IN_A_BLOCK // 1000))
    connection = served.store.connection()
    for _ in range(2):
        served.store.load(connection, "traces", segment)
        assert count(served, "one block") == SPANS_IN_A_BLOCK
    parts = served.store.query(
        "SELECT max(rows) AS largest FROM system.parts WHERE table = 'otel_traces' AND level = 0"
    )
    assert parts[0]["largest"] >= SPANS_IN_A_BLOCK

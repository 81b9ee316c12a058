"""What the endpoints take, what they refuse, and that a refusal leaves nothing behind."""

import gzip
import json
import socket
import zlib

import pytest
import requests
import zstandard
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.server.receive import http
from mlobs.server.receive.receiver import BODIES_IN_FLIGHT
from tests.examples import examples
from tests.server.otlp import post, span, wait_until

JSON = "application/json"


def stored(server) -> int:
    server.drain()
    return server.store.query("SELECT count() AS spans FROM otel_traces")[0]["spans"]


def a_span(name="span", **attributes) -> bytes:
    request = ExportTraceServiceRequest()
    span(request, name, **attributes)
    return request.SerializeToString()


def said(answer) -> str:
    """Return the sentence of a refusal, which comes in the encoding of the request."""
    kind = answer.request.headers["Content-Type"]
    if kind == "application/x-protobuf":
        assert answer.headers["Content-Type"] == kind
        return Status.FromString(answer.content).message
    return answer.json()["message" if kind == "application/json" else "error"]


def refused(server, reason, signal="traces") -> float:
    return sum(
        value
        for metric, labels, value in server.counts.series()
        if metric.name == "mlobs.server.refused" and labels == (signal, reason)
    )


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstandard.compress)],
)
def test_what_is_acknowledged_can_be_asked_for(served, encoding, compress):
    """However it is compressed."""
    before = stored(served)
    answer = post(served.url, compress(a_span("acknowledged")), Content_Encoding=encoding)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"] == "application/x-protobuf"
    assert stored(served) == before + 1


def test_what_comes_as_json_is_stored_like_what_comes_as_protobuf(served):
    """Down to the nested values, and answered in JSON."""
    request = ExportTraceServiceRequest()
    made = span(request, "twice", gen_ai__operation__name="chat", whole=1 << 60, real=0.5, yes=True)
    made.attributes.add(key="nested").value.kvlist_value.values.add(key="k").value.bytes_value = b"\xff"
    made.events.add(name="event").attributes.add(key="k").value.string_value = "v"
    made.links.add(trace_id=b"l" * 16, span_id=b"l" * 8)
    tree = MessageToDict(request, use_integers_for_enums=True)
    [one] = tree["resourceSpans"][0]["scopeSpans"][0]["spans"]
    one |= {"traceId": made.trace_id.hex(), "spanId": made.span_id.hex()}
    one["links"][0] |= {"traceId": (b"l" * 16).hex(), "spanId": (b"l" * 8).hex()}
    assert post(served.url, request.SerializeToString()).status_code == 200
    answer = post(
        served.url, gzip.compress(json.dumps(tree).encode()), Content_Type=JSON, Content_Encoding="gzip"
    )
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, b"{}", JSON)
    served.drain()
    one, other = served.store.query(
        "SELECT * FROM otel_traces WHERE SpanName = 'twice' ORDER BY Timestamp", {}
    )
    assert one == other


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason", "sentence"),
    [
        (b"not OTLP at all", {}, 400, "not_otlp", "is not an ExportTraceServiceRequest"),
        (a_span()[:-3], {}, 400, "not_otlp", "it is cut short or damaged"),
        (gzip.compress(a_span()), {}, 400, "not_otlp", "seems to be gzip; send Content-Encoding: gzip"),
        (b' {"resourceSpans": []}', {}, 400, "not_otlp", "to be JSON; send Content-Type: application/json"),
        (b"\x1f\x8b junk", {"Content_Encoding": "gzip"}, 400, "gzip", "is not gzip"),
        (gzip.compress(a_span())[:-9], {"Content_Encoding": "gzip"}, 400, "gzip", "ends before its end"),
        (b"{}", {"Content_Type": "text/plain"}, 415, "content_type", "'text/plain' came"),
        (a_span(), {"Content_Encoding": "br"}, 415, "encoding", "'br' came; gzip, deflate, zstd or none"),
        (a_span(), {"Content_Encoding": "gzip, gzip"}, 415, "encoding", "one encoding at most"),
        (b"not JSON", {"Content_Type": "application/json"}, 400, "not_otlp", "is not JSON"),
        (
            b'{"resourceSpans": 1}',
            {"Content_Type": "application/json"},
            400,
            "not_otlp",
            "at resourceSpans, 1",
        ),
        (b"\0" * 300_000, {}, 413, "body_bytes_max", "300000 bytes came; a body may have 200000 bytes"),
        (
            gzip.compress(b"\0" * 50_000_000),
            {"Content_Encoding": "gzip"},
            413,
            "body_bytes_max",
            "MLOBS_BODY_BYTES_MAX",
        ),
    ],
    ids=(
        [
            "text",
            "cut",
            "unsaid gzip",
            "unsaid JSON",
            "no gzip",
            "cut gzip",
            "content type",
            "encoding",
            "encodings",
            "no JSON",
            "JSON",
            "too large",
            "bomb",
        ]
    ),
)
def test_a_body_that_is_not_taken_is_refused_with_the_reason(served, body, headers, status, reason, sentence):
    """Counted by its reason, nothing stored."""
    before, counted = stored(served), refused(served, reason)
    answer = post(served.url, body, **headers)
    assert answer.status_code == status
    assert sentence in said(answer)
    assert (stored(served), refused(served, reason)) == (before, counted + 1)


def test_an_empty_request_is_a_request(served):
    """Exporters send them when there is nothing to say."""
    assert post(served.url, b"").status_code == 200


@settings(max_examples=examples(150))
@given(
    st.binary(max_size=400)
    | st.builds(lambda cut, flip: mangled(cut, flip), st.integers(1, 120), st.binary(min_size=1, max_size=4))
)
def test_no_bytes_break_the_server(served, body):
    """A sender's bug is a 400 or a stored truth, never a 500 and never a stuck loader."""
    assert post(served.url, body).status_code in {200, 400}


def mangled(cut: int, flip: bytes) -> bytes:
    body = a_span("mangled", gen_ai__operation__name="chat")
    return body[:cut] + flip + body[cut + len(flip) :]


def test_the_loader_lives_after_all_that(served):
    """Whatever was taken is loaded, and nothing was set aside."""
    assert post(served.url, a_span("after the storm")).status_code == 200
    served.drain()
    assert (
        served.store.query("SELECT count() AS n FROM otel_traces WHERE SpanName = 'after the storm'")[0]["n"]
        == 1
    )
    assert served.failures() == {}
    assert not list((served.settings.data / "journal").glob("*.set-aside"))


def test_a_sender_that_leaves_in_the_middle_leaves_nothing(served):
    """Half a body is no body."""
    before, body = stored(served), a_span()
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /v1/traces HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-protobuf\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:10])
    assert stored(served) == before


def test_web_pages_of_other_hosts_cannot_read(served):
    """A page that makes its name point at 127.0.0.1 is still another host."""
    answer = requests.get(f"{served.url}/api/traces", headers={"Host": "evil.example"}, timeout=60)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "path", ["/nothing", "/v1/traces", "/api/traces?limit=no", "/api/traces?status=odd", "/api/traces/none"]
)
def test_every_error_has_one_shape(served, path):
    """Programs read errors too."""
    answer = requests.get(f"{served.url}{path}", timeout=60)
    assert answer.status_code in {400, 404, 405}
    assert answer.json().keys() == {"error", "status"}
    assert answer.json()["status"] == answer.status_code
    assert answer.json()["error"]


@pytest.mark.slow
def test_metrics_of_an_unknown_kind_are_answered_with_what_became_of_them(served):
    """A sender that gets a plain 200 believes they are stored; the five kinds there are get one."""
    request = ExportMetricsServiceRequest()
    held = request.resource_metrics.add().scope_metrics.add().metrics
    held.add(name="kept").gauge.data_points.add(as_int=1)
    held.add(name="odd").summary.data_points.add()
    held.add(name="bent").exponential_histogram.data_points.add()
    assert post(served.url, request.SerializeToString(), "metrics").content == b""
    held.add(name="of tomorrow").MergeFromString(b"\x92\x01\x02\x08\x01")  # Field 18, which there is not.
    counted = refused(served, "unsupported", "metrics")
    answer = post(served.url, request.SerializeToString(), "metrics")
    assert answer.status_code == 200
    partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success
    assert partial.rejected_data_points == 0
    assert "points that could be stored: 1, the first is 'of tomorrow'." in partial.error_message
    assert refused(served, "unsupported", "metrics") == counted + 1
    tree = json.dumps(MessageToDict(request)).encode()
    answer = post(served.url, tree, "metrics", Content_Type=JSON)
    assert answer.json() == {"partialSuccess": {"errorMessage": partial.error_message}}
    served.drain()
    kept = served.store.query("SELECT count() AS n FROM otel_metrics_gauge WHERE MetricName = 'kept'")
    assert kept == [{"n": 3}]


def head(server, length: int, more: str = "") -> tuple[tuple[str, int], bytes]:
    """Return the address of a server and the head of a request."""
    host, port = server.url.removeprefix("http://").split(":")
    lines = f"POST /v1/traces HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-protobuf\r\n{more}"
    return (host, int(port)), f"{lines}Content-Length: {length}\r\n\r\n".encode()


def test_a_body_that_never_ends_is_given_up(served, monkeypatch):
    """Each one holds memory as long as it is waited for."""
    monkeypatch.setattr(http, "READ_SECONDS_MAX", 0.2)
    counted = refused(served, "slow")
    address, start = head(served, 1000)
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(start + b"half")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"The body was not complete after 0.2 s" in answer
    assert refused(served, "slow") == counted + 1


def test_bodies_that_are_not_complete_hold_only_so_much(served):
    """Checked while they are read: each alone is small, and all of them begin before any ends."""
    budget = BODIES_IN_FLIGHT * served.settings.body_bytes_max
    address, start = head(served, served.settings.body_bytes_max)
    part = b"\0" * (served.settings.body_bytes_max - 1)
    counted, open_ones = refused(served, "busy"), []
    try:
        for _ in range(budget // len(part) + 2):
            open_ones.append(socket.create_connection(address, timeout=30))
            open_ones[-1].sendall(start + part)
        assert wait_until(lambda: refused(served, "busy") > counted)
    finally:
        for connection in open_ones:
            connection.close()
    assert wait_until(lambda: post(served.url, a_span()).status_code == 200)

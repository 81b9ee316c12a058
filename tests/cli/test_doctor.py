"""The one reason why nothing arrives, for each way in which nothing does."""

import http.server
import json
import socket
import threading

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.cli import main
from mlobs.cli.doctor import steps


@pytest.fixture
def doctor(monkeypatch, capsys):
    """Run the command in an environment; return its status and what it found."""
    for name in ("OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_HEADERS", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def run(endpoint: str, server: str = "", **variables: str):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        status = main(["doctor", "--json", "--server", server or endpoint])
        return status, json.loads(capsys.readouterr().out)

    return run


def test_a_span_that_arrives_is_found(served, doctor):
    status, found = doctor(served.url)
    assert (status, found["ok"], found["reason"]) == (0, True, None)
    assert [step["step"] for step in found["steps"]] == [
        "settings",
        "endpoint",
        "sending",
        "server",
        "arrival",
    ]


def test_text_ends_with_a_sentence(served, monkeypatch, capsys):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", served.url)
    assert main(["doctor", "--server", served.url]) == 0
    assert "All is well" in capsys.readouterr().out


def test_nobody_at_the_endpoint(doctor):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    status, found = doctor(f"http://127.0.0.1:{port}")
    assert status == 1
    assert "Nothing answers" in found["reason"]
    assert "mlobs up" in found["reason"]


def test_a_switched_off_sdk(doctor, served):
    status, found = doctor(served.url, OTEL_SDK_DISABLED="true")
    assert status == 1
    assert "OTEL_SDK_DISABLED" in found["reason"]


def test_the_port_of_grpc_over_http(doctor):
    status, found = doctor("http://127.0.0.1:4317")
    assert status == 1
    assert "4318" in found["reason"]


def test_an_endpoint_with_a_path_that_is_not_there(doctor, served):
    status, found = doctor(f"{served.url}/v1/traces", served.url)
    assert status == 1
    assert "without /v1/traces" in found["reason"]


@pytest.mark.parametrize(
    ("answer", "sentence"), [(401, "OTEL_EXPORTER_OTLP_HEADERS"), (500, "no OTLP receiver")]
)
def test_an_endpoint_that_refuses(doctor, served, answer, sentence):
    """Any server that answers so."""

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(answer)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        status, found = doctor(f"http://127.0.0.1:{server.server_address[1]}", served.url)
        server.shutdown()
    assert status == 1
    assert sentence in found["reason"]
    assert any("collector in between" in remark for remark in found["remarks"])


@pytest.mark.slow
def test_a_span_that_something_in_between_keeps_is_looked_for_with_loss(doctor, served, monkeypatch):
    """And a sampler has no leave to drop it."""
    monkeypatch.setattr(steps, "JUDGED_SECONDS", 0.5)
    bodies = []

    class Swallowing(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.do_GET()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Swallowing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        status, found = doctor(f"http://127.0.0.1:{server.server_address[1]}", served.url)
        server.shutdown()
    assert (status, found["steps"][-1]["step"]) == (1, "arrival")
    assert f"mlobs doctor --loss --server {served.url}" in found["reason"]
    [span] = ExportTraceServiceRequest.FromString(bodies[0]).resource_spans[0].scope_spans[0].spans
    assert [(one.key, one.value.bool_value) for one in span.attributes] == [("mlobs.keep", True)]


def test_a_proxy_that_leaves_loopback_alone_is_no_remark(doctor, served, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("no_proxy", raising=False)
    _, quiet = doctor(served.url, HTTP_PROXY="http://127.0.0.1:9")
    assert not [remark for remark in quiet["remarks"] if "proxy" in remark]


def test_a_proxy_in_the_way_is_named(doctor, served, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    status, found = doctor(served.url, HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9")
    assert status == 1
    assert any("NO_PROXY does not name 127.0.0.1" in remark for remark in found["remarks"])

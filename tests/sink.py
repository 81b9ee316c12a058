"""An OTLP endpoint for tests: a real HTTP server that keeps what it is sent."""

import gzip
import http.server
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zstandard
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompress(body),
}


@dataclass
class SpanSeen:
    """One span as it arrived."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    status: int
    message: str
    start_ns: int
    end_ns: int
    flags: int
    resource: dict[str, Any]
    scope: str
    links: list[str]
    link_attributes: list[dict[str, Any]]


@dataclass
class Sink:
    """Everything that arrived, and what to answer.

    `answers` are taken first: (status, headers) or a function to call in the handler.
    """

    url: str = ""
    bodies: list[tuple[str, bytes]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]] | Callable[[Any], None]] = field(default_factory=list)

    def signals(self) -> set[str]:
        """Return the paths at which something arrived; one with nothing in it only asks for an answer."""
        return {path for path, body in list(self.bodies) if body}

    def spans(self) -> list[SpanSeen]:
        return [seen for path, body in list(self.bodies) if path == "/v1/traces" for seen in read_spans(body)]

    def named(self, name: str, *, count: int = 1, within_s: float = 60.0) -> list[SpanSeen]:
        """Return the spans of that name once there are `count` of them."""
        until = time.monotonic() + within_s
        while True:
            found = [span for span in self.spans() if span.name == name]
            if len(found) >= count or time.monotonic() > until:
                assert len(found) == count, f"{len(found)} spans {name!r}, not {count}"
                return found
            time.sleep(0.02)

    def events(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return (event name, trace id, attributes) of each log record."""
        found = []
        for path, body in list(self.bodies):
            if path == "/v1/logs":
                for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
                    for scope in resource.scope_logs:
                        found += [
                            (r.event_name, r.trace_id.hex(), read(r.attributes)) for r in scope.log_records
                        ]
        return found


def value(any_value: AnyValue) -> Any:
    which = any_value.WhichOneof("value")
    if which == "array_value":
        return [value(item) for item in any_value.array_value.values]
    if which == "kvlist_value":
        return read(any_value.kvlist_value.values)
    return getattr(any_value, which) if which else None


def read(attributes: Any) -> dict[str, Any]:
    return {pair.key: value(pair.value) for pair in attributes}


def read_spans(body: bytes) -> list[SpanSeen]:
    found = []
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        about = read(resource.resource.attributes)
        for scope in resource.scope_spans:
            found += [
                SpanSeen(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.kind,
                    read(span.attributes),
                    [(event.name, read(event.attributes)) for event in span.events],
                    span.status.code,
                    span.status.message,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.flags,
                    about,
                    scope.scope.name,
                    [link.span_id.hex() for link in span.links],
                    [read(link.attributes) for link in span.links],
                )
                for span in scope.spans
            ]
    return found


def start(port: int = 0) -> Sink:
    """Start a sink, on a free port unless told; it lives as long as the process."""
    sink = Sink()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = DECOMPRESS[self.headers.get("Content-Encoding", "identity")](body)
            status, headers = 200, {}
            if sink.answers:
                answer = sink.answers.pop(0)
                if callable(answer):
                    answer(self)
                    return
                status, headers = answer
            if status == 200:
                sink.bodies.append((self.path, body))
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sink.url = f"http://127.0.0.1:{server.server_port}"
    return sink

"""Times two or more ways of doing the same thing, in turn, and prints the ratios."""

import argparse
import gc
import http.server
import json
import statistics
import threading
import time
from collections.abc import Callable, Mapping


def options(about: str, **numbers: int) -> argparse.Namespace:
    """Read --json and the given numbers from the command line."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default: {default}")
    return parser.parse_args()


def interleaved(ways: Mapping[str, Callable[[], object]], *, rounds: int, calls: int) -> dict[str, float]:
    """Return the median microseconds of this thread's CPU time that one call of each way takes."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            gc.collect()
            began = time.thread_time_ns()
            for _ in range(calls):
                way()
            found[name].append((time.thread_time_ns() - began) / calls / 1e3)
    return {name: statistics.median(times) for name, times in found.items()}


class Sink:
    """An HTTP server on loopback that takes everything and counts what it took."""

    def __init__(self) -> None:
        self.bodies = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                text = outer.answer()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"

    def take(self, path: str, body: bytes) -> None:
        """Count a body."""
        self.bodies += 1

    def answer(self) -> bytes:
        """Return what a GET is answered with."""
        return str(self.bodies).encode()


class CountingSink(Sink):
    """A sink that keeps the bodies it was sent; a GET is answered with the number of spans in them."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        super().__init__()

    def take(self, path: str, body: bytes) -> None:
        """Keep a body of spans."""
        if path == "/v1/traces":
            self.kept.append(body)

    def answer(self) -> bytes:
        """Return the number of spans, as text."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        requests = map(ExportTraceServiceRequest.FromString, self.kept)
        return str(
            sum(len(s.spans) for one in requests for r in one.resource_spans for s in r.scope_spans)
        ).encode()


def show(title: str, rows: list[dict[str, object]], *, as_json: bool) -> None:
    """Print rows as a table or as JSON."""
    if as_json:
        print(json.dumps({"benchmark": title, "rows": rows}, indent=2))
        return
    print(title)
    columns = list(rows[0])
    cells = [columns, *[[_cell(row[c]) for c in columns] for row in rows]]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)

"""A proxy for tests that passes OTLP requests on, and says of some that they arrived though it ate them."""

import http.server
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.sink import DECOMPRESS


class Swallower:
    """Eats requests with spans until it has eaten enough.

    Args:
        target: Where the others go.
        wanted: How many spans it eats at least.
    """

    def __init__(self, target: str, wanted: int) -> None:
        self.target, self.wanted, self.eaten = target, wanted, 0

    def eats(self, path: str, body: bytes, encoding: str) -> bool:
        """Return whether this request ends here."""
        if path != "/v1/traces" or self.eaten >= self.wanted:
            return False
        request = ExportTraceServiceRequest.FromString(DECOMPRESS[encoding](body))
        self.eaten += sum(len(scope.spans) for one in request.resource_spans for scope in one.scope_spans)
        return True


@contextmanager
def swallowing(target: str, wanted: int) -> Iterator[tuple[str, Swallower]]:
    """Run the proxy; yield its address and what it has eaten."""
    swallower = Swallower(target, wanted)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # the library's name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if swallower.eats(self.path, body, self.headers.get("Content-Encoding", "identity")):
                self._answer(200, b"")
                return
            headers = {key: value for key, value in self.headers.items() if key.lower() != "host"}
            passed = urllib.request.Request(swallower.target + self.path, body, headers, method="POST")
            try:
                with urllib.request.urlopen(passed, timeout=120) as answer:
                    self._answer(answer.status, answer.read())
            except urllib.error.HTTPError as error:
                self._answer(error.code, error.read())
            except OSError:
                self._answer(503, b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", swallower
    finally:
        server.shutdown()
        server.server_close()

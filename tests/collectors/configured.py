"""Configurations of one exporter, and servers that answer it in every way."""

import http.server
import threading
from contextlib import contextmanager

from mlobs.cli.collector.destinations import Configured
from mlobs.cli.collector.reading import Source, merged, read
from tests.connections import listening

WHOLE = """
extensions:
  bearertokenauth: {EXTENSION}
receivers:
  otlp: {protocols: {PROTOCOLS}}
exporters:
  otlp_http: {EXPORTER}
service:
  extensions: [bearertokenauth]
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], exporters: [otlp_http]}}
"""


def configured(exporter="endpoint: http://h", extension="token: none", protocols="http: {endpoint: 'h:0'}"):
    """Return the sources of a configuration."""
    text = WHOLE.replace("EXTENSION", extension).replace("EXPORTER", exporter)
    return [Source("my.yaml", text.replace("PROTOCOLS", protocols))]


def settings(files, **environment):
    """Return the configuration, read."""
    return Configured(merged(files), read(files, environment), environment)


@contextmanager
def answering(status, *, wanted=None, header="Authorization", location=""):
    """Answer POSTs with a status, or with 200 where a header is the wanted one; yield the URL and headers."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append(dict(self.headers))
            self.send_response(200 if wanted and self.headers.get(header) == wanted else status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self):
            self.do_POST()

        def log_message(self, *_told):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def saying(what):
    """Answer every connection with some bytes, and hang up; yield the URL."""

    def answer(came):
        came.recv(65_536)
        came.sendall(what)

    with listening(answer) as port:
        yield f"http://127.0.0.1:{port}"

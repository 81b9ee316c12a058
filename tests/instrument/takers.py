"""Servers that take, refuse or break off what is exported to them."""

import threading

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.instrument.transport.grpc import METHOD

BODY = ExportTraceServiceRequest().SerializeToString()


class Taker(grpc.GenericRpcHandler):
    """A gRPC server's side of the trace service: keeps bodies, answers what it is told to."""

    def __init__(self):
        self.bodies, self.metadata, self.answers = [], [], []

    def service(self, details):
        if details.method != METHOD:
            return None

        def take(body, context):
            self.metadata.append(dict(context.invocation_metadata()))
            if self.answers:
                code, words = self.answers.pop(0)
                context.abort(code, words)
            self.bodies.append(body)
            return b"\x0a\x02\x08\x03" if body == b"partial" else b""

        return grpc.unary_unary_rpc_method_handler(take)


class tls_sink:  # noqa: N801 # read as a verb
    """An HTTPS server that takes everything."""

    def __init__(self, key, certificate):
        import http.server
        import ssl

        self.paths = paths = set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                paths.add(self.path)
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"https://localhost:{self._server.server_port}/v1/traces"

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

"""HTTP servers of tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler], trust: SSLContext | None = None) -> Iterator[int]:
    """Listen on a free port of this machine until the end of the block; give the port.

    Args:
        handler: Answers.
        trust: Encrypts, if it is given.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if trust is not None:
        server.socket = trust.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()

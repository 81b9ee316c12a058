"""The demo's webhook receiver: keeps what arrives, if its signature is right."""

import http.server
import json
import threading
import time
from typing import Any

from mlobs.alerts.signature import DELIVERY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, verify
from mlobs.errors import SignatureError

BODY_BYTES_MAX = 1 << 20


class Receiver:
    """An HTTP server on a free port of loopback.

    Args:
        secret: Shared with the sender.
    """

    def __init__(self, secret: str) -> None:
        self.deliveries: dict[str, dict[str, Any]] = {}  # by delivery id: a repeated one arrives once
        self.refused: list[str] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), BODY_BYTES_MAX))
                try:
                    verify(
                        secret,
                        timestamp=self.headers.get(TIMESTAMP_HEADER),
                        signature=self.headers.get(SIGNATURE_HEADER),
                        body=body,
                        now_s=time.time(),
                    )
                except SignatureError as error:
                    receiver.refused.append(str(error))
                    self.send_response(401)
                else:
                    receiver.deliveries[self.headers[DELIVERY_HEADER]] = json.loads(body)
                    self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing: the story is told on this terminal."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts"

    def start(self) -> None:
        """Listen."""
        threading.Thread(target=self._server.serve_forever, name="demo-receiver", daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def fired(self, rule: str) -> list[dict[str, Any]]:
        """Return the deliveries that say that `rule` fires, in the order they came."""
        return [
            alert
            for alert in list(self.deliveries.values())
            if alert["rule"] == rule and alert["status"] == "firing"
        ]

"""A webhook for tests: a real HTTP server that keeps what it is sent."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.alerts.listening import listening


@dataclass
class Arrived:
    """One request."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["x-mlobs-delivery"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Webhook:
    """Everything that arrived, and what to answer: (status, headers), the first ones first, then 204."""

    url: str
    arrived: list[Arrived] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)

    @property
    def changes(self) -> list[str]:
        return [one.json["status"] for one in self.arrived]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Listen on a free port of this machine."""
    seen: Webhook

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen.arrived.append(Arrived(headers, body))
            status, answer = seen.answers.pop(0) if seen.answers else (204, {})
            self.send_response(status)
            for name, value in {**answer, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_):
            pass

    with listening(Handler) as port:
        seen = Webhook(f"http://127.0.0.1:{port}/hook?token=hidden")
        yield seen

"""Model calls in the shared store, each test's in a service of its own, and what asks about them."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.server.otlp import post, span

CHAT = {"gen_ai__operation__name": "chat", "gen_ai__provider__name": "openai"}


@dataclass
class Calls:
    """What a test sends, and asks about."""

    server: Any
    service: str = field(default_factory=lambda: f"costs-{os.urandom(4).hex()}")
    request: ExportTraceServiceRequest = field(default_factory=ExportTraceServiceRequest)

    def add(self, name: str = "chat", *, at: datetime | None = None, parent: Any = None, **given: Any) -> Any:
        """Add a span; `parent` is one that was added before."""
        if parent is not None:
            given |= {"trace": parent.trace_id, "parent": parent.span_id}
        made = span(self.request, name, **given)
        took_ns = made.end_time_unix_nano - made.start_time_unix_nano
        if at is not None:
            made.start_time_unix_nano = int(at.timestamp()) * 10**9 + at.microsecond * 1000
        made.end_time_unix_nano = made.start_time_unix_nano + took_ns
        return made

    def chat(self, model: str = "gpt-4o", tokens: tuple[int, int] = (1_000, 100), **given: Any) -> Any:
        """Add a call."""
        used = {"gen_ai__usage__input_tokens": tokens[0], "gen_ai__usage__output_tokens": tokens[1]}
        return self.add(**{**CHAT, "gen_ai__response__model": model, **used, **given})

    def send(self) -> None:
        """Send what was added, and wait until it can be asked for."""
        self.request.resource_spans[0].resource.attributes[0].value.string_value = self.service
        assert post(self.server.url, self.request.SerializeToString()).status_code == 200
        self.server.drain()

    def report(self, q: str = "", **given: str) -> dict[str, Any]:
        """Return the answer of GET /api/cost."""
        given = {name.rstrip("_"): value for name, value in given.items()}
        asked = {"q": f"service:{self.service} {q}", "since": "360d", **given}
        if "from" in given:
            del asked["since"]
        answer = requests.get(f"{self.server.url}/api/cost", params=asked, timeout=30)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def rows(self, by: str, **given: str) -> dict[str | None, dict[str, Any]]:
        """Return the rows by their only group."""
        report = self.report(by=by, **given)
        return {row["group"][by]: row for row in report["rows"]}


@pytest.fixture
def calls(served: Any, monkeypatch: pytest.MonkeyPatch) -> Calls:
    monkeypatch.delenv("MLOBS_PRICES", raising=False)
    return Calls(served)


@pytest.fixture
def prices(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write rows for the server, which reads them at the next question."""
    import json

    def write(*rows: dict[str, Any]) -> str:
        path = tmp_path / "prices.json"
        given = [
            {"provider": "openai", "valid_from": "2020-01-01", "source": "contract", **row} for row in rows
        ]
        path.write_text(json.dumps(given))
        monkeypatch.setenv("MLOBS_PRICES", str(path))
        return json.dumps(given)

    return write


def noon(day: date) -> datetime:
    """Return the middle of a day."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def days_ago(count: int) -> date:
    """Return a day that the server has not thrown away."""
    return datetime.fromtimestamp(time.time(), UTC).date() - timedelta(days=count)

"""Two hours of a small shop in the shared store, and what asks about it."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.server.otlp import post, span

MINUTE_NS = 60 * 10**9


@dataclass(frozen=True)
class Shop:
    """What was sent, by name, and the time around which it happened."""

    service: str
    ids: dict[str, str]
    now_ns: int

    def at(self, minutes: float) -> str:
        """Return the time so many minutes before it was sent."""
        return datetime.fromtimestamp(self.now_ns / 10**9 - 60 * minutes, UTC).isoformat()

    def ago(self, minutes: int) -> str:
        """Return how long ago that is, in whole minutes, however long other tests have taken since."""
        return f"{minutes + (time.time_ns() - self.now_ns) // MINUTE_NS}m"


@pytest.fixture(scope="session")
def shop(served) -> Shop:
    """Four traces: one all right, one with a failed tool, one with a rare word, one without its root."""
    service, now_ns = f"shop-{os.urandom(4).hex()}", time.time_ns()
    request, ids = ExportTraceServiceRequest(), {}

    def add(name: str, ago_min: float, **given: Any) -> Any:
        made = span(request, name, **given)
        took_ns = made.end_time_unix_nano - made.start_time_unix_nano
        made.start_time_unix_nano = now_ns - int(ago_min * MINUTE_NS)
        made.end_time_unix_nano = made.start_time_unix_nano + took_ns
        return made

    def session(number: int) -> dict[str, str]:
        return {"session__id": f"{service}-session-{number}", "user__id": f"{service}-ana"}

    for name, ago_min, failed, words in (
        ("fine", 90, False, "Where is my parcel?"),
        ("failed", 60, True, "I want a Refund now"),
        ("rare", 30, False, 'the word ist Quetzalcoatl, "naïve" and 100% _sure_'),
    ):
        trace = os.urandom(16)
        ids[name] = trace.hex()
        root = add(
            f"invoke_agent {name}", ago_min, trace=trace, took_ns=2_000_000_000, mlobs__kind="agent",
            gen_ai__operation__name="invoke_agent", gen_ai__agent__name=f"agent-{name}",
            **session(1 if name != "rare" else 2),
        )  # fmt: skip
        add(
            "chat gpt-4o", ago_min - 0.01, trace=trace, parent=root.span_id, took_ns=700_000_000,
            mlobs__kind="llm",
            gen_ai__operation__name="chat", gen_ai__request__model="gpt-4o",
            gen_ai__response__model="gpt-4o-mini",
            gen_ai__provider__name="openai", gen_ai__usage__input_tokens=100, gen_ai__usage__output_tokens=20,
            mlobs__cost__usd=0.5 if failed else 0.25, gen_ai__response__time_to_first_chunk=0.3,
            gen_ai__input__messages=words, shop__tier="gold" if failed else "free",
        )  # fmt: skip
        add(
            "execute_tool gate", ago_min - 0.02, trace=trace, parent=root.span_id, failed=failed,
            mlobs__kind="tool",
            gen_ai__operation__name="execute_tool", gen_ai__tool__name="gate",
            **({"error__type": "TimeoutError"} if failed else {}),
        )  # fmt: skip
    trace = os.urandom(16)
    ids["running"] = trace.hex()
    add("step one", 5, trace=trace, parent=b"12345678", mlobs__kind="step")
    request.resource_spans[0].resource.attributes[0].value.string_value = service
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    return Shop(service, ids, now_ns)


@pytest.fixture
def ask(served) -> Callable[..., Any]:
    """Ask the API; a refusal is returned as it is."""

    def get(path: str, **query: object) -> Any:
        given = {name.replace("from_", "from"): value for name, value in query.items()}
        return requests.get(f"{served.url}/api/{path}", params=given, timeout=30).json()

    return get


@pytest.fixture
def found(ask, shop) -> Callable[..., set[str]]:
    """Return the names of the shop's traces that a filter finds."""

    def find(text: str, **query: object) -> set[str]:
        answer = ask(
            "traces", q=f"{{service:{shop.service}}} ({text})" if text else f"service:{shop.service}", **query
        )
        assert "traces" in answer, answer
        by_id = {trace_id: name for name, trace_id in shop.ids.items()}
        return {by_id[row["trace_id"]] for row in answer["traces"]}

    return find

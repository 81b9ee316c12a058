"""Makes requests of OTLP, as programs send them: spans of models, tools and agents; a picture and a sound."""

import json
import random
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.server.otlp import post, span

SECOND = 10**9
MINUTE = 60 * SECOND
MODELS = {"gpt-4o": 0.004, "gpt-4o-mini": 0.0004, "claude-sonnet": 0.006}


@dataclass
class Story:
    """What was sent: the ids of traces by name, and one span of each kind."""

    ids: dict[str, str] = field(default_factory=dict)
    spans: dict[str, str] = field(default_factory=dict)


class Teller:
    """Makes requests.

    Args:
        url: Of the server.
        now_ns: The end of the story.
    """

    def __init__(self, url: str, now_ns: int) -> None:
        self.url, self.now_ns = url, now_ns
        self.request, self.story = ExportTraceServiceRequest(), Story()
        self.chance = random.Random(7)

    def span(
        self, name: str, ago_ns: int, took_ns: int, *, service: str = "shop", error: str = "", **given: Any
    ) -> Any:
        """Add a span that began so long ago."""
        request = ExportTraceServiceRequest()
        made = span(request, name, failed=bool(error), **given)
        request.resource_spans[0].resource.attributes[0].value.string_value = service
        made.start_time_unix_nano = self.now_ns - ago_ns
        made.end_time_unix_nano = made.start_time_unix_nano + took_ns
        if error:
            made.status.message = error
        self.request.resource_spans.extend(request.resource_spans)
        return self.request.resource_spans[-1].scope_spans[0].spans[-1]

    def send(self) -> None:
        """Send what was made so far."""
        assert post(self.url, self.request.SerializeToString()).status_code == 200
        self.request = ExportTraceServiceRequest()

    def chat(
        self, trace: bytes, parent: bytes, ago: int, took: int, model: str, messages: Any, **more: Any
    ) -> Any:
        """Add a call of a language model."""
        said = messages if isinstance(messages, str) else json.dumps(messages)
        tokens = (self.chance.randrange(200, 4000), self.chance.randrange(20, 700))
        given: dict[str, Any] = {
            "mlobs__kind": "llm",
            "gen_ai__operation__name": "chat",
            "gen_ai__provider__name": "openai",
            "gen_ai__request__model": model,
            "gen_ai__response__model": model,
            "gen_ai__usage__input_tokens": tokens[0],
            "gen_ai__usage__output_tokens": tokens[1],
            "mlobs__cost__usd": sum(tokens) * MODELS.get(model, 0.001) / 1000,
            "gen_ai__response__time_to_first_chunk": took / SECOND / 4,
            "gen_ai__input__messages": said,
        }
        return self.span(f"chat {model}", ago, took, trace=trace, parent=parent, **{**given, **more})

    def tool(self, trace: bytes, parent: bytes, ago: int, took: int, name: str, **more: Any) -> Any:
        """Add a call of a tool."""
        given = {"mlobs__kind": "tool", "gen_ai__operation__name": "execute_tool", "gen_ai__tool__name": name}
        return self.span(f"execute_tool {name}", ago, took, trace=trace, parent=parent, **{**given, **more})

    def agent(self, trace: bytes, parent: bytes, ago: int, took: int, name: str, **more: Any) -> Any:
        """Add an agent's run."""
        given = {
            "mlobs__kind": "agent",
            "gen_ai__operation__name": "invoke_agent",
            "gen_ai__agent__name": name,
        }
        return self.span(f"invoke_agent {name}", ago, took, trace=trace, parent=parent, **{**given, **more})


def asks(text: str) -> dict[str, Any]:
    """Return a message of a user."""
    return {"role": "user", "parts": [{"type": "text", "content": text}]}


def png() -> bytes:
    """Return a small picture."""
    width, height = 96, 64
    rows = b"".join(
        b"\0" + bytes(channel for x in range(width) for channel in (40 + x, 90 + y, 160))
        for y in range(height)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def wav() -> bytes:
    """Return a tenth of a second of sound."""
    data = b"".join(struct.pack("<h", 8000 if number // 20 % 2 else -8000) for number in range(800))
    form = struct.pack("<HHIIHH", 1, 1, 8000, 16_000, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body

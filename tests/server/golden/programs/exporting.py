"""A provider whose spans go to the sink at once, and the calls that every program makes."""

from collections.abc import Callable
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

QUESTION = [{"role": "user", "content": "Weather in Oslo?"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def provider() -> TracerProvider:
    """Return a provider that exports to the sink."""
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    return made


def ask_openai(client: Any = None) -> None:
    """Make a call that answers with a tool call, and one that fails."""
    import openai

    client = client or openai.OpenAI(max_retries=0)
    client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, tools=[TOOL])
    _fails(
        lambda: client.chat.completions.create(model="broken", messages=QUESTION), openai.AuthenticationError
    )


def ask_anthropic(client: Any = None) -> None:
    """Make a call that answers, and one that fails."""
    import anthropic

    client = client or anthropic.Anthropic(max_retries=0)
    client.messages.create(model="claude-haiku-4-5", max_tokens=99, messages=QUESTION)
    _fails(
        lambda: client.messages.create(model="broken", max_tokens=99, messages=QUESTION),
        anthropic.AuthenticationError,
    )


def _fails(call: Callable[[], object], error: type[Exception]) -> None:
    try:
        call()
    except error:
        return
    raise AssertionError("The call was to fail.")

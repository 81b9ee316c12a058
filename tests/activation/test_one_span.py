"""One model call is one span, whoever instruments the client: tokens must not be counted twice."""

import json

import pytest

from tests.activation import provider
from tests.activation.conftest import Run
from tests.sink import Sink, SpanSeen

BRINGS = {
    "official": "opentelemetry-instrumentation-genai-{}",
    "openllmetry": "opentelemetry-instrumentation-{}",
    "openinference": "openinference-instrumentation-{}",
}
CLIENTS = ("openai", "anthropic")
DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"

SHAPES = """
import asyncio
import anthropic
import openai

messages = [{"role": "user", "content": "PROMPT-SECRET"}]
asked = {"model": "gpt-x", "messages": messages}
usage_too = {"stream": True, "stream_options": {"include_usage": True}}
client = openai.OpenAI()
claude = {"model": "claude-x", "max_tokens": 99, "messages": messages}


@mlobs.llm(name="sync")
def sync():
    return client.chat.completions.create(**asked).choices[0].message.content

@mlobs.llm(name="reported")
def reported():
    answer = client.chat.completions.create(**asked)
    mlobs.usage(answer.usage)

@mlobs.llm(name="coroutine")
async def coroutine():
    async with openai.AsyncOpenAI() as later:
        return (await later.chat.completions.create(**asked)).id

@mlobs.llm(name="stream")
def stream():
    for chunk in client.chat.completions.create(**asked, **usage_too):
        yield chunk

@mlobs.llm(name="async stream")
async def async_stream():
    async with openai.AsyncOpenAI() as later:
        async for chunk in await later.chat.completions.create(**asked, **usage_too):
            yield chunk

@mlobs.llm(name="returned stream")
def returned_stream():
    return client.chat.completions.create(**asked, **usage_too)

@mlobs.llm(name="responses")
def responses():
    return client.responses.create(model="gpt-x", input="PROMPT-SECRET").output_text

@mlobs.llm(name="responses stream")
def responses_stream():
    yield from client.responses.create(model="gpt-x", input="PROMPT-SECRET", stream=True)

@mlobs.llm(name="twice")
def twice():
    client.chat.completions.create(**asked)
    with mlobs.span("a part of the call"):
        client.chat.completions.create(**asked)

@mlobs.embedding(name="embedding")
def embedding():
    return client.embeddings.create(model="embed-x", input="PROMPT-SECRET").data[0].embedding

@mlobs.llm(name="claude", model="said-by-the-decorator")
def messages_sync():
    return anthropic.Anthropic().messages.create(**claude).content[0].text

@mlobs.llm(name="claude stream")
async def messages_stream():
    async with anthropic.AsyncAnthropic() as later, later.messages.stream(**claude) as events:
        async for text in events.text_stream:
            yield text

async def drain(generator):
    return [item async for item in generator]

@mlobs.tool
def lookup():
    return client.chat.completions.create(**asked).id

@mlobs.llm(name="with a tool")
def with_a_tool():
    client.chat.completions.create(**asked)
    lookup()

@mlobs.agent
def agent():
    sync()
    reported()
    asyncio.run(coroutine())
    list(stream())
    asyncio.run(drain(async_stream()))
    list(returned_stream())
    responses()
    list(responses_stream())
    twice()
    embedding()
    messages_sync()
    asyncio.run(drain(messages_stream()))
    with_a_tool()
    client.chat.completions.create(**asked)

agent()
mlobs.flush()
if os.environ["MODE"] == "foreign":
    foreign.force_flush()
print(report)
"""

COUNTS = {
    "gen_ai.usage.input_tokens": provider.INPUT,
    "gen_ai.usage.output_tokens": provider.OUTPUT,
    "gen_ai.usage.cache_read.input_tokens": provider.CACHED,
}


def others_than(family: str) -> str:
    """Return the distributions of the other families."""
    others = [pattern for name, pattern in BRINGS.items() if name != family]
    return ",".join(pattern.format(client) for pattern in others for client in CLIENTS)


def counts(span: SpanSeen) -> dict[str, object]:
    return {key: span.attributes.get(key) for key in COUNTS}


def tokens(span: SpanSeen) -> int:
    """Return how many tokens a span counts, in any dialect."""
    for key in ("gen_ai.usage.input_tokens", "llm.token_count.prompt"):
        if key in span.attributes:
            return int(span.attributes[key])
    return 0


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["own", "foreign"])
@pytest.mark.parametrize("family", BRINGS)
def test_a_decorated_call_is_the_only_span_of_its_model_call(run: Run, sink: Sink, family: str, mode: str):
    """All real clients and shapes: the span is ours, and it knows what the instrumentation knew."""
    run(SHAPES, MODE=mode, **{DISABLED: others_than(family)})
    spans = sink.spans()
    ours = {span.attributes["mlobs.name"]: span for span in spans if "mlobs.name" in span.attributes}
    assert len({span.trace_id for span in spans}) == 1

    for name in ("sync", "reported", "coroutine", "stream", "async stream", "responses", "responses stream"):
        span = ours[name]
        assert counts(span) == COUNTS, name
        # OpenInference keeps one of the two models, and that is the one that answered.
        model = provider.MODEL if family == "openinference" else "gpt-x"
        assert span.attributes["gen_ai.request.model"] == model, name
        assert span.attributes.get("gen_ai.response.model") in {provider.MODEL, None}, name
        assert span.name == f"chat {model}", name
    assert ours["claude"].attributes["gen_ai.request.model"] == "said-by-the-decorator"
    assert counts(ours["claude"]) == COUNTS
    streamed = counts(ours["claude stream"])
    # OpenLLMetry 0.62.4 adds the count that opens a stream of Anthropic's to the one that ends it.
    assert streamed == COUNTS or (family == "openllmetry" and streamed["gen_ai.usage.output_tokens"] == 8)
    assert ours["twice"].attributes["gen_ai.usage.input_tokens"] == 2 * provider.INPUT
    assert ours["embedding"].attributes["gen_ai.usage.input_tokens"] == 5
    if family != "openinference":  # which keeps the id inside the content
        assert ours["sync"].attributes["gen_ai.response.id"].startswith("chatcmpl-")

    # What no decorated model call stands for has a span of its own: the call of the tool, the call of the
    # agent, and the stream that was read after the function had returned it.
    foreign = [span for span in spans if "mlobs.kind" not in span.attributes]
    parents = {span.span_id: span.attributes.get("mlobs.name") for span in spans}
    assert sorted(str(parents[span.parent_id]) for span in foreign) == ["agent", "lookup"]
    late = [span for span in spans if parents.get(span.parent_id) == "returned stream"]
    assert [tokens(span) for span in late] == [provider.INPUT]
    assert tokens(ours["returned stream"]) == 0

    requests = 16  # of which one is for vectors
    assert sum(map(tokens, spans)) == (requests - 1) * provider.INPUT + 5
    assert not any(secret in repr(sink.bodies) for secret in ("PROMPT-SECRET", "ANSWER-SECRET"))


OWN = """
import anthropic
import openai

client = openai.OpenAI()
asked = {"model": "gpt-x", "messages": [{"role": "user", "content": "PROMPT-SECRET"}]}

@mlobs.llm(name="openai")
def ask():
    return client.chat.completions.create(**asked).id

@mlobs.llm(name="anthropic")
def ask_claude():
    return anthropic.Anthropic().messages.create(max_tokens=9, **asked).id

@mlobs.workflow
def everything():
    ask()
    ask_claude()
    client.chat.completions.create(**asked)
    anthropic.Anthropic().messages.create(max_tokens=9, **asked)

everything()
mlobs.flush()
if os.environ["MODE"] == "foreign":
    foreign.force_flush()
print([(one.library, one.package, one.state, one.reason) for one in report.outcomes])
"""

SWITCHED_ON_BY_HAND = """
from openinference.instrumentation.openai import OpenAIInstrumentor
OpenAIInstrumentor().instrument()
"""


@pytest.mark.slow
def test_what_a_program_has_switched_on_itself_is_left_alone_and_still_makes_one_span(run: Run, sink: Sink):
    """Our own provider sees the spans of everybody: of instrumentations and of libraries like anthropic."""
    no_anthropic = ",".join(pattern.format("anthropic") for pattern in BRINGS.values())
    absorbing = "from opentelemetry import trace\nfrom mlobs.instrument.absorption import absorb\n"
    absorbing += "absorb(trace.get_tracer_provider())\n"
    done = run(absorbing + SWITCHED_ON_BY_HAND + OWN, **{DISABLED: no_anthropic})
    assert "the program has switched on openinference-instrumentation-openai itself" in done.stdout
    spans = sink.spans()
    names = sorted(str(span.attributes.get("mlobs.name", span.name)) for span in spans)
    assert names == ["ChatCompletion", "anthropic", "anthropic.messages.create", "everything", "openai"]
    assert sum(map(tokens, spans)) == 4 * provider.INPUT


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["own", "foreign"])
def test_a_client_that_makes_spans_itself_does_not_double_its_instrumentation(
    run: Run, sink: Sink, mode: str
):
    """The anthropic package makes spans since its second major version."""
    run(OWN, MODE=mode)
    spans = sink.spans()
    assert sorted(str(span.attributes.get("mlobs.name", span.name)) for span in spans) == [
        "anthropic",
        "chat gpt-x",
        "chat gpt-x",
        "everything",
        "openai",
    ]
    assert sum(map(tokens, spans)) == 4 * provider.INPUT


@pytest.mark.slow
@pytest.mark.parametrize("family", ["official", "openllmetry"])
def test_content_is_taken_over_only_where_it_is_wanted(run: Run, sink: Sink, family: str):
    """With "full", the messages that the instrumentation saw are on our span, in the conventions' shape."""
    run(OWN, CONTENT="full", MODE="own", **{DISABLED: others_than(family)})
    [ours] = [span for span in sink.spans() if span.attributes.get("mlobs.name") == "openai"]
    [asked] = json.loads(ours.attributes["gen_ai.input.messages"])
    assert asked["role"] == "user"
    assert asked["parts"] == [{"type": "text", "content": "PROMPT-SECRET"}]
    [answer] = json.loads(ours.attributes["gen_ai.output.messages"])
    assert "ANSWER-SECRET" in answer["parts"][0]["content"]


@pytest.mark.slow
@pytest.mark.parametrize("family", BRINGS)
def test_redacted_means_off_for_instrumentations_that_cannot_redact(run: Run, sink: Sink, family: str):
    """Also where the user's environment asks OpenLLMetry and OpenInference for content."""
    variables = {"TRACELOOP_TRACE_CONTENT": "true", "OPENINFERENCE_HIDE_INPUTS": "false"}
    run(OWN, CONTENT="redacted", MODE="own", **{DISABLED: others_than(family)}, **variables)
    assert len(sink.spans()) == 5
    assert "SECRET" not in repr(sink.bodies)


@pytest.mark.slow
def test_a_failed_request_fails_the_call_and_nothing_else(run: Run, sink: Sink):
    """The same exception object leaves, whoever has wrapped the client."""
    run(
        """
import openai

client = openai.OpenAI(max_retries=0)

@mlobs.llm
def ask():
    return client.chat.completions.create(model="broken", messages=[])

try:
    ask()
except openai.BadRequestError as error:
    assert "no such model" in str(error)
mlobs.flush()
"""
    )
    [span] = sink.spans()
    assert span.status == 2
    assert span.attributes["error.type"] == "openai.BadRequestError"
    assert span.attributes["gen_ai.request.model"] == "broken"

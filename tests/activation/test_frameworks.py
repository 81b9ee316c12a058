"""Decorated functions and real frameworks nest in both directions, in one trace."""

import pytest

from tests.activation import provider
from tests.activation.conftest import Run
from tests.sink import Sink, SpanSeen

pytestmark = pytest.mark.slow
MODES = pytest.mark.parametrize("mode", ["own", "foreign"])

END = """
mlobs.flush()
if os.environ["MODE"] == "foreign":
    foreign.force_flush()
"""


def what(span: SpanSeen) -> str:
    """Return what a span is of, as a short word."""
    operation = span.attributes.get("gen_ai.operation.name", span.name)
    name = span.attributes.get("gen_ai.tool.name") or span.attributes.get("gen_ai.agent.name")
    ours = "our " if "mlobs.kind" in span.attributes else ""
    return f"{ours}{operation} {name}" if name and operation != "chat" else f"{ours}{operation}"


def tree(spans: list[SpanSeen]) -> list[str]:
    """Return each span with those above it, in the order in which they began."""
    known = {span.span_id: span for span in spans}
    assert len({span.trace_id for span in spans}) == 1, "more than one trace"

    def path(span: SpanSeen) -> list[str]:
        above = path(known[span.parent_id]) if span.parent_id in known else []
        return [*above, what(span)]

    return [" > ".join(path(span)) for span in sorted(spans, key=lambda span: span.start_ns)]


def input_tokens(spans: list[SpanSeen]) -> int:
    """Return the input tokens on the spans of model calls."""
    keys = ("gen_ai.usage.input_tokens", "llm.token_count.prompt")
    chats = [span for span in spans if span.attributes.get("gen_ai.operation.name") == "chat"]
    return sum(int(span.attributes.get(key, 0)) for span in chats for key in keys)


@MODES
def test_langgraph_agent_between_decorated_functions(run: Run, sink: Sink, mode: str):
    """A decorated agent runs a langchain agent, whose tool is decorated and calls openai by itself."""
    run(
        """
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
import openai

@tool
@mlobs.tool
def weather(city: str) -> str:
    "Tell the weather."
    asked = [{"role": "user", "content": "PROMPT-SECRET"}]
    return openai.OpenAI().chat.completions.create(model="inner", messages=asked).id

@mlobs.agent
def support(question):
    agent = create_agent(ChatOpenAI(model="gpt-x"), [weather], name="helper")
    return agent.invoke({"messages": [{"role": "user", "content": question}]})["messages"][-1].content

assert "sunny" in support("PROMPT-SECRET?")
"""
        + END,
        MODE=mode,
    )
    spans = sink.spans()
    found = tree(spans)
    agent = "our invoke_agent support > invoke_agent helper"
    tool = f"{agent} > execute_tool weather > our execute_tool weather"
    assert found[0] == "our invoke_agent support"
    assert [one for one in found if one.endswith("chat")] == [
        f"{agent} > chat",
        f"{tool} > chat",
        f"{agent} > chat",
    ]
    assert tool in found
    assert input_tokens(spans) == 3 * provider.INPUT
    assert "SECRET" not in repr(sink.bodies)


@MODES
def test_langchain_model_inside_a_decorated_model_call_is_one_span(run: Run, sink: Sink, mode: str):
    """Both langchain and the client below it are instrumented, and ours is around them."""
    run(
        """
from langchain_openai import ChatOpenAI

@mlobs.llm
def answer(question):
    return ChatOpenAI(model="gpt-x").invoke(question).content

@mlobs.llm
def stream(question):
    for chunk in ChatOpenAI(model="gpt-x", stream_usage=True).stream(question):
        yield chunk.content

@mlobs.workflow
def both():
    answer("PROMPT-SECRET")
    list(stream("PROMPT-SECRET"))

both()
"""
        + END,
        MODE=mode,
    )
    spans = sink.spans()
    assert tree(spans) == ["our invoke_workflow both", *["our invoke_workflow both > our chat"] * 2]
    assert input_tokens(spans) == 2 * provider.INPUT


@MODES
def test_openai_agents_with_a_decorated_tool(run: Run, sink: Sink, mode: str):
    run(
        """
import agents
from agents import Agent, Runner, function_tool

@function_tool
@mlobs.tool
def weather(city: str) -> str:
    "Tell the weather."
    return "sunny"

@mlobs.agent
def support(question):
    return Runner.run_sync(Agent("helper", model="gpt-x", tools=[weather]), question).final_output

agents.set_trace_processors([one for one in agents.tracing.get_trace_provider()._multi_processor._processors
                             if "GenAI" in type(one).__name__])  # the one that sends to openai.com stays out
assert "sunny" in support("PROMPT-SECRET?")
"""
        + END,
        MODE=mode,
    )
    spans = sink.spans()
    found = tree(spans)
    assert found[0] == "our invoke_agent support"
    [tool] = [one for one in found if one.endswith("our execute_tool weather")]
    assert tool.startswith("our invoke_agent support > ")
    assert "invoke_agent helper > execute_tool weather > our execute_tool weather" in tool
    assert len([one for one in found if one.endswith("invoke_agent helper > chat")]) == 2
    assert input_tokens(spans) == 2 * provider.INPUT
    assert "SECRET" not in repr(sink.bodies)


@MODES
def test_pydantic_ai_with_a_decorated_tool(run: Run, sink: Sink, mode: str):
    """pydantic-ai makes a span of each model call itself, and the client below it is instrumented."""
    run(
        """
from pydantic_ai import Agent

helper = Agent("openai-chat:gpt-x", name="helper")

@helper.tool_plain
@mlobs.tool
def weather(city: str) -> str:
    "Tell the weather."
    return "sunny"

@mlobs.agent
def support(question):
    return helper.run_sync(question).output

assert "sunny" in support("PROMPT-SECRET?")

@mlobs.llm
def wrapped(question):
    return helper.run_sync(question).output

"""
        + END,
        MODE=mode,
    )
    spans = sink.spans()
    found = tree(spans)
    agent = "our invoke_agent support > invoke_agent helper"
    assert found[0] == "our invoke_agent support"
    assert found.count(f"{agent} > chat") == 2
    [tool] = [one for one in found if one.endswith("our execute_tool weather")]
    assert tool.startswith(f"{agent} > execute_tool weather")
    assert input_tokens(spans) == 2 * provider.INPUT
    assert "SECRET" not in repr(sink.bodies)


@MODES
def test_mcp_client_and_server_are_one_trace(run: Run, sink: Sink, mode: str):
    """The mcp package makes its spans itself, and is asked for whole ones; the tool is decorated."""
    done = run(
        """
import asyncio
from mcp import Client
from mcp.server import MCPServer

server = MCPServer("shop")

@server.tool()
@mlobs.tool
def price(item: str) -> str:
    "Tell the price."
    return "12"

@mlobs.agent
async def support():
    async with Client(server) as client:
        await client.call_tool("price", {"item": "TOOL-SECRET"})

asyncio.run(support())
print([(one.package, one.state, one.reason) for one in report.outcomes if one.library == "mcp"])
"""
        + END,
        MODE=mode,
    )
    assert "('mcp', 'activated', '')" in done.stdout
    assert "('opentelemetry-instrumentation-mcp', 'skipped', 'mcp makes spans itself')" in done.stdout
    found = tree(sink.spans())
    [tool] = [one for one in found if one.endswith("our execute_tool price")]
    # The client's span, the server's, and the tool's own.
    assert (
        tool == "our invoke_agent support > execute_tool price > execute_tool price > our execute_tool price"
    )
    assert "SECRET" not in repr(sink.bodies)


@MODES
def test_google_genai_falls_back_to_the_family_that_knows_its_version(run: Run, sink: Sink, mode: str):
    done = run(
        """
from google import genai

client = genai.Client()

@mlobs.llm
def answer():
    return client.models.generate_content(model="gemini-x", contents="PROMPT-SECRET").text

@mlobs.llm
def stream():
    for chunk in client.models.generate_content_stream(model="gemini-x", contents="PROMPT-SECRET"):
        yield chunk.text

@mlobs.workflow
def both():
    answer()
    list(stream())
    client.models.generate_content(model="gemini-x", contents="PROMPT-SECRET")

both()
print([(one.package, one.state, one.reason) for one in report.outcomes if one.library == "google_genai"])
"""
        + END,
        MODE=mode,
    )
    assert "('openinference-instrumentation-google-genai', 'activated', '')" in done.stdout
    assert "'skipped', 'it needs google-genai" in done.stdout
    spans = sink.spans()
    assert len(spans) == 4
    ours = [span for span in spans if span.attributes.get("mlobs.kind") == "llm"]
    assert [span.attributes["gen_ai.usage.input_tokens"] for span in ours] == [provider.INPUT] * 2
    assert "SECRET" not in repr(sink.bodies)

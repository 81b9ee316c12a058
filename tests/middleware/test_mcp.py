"""MCP: one trace from the client's call to the server's function, and one span for one tool call."""

import contextlib
import os
import socket
import sys
import time
from pathlib import Path

import anyio
import mcp_types as types
import pytest
from mcp import Client, MCPError, StdioServerParameters

import mlobs
from mlobs.errors import MissingExtraError
from mlobs.instrument.middleware import mcp
from tests.middleware.mcp_shop import server
from tests.processes import free_port, process

SERVER, CLIENT, ERROR = 2, 3, 2
ROOT = Path(__file__).parents[2]
MODES = ("legacy", "auto")  # over streams with a handshake; in the process, directly


@pytest.fixture(autouse=True, scope="module")
def _watched():
    """Called twice, as where two parts of a program switch it on."""
    mcp.instrument()
    mcp.instrument()


@pytest.fixture
def ask(sink):
    """Run `use(client)` against the server, in a session, and return what came of it."""

    def ask(use, mode="legacy", **options):
        async def main():
            async with (
                Client(server, mode=mode, **options) as client,
                mlobs.session("s1", user="ana"),
                mlobs.span("caller"),
            ):
                return await use(client)

        found = anyio.run(main)
        assert mlobs.flush()
        return found

    return ask


def pair(sink, name):
    """Return the client's and the server's span of a request."""
    spans = {span.kind: span for span in sink.named(name, count=2)}
    return spans[CLIENT], spans[SERVER]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("use", "name", "attribute"),
    [
        (lambda c: c.call_tool("price", {"order": "tea"}), "tools/call price", ("gen_ai.tool.name", "price")),
        (
            lambda c: c.get_prompt("greeting", {"name": "a"}),
            "prompts/get greeting",
            ("gen_ai.prompt.name", "greeting"),
        ),
        (lambda c: c.read_resource("shop://menu"), "resources/read", ("mcp.resource.uri", "shop://menu")),
    ],
)
def test_a_request_is_one_trace_from_the_call_to_the_servers_function(ask, sink, mode, use, name, attribute):
    ask(use, mode)
    client, service = pair(sink, name)
    [caller], [inner] = sink.named("caller"), sink.named("step look_up")
    assert [client.parent_id, service.parent_id] == [caller.span_id, client.span_id]
    assert (inner.parent_id, inner.trace_id) == (service.span_id, caller.trace_id)
    assert {span.attributes["session.id"] for span in (client, service, inner)} == {"s1"}
    for span in (client, service):
        assert attribute in span.attributes.items()
        assert span.attributes["mcp.method.name"] == name.split()[0]
        assert span.attributes["mcp.protocol.version"].startswith("20")
        assert ("gen_ai.operation.name" in span.attributes) == name.startswith("tools/call")
        assert span.status == 0
    if mode == "legacy":
        assert client.attributes["jsonrpc.request.id"] == service.attributes["jsonrpc.request.id"]
    assert not [span for span in sink.spans() if span.name.startswith("MCP send")]


@pytest.mark.parametrize("mode", MODES)
def test_a_tool_that_raises_has_failed_at_both_ends(ask, sink, mode):
    """The package answers with isError, which its own client's span does not look at."""
    assert ask(lambda client: client.call_tool("fail", {}), mode).is_error
    for span in pair(sink, "tools/call fail"):
        assert (span.status, span.attributes["error.type"]) == (ERROR, "tool_error")


@pytest.mark.parametrize("mode", MODES)
def test_a_refused_request_has_its_code_at_both_ends(ask, sink, mode):
    async def use(client):
        with pytest.raises(MCPError):
            await client.get_prompt("nothing", {})

    ask(use, mode)
    client, service = pair(sink, "prompts/get nothing")
    assert client.status == service.status == ERROR
    assert client.attributes["error.type"] == client.attributes["rpc.response.status_code"]
    assert client.attributes["error.type"].lstrip("-").isdigit()


def test_a_cancelled_request_is_no_error_at_either_end(ask, sink):
    async def use(client):
        with anyio.move_on_after(0.2):
            await client.call_tool("wait", {})
        await anyio.sleep(0.1)

    ask(use)
    for span in pair(sink, "tools/call wait"):
        assert (span.status, span.attributes["mlobs.call.state"]) == (0, "cancelled")


def test_a_timeout_is_an_error_of_the_client(ask, sink):
    async def use(client):
        with pytest.raises(MCPError):
            await client.call_tool("wait", {}, read_timeout_seconds=0.2)
        await anyio.sleep(0.1)

    ask(use)
    client, service = pair(sink, "tools/call wait")
    assert client.status == ERROR
    assert (service.status, service.attributes["mlobs.call.state"]) == (0, "cancelled")


def test_a_call_inside_a_decorated_tool_is_said_on_the_tools_own_span(ask, sink):
    """One tool call is one `execute_tool` span; a second call of the same tool has one of its own."""

    async def use(client):
        @mlobs.tool(name="ask the shop")
        async def shop(calls):
            for _ in range(calls):
                await client.call_tool("price", {"order": "tea"})

        await shop(1)
        await shop(2)

    ask(use)
    first, second = sorted(sink.named("execute_tool ask the shop", count=2), key=lambda span: span.start_ns)
    for tool in (first, second):
        assert tool.attributes["mcp.method.name"] == "tools/call"
        assert tool.attributes["gen_ai.tool.name"] == "ask the shop"
        assert "jsonrpc.request.id" in tool.attributes
    calls = sorted(sink.named("tools/call price", count=4), key=lambda span: span.start_ns)
    kinds = [span.kind for span in calls]
    assert sorted(kinds) == [SERVER, SERVER, SERVER, CLIENT]
    assert calls[0].parent_id == first.span_id
    assert [span.parent_id for span in calls if span.kind == CLIENT] == [second.span_id]


def test_a_failure_inside_a_decorated_tool_is_that_tools_failure(ask, sink):
    async def use(client):
        @mlobs.tool
        async def shop():
            await client.call_tool("fail", {})

        @mlobs.tool
        async def careful():
            with anyio.move_on_after(0.1):
                await client.call_tool("wait", {})

        await shop()
        await careful()

    ask(use)
    [shop], [careful] = sink.named("execute_tool shop"), sink.named("execute_tool careful")
    assert (shop.status, shop.attributes["error.type"]) == (ERROR, "tool_error")
    assert (careful.status, careful.attributes.get("mlobs.call.state")) == (0, None)


def test_what_a_server_asks_of_its_client_is_of_the_same_trace(ask, sink):
    @mlobs.step
    def choose():
        return "attic"

    async def elicit(_context, _params):
        return types.ElicitResult(action="accept", content={"where": choose()})

    answer = ask(lambda client: client.call_tool("relay", {"order": "tea"}), elicitation_callback=elicit)
    assert answer.content[0].text == "tea! attic"
    asked, answered = pair(sink, "elicitation/create")
    _, relay = pair(sink, "tools/call relay")
    [chosen] = sink.named("step choose")
    assert [asked.parent_id, answered.parent_id] == [relay.span_id, asked.span_id]
    assert (chosen.parent_id, chosen.trace_id) == (answered.span_id, relay.trace_id)


def test_notifications_of_nobodys_trace_make_no_traces(ask, sink):
    ask(lambda client: client.list_tools())
    assert not [span for span in sink.spans() if "notifications/" in span.name]


def test_a_strangers_meta_is_bounded_and_never_in_the_way(sink):
    """Names and ids are the peer's to choose."""

    async def main():
        async with Client(server, mode="legacy") as client:
            for meta in ({"traceparent": 7}, {"traceparent": "00-zz"}, {"baggage": "a=b," * 10_000}):
                assert (await client.call_tool("price", {"order": "x"}, meta=meta)).content[0].text == "x!"
            assert (await client.call_tool("n" * 100_000, {})).is_error

    anyio.run(main)
    assert mlobs.flush()
    assert max(len(span.name) for span in sink.spans()) <= 256


@pytest.mark.slow
def test_over_http_the_server_knows_who_asks(ask, sink, tmp_path):
    """The trace comes in `_meta`; what carries the request may have one of its own."""
    port = free_port()
    serving = (
        "import uvicorn, mlobs, sys\n"
        "from mlobs.instrument.middleware import mcp\n"
        "from tests.middleware.mcp_shop import server\n"
        "mlobs.init('shop', endpoint=sys.argv[1])\n"
        "mcp.instrument()\n"
        "uvicorn.run(server.streamable_http_app(), port=int(sys.argv[2]), log_level='warning')\n"
    )
    log = tmp_path / "server.log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    address = f"http://127.0.0.1:{port}/mcp"

    async def main():
        async with Client(address, mode="legacy") as client, mlobs.session("s1"), mlobs.span("caller"):
            await client.call_tool("price", {"order": "tea"})

    with process(sys.executable, "-c", serving, sink.url, str(port), log=log, env=environment):
        until = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        anyio.run(main)
        assert mlobs.flush()
        client, service = pair(sink, "tools/call price")
    assert service.parent_id == client.span_id
    assert service.attributes["network.transport"] == "tcp"
    assert service.attributes["client.address"] == "127.0.0.1"
    assert service.attributes["mcp.session.id"]
    assert service.attributes["session.id"] == "s1"


@pytest.mark.slow
def test_over_stdio_the_server_is_a_process_of_its_own(sink, telemetry):
    shop = StdioServerParameters(
        command=sys.executable,
        args=["-m", "tests.middleware.mcp_shop"],
        env={**os.environ, "SINK": telemetry.url, "PYTHONPATH": str(ROOT)},
    )

    async def main():
        async with Client(shop) as client, mlobs.session("s1"), mlobs.span("caller"):
            await client.call_tool("price", {"order": "tea"})
            # A client gives its server two seconds to end: what is not here by then may never come.
            await anyio.to_thread.run_sync(sink.named, "tools/call price")
            await anyio.to_thread.run_sync(sink.named, "step look_up")

    anyio.run(main)
    assert mlobs.flush()
    client, service = pair(sink, "tools/call price")
    [inner] = sink.named("step look_up")
    assert service.resource["service.name"] == "shop"
    assert (service.parent_id, inner.parent_id) == (client.span_id, service.span_id)
    assert service.attributes["session.id"] == inner.attributes["session.id"] == "s1"


@pytest.mark.slow
def test_with_a_provider_of_the_programs_own_and_while_off(run_program):
    code = """
import anyio
import mlobs
from mcp import Client
from mlobs.instrument.middleware import mcp
from tests.middleware.mcp_shop import server
from tests.processes import free_port, process
mcp.instrument()

@mlobs.tool
async def shop(client):
    return await client.call_tool("price", {"order": "tea"})

async def main():
    async with Client(server, mode="legacy") as client:
        assert (await shop(client)).content[0].text == "tea!"

anyio.run(main)
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
memory = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(memory))
trace.set_tracer_provider(provider)
anyio.run(main)
spans = {span.name: span for span in memory.get_finished_spans()}
tool, service, inner = (spans[n] for n in ("execute_tool shop", "tools/call price", "step look_up"))
assert service.parent.span_id == tool.context.span_id, spans
assert inner.parent.span_id == service.context.span_id
assert tool.attributes["mcp.method.name"] == "tools/call"
"""
    done = run_program(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(MissingExtraError, match=r"\[mcp\]"):
        mcp.instrument()

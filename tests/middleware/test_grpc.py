"""gRPC: one span at each end of each call, of one trace, with the truth about how it ended."""

import gc
import threading
import time

import grpc
import grpc.aio
import pytest

import mlobs
from mlobs.errors import SettingError
from mlobs.instrument.middleware.grpc import client_interceptors, server_interceptors
from tests.middleware.grpc_shop import (
    CLIENT,
    SERVER,
    SHAPES,
    AsyncShop,
    Shop,
    agather,
    both,
    serve,
    stub,
    with_channel,
)

ERROR = 2


@pytest.fixture(scope="module")
def address():
    with serve(Shop(), server_interceptors()) as found:
        yield found


@pytest.fixture
def channel(address, sink):
    with grpc.insecure_channel(address) as bare:
        yield grpc.intercept_channel(bare, *client_interceptors(address))


def order(shape, text="tea"):
    return iter([text, "b"]) if shape.startswith("stream") else text


def result(shape, answer):
    return list(answer) if shape.endswith("stream") else answer


@pytest.mark.parametrize("shape", SHAPES)
def test_a_call_is_one_trace_from_client_to_decorated_function(channel, sink, shape):
    """Threads of the server's pool know nothing of the caller but what the metadata says."""
    with mlobs.session("s1", user="ana"), mlobs.span("caller"):
        result(shape, stub(channel, shape)(order(shape)))
    client, server = both(sink, f"shop.Orders/{shape}")
    [caller] = sink.named("caller")
    tools = [span for span in sink.spans() if span.name == "execute_tool price"]
    assert {span.trace_id for span in (caller, client, server, *tools)} == {caller.trace_id}
    assert (client.parent_id, server.parent_id) == (caller.span_id, client.span_id)
    above = [span.span_id for span in sink.spans() if span.name == "chat m"] or [server.span_id]
    assert {span.parent_id for span in tools} == set(above)
    assert {span.attributes.get("session.id") for span in (client, server, *tools)} == {"s1"}
    assert client.attributes["rpc.system.name"] == "grpc"
    assert client.attributes["rpc.method"] == f"shop.Orders/{shape}"
    assert client.attributes["server.address"] == "127.0.0.1"
    assert server.attributes["client.address"] == "127.0.0.1"
    assert (
        client.attributes["rpc.response.status_code"] == server.attributes["rpc.response.status_code"] == "OK"
    )
    assert "mlobs.call.state" not in {*client.attributes, *server.attributes}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("text", "code", "server_fails"),
    [("raise", "UNKNOWN", True), ("abort", "NOT_FOUND", False), ("break", "INTERNAL", True)],
)
def test_failures_have_their_status_at_both_ends(channel, sink, shape, text, code, server_fails):
    """By the conventions, what the client did wrong is no failure of the server."""
    with pytest.raises(grpc.RpcError) as caught:
        result(shape, stub(channel, shape)(order(shape, text)))
    assert caught.value.code().name == code
    client, server = both(sink, f"shop.Orders/{shape}")
    assert (
        client.attributes["rpc.response.status_code"] == server.attributes["rpc.response.status_code"] == code
    )
    assert (client.status, client.attributes["error.type"]) == (ERROR, code)
    assert (server.status == ERROR) == server_fails
    if text == "raise":
        assert server.attributes["error.type"] == "ValueError"
        assert [event[1]["exception.message"] for event in server.events] == ["no such order"]
    else:
        assert server.events == []


@pytest.mark.parametrize("shape", ["unary_unary", "unary_stream"])
def test_a_deadline_that_passes_is_an_error_at_both_ends(channel, sink, shape):
    with pytest.raises(grpc.RpcError):
        result(shape, stub(channel, shape)("wait", timeout=0.1))
    client, server = both(sink, f"shop.Orders/{shape}")
    for span in (client, server):
        assert (span.status, span.attributes["error.type"]) == (ERROR, "DEADLINE_EXCEEDED")


def test_a_cancelled_stream_is_no_error_and_stays_the_call_grpc_made(channel, sink):
    """A bare generator in its place would have neither `cancel` nor `code`."""
    call = stub(channel, "unary_stream")("endless")
    assert next(call) == "endless!0"
    call.cancel()
    assert call.code() is grpc.StatusCode.CANCELLED
    client, server = both(sink, "shop.Orders/unary_stream")
    for span in (client, server):
        assert (span.attributes["mlobs.call.state"], span.status) == ("cancelled", 0)
    assert all(span.status == 0 for span in sink.spans())


def test_a_cancelled_future_is_no_error(channel, sink):
    future = stub(channel, "unary_unary").future("wait")
    time.sleep(0.1)
    future.cancel()
    for span in both(sink, "shop.Orders/unary_unary"):
        assert (span.attributes["mlobs.call.state"], span.status) == ("cancelled", 0)


def test_a_stream_that_is_dropped_is_abandoned_and_still_ends_at_the_server(channel, sink):
    """Whoever held on to the call would keep the server busy for ever."""
    call = stub(channel, "unary_stream")("endless")
    next(call)
    del call
    gc.collect()
    client, server = both(sink, "shop.Orders/unary_stream")
    assert (client.attributes["mlobs.call.state"], client.status) == ("abandoned", 0)
    assert (server.attributes["mlobs.call.state"], server.status) == ("cancelled", 0)


def test_a_streams_span_ends_with_its_last_message(channel, sink):
    call = stub(channel, "unary_stream")("tea")
    got = next(call)
    time.sleep(0.2)
    got += "".join(call)
    assert got == "tea!0tea!1tea!2"
    client, _ = both(sink, "shop.Orders/unary_stream")
    assert client.end_ns - client.start_ns > 150_000_000


def test_decorated_generators_as_requests_belong_to_the_client_call(channel, sink):
    """They are read by a thread of grpc's own."""

    @mlobs.step
    def orders():
        for name in ("a", "b"):
            mlobs.tool(lambda: None, name="pick")()
            yield name

    with mlobs.span("caller"):
        assert stub(channel, "stream_unary")(orders()) == "a,b!"
    client, _ = both(sink, "shop.Orders/stream_unary")
    [stream] = sink.named("step orders")
    assert (stream.trace_id, stream.parent_id) == (client.trace_id, client.span_id)
    assert [span.parent_id for span in sink.named("execute_tool pick", count=2)] == [stream.span_id] * 2


def test_metadata_of_the_caller_arrives_whole(sink):
    """Keys may be repeated, and binary values are bytes."""
    seen = []

    class Looking(Shop):
        def unary_unary(self, order, context):
            seen.extend((key, value) for key, value in context.invocation_metadata() if key.startswith("x-"))
            return order

    with serve(Looking(), server_interceptors()) as address, grpc.insecure_channel(address) as bare:
        channel = grpc.intercept_channel(bare, *client_interceptors())
        sent = (("x-a", "1"), ("x-a", "2"), ("x-b-bin", b"\x00\xff"))
        assert stub(channel, "unary_unary")("tea", metadata=sent) == "tea"
    assert seen == list(sent)


def test_session_and_user_can_come_from_metadata(sink):
    """Where the client is somebody else's, it knows nothing of baggage."""
    interceptors = server_interceptors(
        session="X-Session", user=lambda context: context.peer().partition(":")[0]
    )
    with serve(Shop(), interceptors) as address, grpc.insecure_channel(address) as bare:
        stub(bare, "unary_unary")("tea", metadata=(("x-session", "s9"),))
    assert mlobs.flush()
    [tool] = sink.named("execute_tool price")
    [server] = sink.named("shop.Orders/unary_unary")
    for span in (tool, server):
        assert (span.attributes["session.id"], span.attributes["user.id"]) == ("s9", "ipv4")


def test_excluded_services_make_no_spans(sink, monkeypatch):
    monkeypatch.setenv("OTEL_PYTHON_GRPC_EXCLUDED_SERVICES", "other.Service, shop.Orders")
    with serve(Shop(), server_interceptors()) as address, grpc.insecure_channel(address) as bare:
        channel = grpc.intercept_channel(bare, *client_interceptors())
        stub(channel, "unary_unary")("tea")
    assert mlobs.flush()
    assert [span.name for span in sink.spans()] == ["execute_tool price"]


def test_options_that_cannot_be_used_are_refused_with_a_sentence():
    with pytest.raises(SettingError, match="list of services"):
        server_interceptors(exclude="shop.Orders")
    with pytest.raises(SettingError, match="name of a header"):
        server_interceptors(session=3)


def test_the_older_instrumentation_around_ours_is_added_to_not_doubled(sink):
    """Both are on where `opentelemetry-instrument` starts the program."""
    from opentelemetry.instrumentation.grpc import server_interceptor

    interceptors = [server_interceptor(), *server_interceptors(session="x-session")]
    with (
        serve(Shop(), interceptors) as address,
        grpc.insecure_channel(address) as bare,
        pytest.raises(grpc.RpcError),
    ):
        stub(bare, "unary_unary")("raise", metadata=(("x-session", "s9"),))
    assert mlobs.flush()
    [server] = [span for span in sink.spans() if span.kind == SERVER]
    assert (server.status, server.attributes["error.type"]) == (ERROR, "ValueError")
    assert server.attributes["session.id"] == "s9"


def test_decorated_functions_and_generators_can_be_handlers_themselves(sink):
    """The shell of a decorator is of the kind of what it wraps, and so is ours."""

    class Decorated(Shop):
        unary_unary = mlobs.tool(name="u")(Shop.unary_unary)
        unary_stream = mlobs.llm(model="s")(Shop.unary_stream)

    class AsyncDecorated(AsyncShop):
        unary_unary = mlobs.tool(name="au")(AsyncShop.unary_unary)
        unary_stream = mlobs.llm(model="as")(AsyncShop.unary_stream)

    async def use(channel):
        return await agather(channel, "unary_unary"), await agather(channel, "unary_stream")

    words = ["tea!0", "tea!1", "tea!2"]
    assert with_channel(AsyncDecorated(), use) == ("tea!", words)
    with serve(Decorated(), server_interceptors()) as address, grpc.insecure_channel(address) as bare:
        channel = grpc.intercept_channel(bare, *client_interceptors())
        assert stub(channel, "unary_unary")("tea") == "tea!"
        assert list(stub(channel, "unary_stream")("tea")) == words
    assert mlobs.flush()
    for shape, names in (
        ("unary_unary", ("execute_tool u", "execute_tool au")),
        ("unary_stream", ("chat s", "chat as")),
    ):
        servers = {
            span.span_id
            for span in sink.spans()
            if span.name == f"shop.Orders/{shape}" and span.kind == SERVER
        }
        assert {sink.named(name)[0].parent_id for name in names} == servers
    assert all("mlobs.call.state" not in span.attributes for span in sink.spans())


@pytest.mark.slow
def test_with_a_provider_of_the_programs_own_and_while_off(run_program):
    code = """
import grpc
from mlobs.instrument.middleware.grpc import client_interceptors, server_interceptors
from tests.middleware.grpc_shop import Shop, serve, stub

def work():
    with serve(Shop(), server_interceptors()) as address, grpc.insecure_channel(address) as bare:
        channel = grpc.intercept_channel(bare, *client_interceptors())
        assert list(stub(channel, "unary_stream")("tea")) == ["tea!0", "tea!1", "tea!2"]

work()
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
memory = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(memory))
trace.set_tracer_provider(provider)
work()
spans = {(span.name, span.kind.name): span for span in memory.get_finished_spans()}
client, server = (spans["shop.Orders/unary_stream", kind] for kind in ("CLIENT", "SERVER"))
assert server.parent.span_id == client.context.span_id
assert spans["chat m", "CLIENT"].parent.span_id == server.context.span_id
"""
    done = run_program(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_propagator_that_raises_stays_out_of_the_way(channel, sink, monkeypatch):
    """The call goes on without a trace from its caller."""
    from opentelemetry import propagate

    class Broken:
        fields = frozenset({"x"})

        def inject(self, *_, **__):
            raise RuntimeError("no")

        extract = inject

    monkeypatch.setattr(propagate, "get_global_textmap", Broken)
    assert stub(channel, "unary_unary")("tea") == "tea!"
    assert list(stub(channel, "unary_stream")("tea")) == ["tea!0", "tea!1", "tea!2"]


def test_a_hundred_calls_at_once_stay_apart(channel, sink):
    """Each handler sees the trace of its own caller."""
    call = stub(channel, "unary_unary")

    def one(number):
        with mlobs.session(f"s{number}"):
            call("tea")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mlobs.flush()
    tools = sink.named("execute_tool price", count=50)
    by_trace = {span.trace_id: span for span in sink.spans() if span.kind == CLIENT}
    assert len(by_trace) == 50
    for tool in tools:
        assert tool.attributes["session.id"] == by_trace[tool.trace_id].attributes["session.id"]

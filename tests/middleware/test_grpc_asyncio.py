"""gRPC of asyncio: one span at each end of each call, of one trace, with the truth about how it ended."""

import asyncio
import gc

import grpc
import grpc.aio
import pytest

import mlobs
from tests.middleware.grpc_shop import SHAPES, AsyncShop, Writing, agather, both, stub, with_channel

ERROR = 2


@pytest.mark.parametrize("shape", SHAPES)
def test_asyncio_calls_are_one_trace(sink, shape):
    async def use(channel):
        async with mlobs.session("s1"), mlobs.span("caller"):
            return await agather(channel, shape)

    assert with_channel(AsyncShop(), use)
    client, server = both(sink, f"shop.Orders/{shape}")
    [caller] = sink.named("caller")
    tools = [span for span in sink.spans() if span.name == "execute_tool price"]
    assert (client.parent_id, server.parent_id) == (caller.span_id, client.span_id)
    above = [span.span_id for span in sink.spans() if span.name == "chat m"] or [server.span_id]
    assert {span.parent_id for span in tools} == set(above)
    assert {span.attributes.get("session.id") for span in (client, server, *tools)} == {"s1"}
    assert (
        client.attributes["rpc.response.status_code"] == server.attributes["rpc.response.status_code"] == "OK"
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("text", "code", "server_fails"),
    [("raise", "UNKNOWN", True), ("abort", "NOT_FOUND", False), ("break", "INTERNAL", True)],
)
def test_asyncio_failures_have_their_status_at_both_ends(sink, shape, text, code, server_fails):
    async def use(channel):
        with pytest.raises(grpc.RpcError) as caught:
            await agather(channel, shape, text)
        assert caught.value.code().name == code

    with_channel(AsyncShop(), use)
    client, server = both(sink, f"shop.Orders/{shape}")
    assert (
        client.attributes["rpc.response.status_code"] == server.attributes["rpc.response.status_code"] == code
    )
    assert (client.status, client.attributes["error.type"]) == (ERROR, code)
    assert (server.status == ERROR) == server_fails
    assert server.attributes.get("error.type") == {"raise": "ValueError", "break": "INTERNAL"}.get(text)


@pytest.mark.parametrize("shape", ["unary_unary", "unary_stream"])
def test_asyncio_deadlines_are_errors(sink, shape):
    async def use(channel):
        with pytest.raises(grpc.RpcError):
            await agather(channel, shape, "wait", timeout=0.2)
        await asyncio.sleep(0.1)

    with_channel(AsyncShop(), use)
    for span in both(sink, f"shop.Orders/{shape}"):
        assert (span.status, span.attributes["error.type"]) == (ERROR, "DEADLINE_EXCEEDED")


@pytest.mark.parametrize("how", ["call", "task", "stream", "stream task"])
def test_asyncio_cancellations_are_no_errors(sink, how):
    """An asyncio call that is cancelled must end its span too, whoever cancels it."""
    shape = "unary_stream" if how.startswith("stream") else "unary_unary"

    async def use(channel):
        if how == "call":
            call = stub(channel, shape)("wait")
            await asyncio.sleep(0.1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        elif how == "stream":
            call = stub(channel, shape)("endless")
            assert await call.read() == "endless!0"
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call.read()
            assert await call.code() is grpc.StatusCode.CANCELLED
        else:
            task = asyncio.create_task(agather(channel, shape, "wait" if how == "task" else "endless"))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await asyncio.sleep(0.1)

    with_channel(AsyncShop(), use)
    for span in both(sink, f"shop.Orders/{shape}"):
        assert (span.attributes["mlobs.call.state"], span.status) == ("cancelled", 0)


def test_an_asyncio_stream_that_is_dropped_ends_at_both_ends(sink):
    """grpc.aio cancels it, and says nothing else."""

    async def use(channel):
        call = stub(channel, "unary_stream")("endless")
        async for _ in call:
            break
        del call
        gc.collect()
        await asyncio.sleep(0.2)

    with_channel(AsyncShop(), use)
    for span in both(sink, "shop.Orders/unary_stream"):
        assert (span.attributes["mlobs.call.state"], span.status) == ("cancelled", 0)


def test_an_asyncio_streams_span_ends_with_its_last_message(sink):
    async def use(channel):
        call = stub(channel, "unary_stream")("tea")
        got = await call.read()
        await asyncio.sleep(0.2)
        return got + "".join([word async for word in call])

    assert with_channel(AsyncShop(), use) == "tea!0tea!1tea!2"
    client, _ = both(sink, "shop.Orders/unary_stream")
    assert client.end_ns - client.start_ns > 150_000_000


def test_handlers_that_write_and_handlers_of_threads_work_under_asyncio(sink):
    """grpc.aio runs each kind differently, so each must stay of its kind."""

    async def use(channel):
        assert await agather(channel, "unary_stream") == ["tea!0", "tea!1", "tea!2"]
        assert await agather(channel, "unary_unary") == "tea!"

    with_channel(Writing(), use)
    _, writing = both(sink, "shop.Orders/unary_stream")
    _, thread = both(sink, "shop.Orders/unary_unary")
    parents = [span.parent_id for span in sink.named("execute_tool price", count=4)]
    assert sorted(parents) == sorted([writing.span_id] * 3 + [thread.span_id])

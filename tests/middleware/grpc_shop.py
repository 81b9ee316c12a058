"""A gRPC service of four methods, one of each shape, without protobuf, and its callers."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio

import mlobs
from mlobs.instrument.middleware.grpc import client_interceptors, server_interceptors

SERVER, CLIENT = 2, 3  # Kinds of spans.
SHAPES = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


def encode(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text  # grpc.aio's own hands a text over as bytes


def decode(body: bytes) -> str:
    return body.decode()


@mlobs.tool
def price(order: str) -> str:
    return f"{order}!"


@mlobs.llm(model="m")
def words(order: str) -> Iterator[str]:
    for number in range(3):
        yield f"{price(order)}{number}"


@mlobs.llm(model="m")
async def awords(order: str) -> AsyncIterator[str]:
    for number in range(3):
        await asyncio.sleep(0)
        yield f"{price(order)}{number}"


def act(order: str, context: Any) -> None:
    """Do what the order says, before it is answered."""
    if order == "raise":
        raise ValueError("no such order")
    if order == "abort":
        context.abort(grpc.StatusCode.NOT_FOUND, "not here")
    if order == "break":
        context.abort(grpc.StatusCode.INTERNAL, "broken")
    if order == "wait":
        until = time.monotonic() + 10
        while context.is_active() and time.monotonic() < until:
            time.sleep(0.01)


class Shop:
    """The handlers of threads."""

    def unary_unary(self, order: str, context: Any) -> str:
        act(order, context)
        return price(order)

    def unary_stream(self, order: str, context: Any) -> Iterator[str]:
        act(order, context)
        yield from words(order)
        if order == "endless":
            while True:
                time.sleep(0.01)
                yield price(order)

    def stream_unary(self, orders: Iterator[str], context: Any) -> str:
        got = list(orders)
        act(got[0], context)
        return price(",".join(got))

    def stream_stream(self, orders: Iterator[str], context: Any) -> Iterator[str]:
        for order in orders:
            act(order, context)
            yield price(order)


async def aact(order: str, context: Any) -> None:
    if order == "raise":
        raise ValueError("no such order")
    if order == "abort":
        await context.abort(grpc.StatusCode.NOT_FOUND, "not here")
    if order == "break":
        await context.abort(grpc.StatusCode.INTERNAL, "broken")
    if order == "wait":
        await asyncio.sleep(10)


class AsyncShop:
    """The handlers of asyncio."""

    async def unary_unary(self, order: str, context: Any) -> str:
        await aact(order, context)
        return price(order)

    async def unary_stream(self, order: str, context: Any) -> AsyncIterator[str]:
        await aact(order, context)
        async for word in awords(order):
            yield word
        while order == "endless":
            await asyncio.sleep(0.01)
            yield price(order)

    async def stream_unary(self, orders: AsyncIterator[str], context: Any) -> str:
        got = [order async for order in orders]
        await aact(got[0], context)
        return price(",".join(got))

    async def stream_stream(self, orders: AsyncIterator[str], context: Any) -> AsyncIterator[str]:
        async for order in orders:
            await aact(order, context)
            yield price(order)


class Writing(AsyncShop):
    """Handlers that write their answers instead of yielding them, and one that runs in a thread."""

    async def unary_stream(self, order: str, context: Any) -> None:  # type: ignore[override]
        for number in range(3):
            await context.write(f"{price(order)}{number}")

    def unary_unary(self, order: str, context: Any) -> str:  # type: ignore[override]
        return price(order)


def handlers(shop: Any) -> Any:
    """Return a service's methods, as `add_generic_rpc_handlers` takes them."""
    made = {
        shape: getattr(grpc, f"{shape}_rpc_method_handler")(
            getattr(shop, shape), request_deserializer=decode, response_serializer=encode
        )
        for shape in SHAPES
    }
    return (grpc.method_handlers_generic_handler("shop.Orders", made),)


def stub(channel: Any, shape: str) -> Any:
    return getattr(channel, shape)(
        f"/shop.Orders/{shape}", request_serializer=encode, response_deserializer=decode
    )


@contextlib.contextmanager
def serve(shop: Any, interceptors: list[Any]) -> Iterator[str]:
    """Serve with threads; yield the address."""
    server = grpc.server(ThreadPoolExecutor(4), interceptors=interceptors)
    server.add_generic_rpc_handlers(handlers(shop))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0.5).wait(5)


@contextlib.asynccontextmanager
async def aserve(shop: Any, interceptors: list[Any]) -> AsyncIterator[str]:
    """Serve with asyncio; yield the address."""
    server = grpc.aio.server(interceptors=interceptors)
    server.add_generic_rpc_handlers(handlers(shop))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0.5)


def both(sink, name):
    """Return the client's and the server's span of a call."""
    until = time.monotonic() + 5
    while True:
        assert mlobs.flush()
        spans = {span.kind: span for span in sink.spans() if span.name == name}
        if len(spans) == 2 or time.monotonic() > until:
            return spans[CLIENT], spans[SERVER]
        time.sleep(0.02)


def with_channel(shop, use):
    """Run `use(channel)` against a server of asyncio."""

    async def main():
        async with (
            aserve(shop, server_interceptors()) as address,
            grpc.aio.insecure_channel(address, interceptors=client_interceptors(address)) as channel,
        ):
            return await use(channel)

    return asyncio.run(main())


async def agather(channel, shape, text="tea", **options):
    async def orders():
        yield text
        if text == "tea":  # grpc.aio may fail by itself where one writes to a server that has answered
            yield "b"

    call = stub(channel, shape)(orders() if shape.startswith("stream") else text, **options)
    return [answer async for answer in call] if shape.endswith("stream") else await call

"""OTLP over gRPC: Export of TraceService, MetricsService and LogsService.

Every method is a stream to this side, which on the wire is the same as a single message. So a
call is refused before its message is read, and the message comes as bytes, which are parsed
once, by the same check as those of HTTP. The library does not decompress: it knows no limit.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.message import Message

from mlobs.semconv import metrics as m
from mlobs.server.access.guard import Guard
from mlobs.server.access.scopes import INGEST
from mlobs.server.counts import Counts
from mlobs.server.receive.messages import GZIP_MAGIC
from mlobs.server.receive.receiver import Receiver
from mlobs.server.receive.refusals import RefusedError, too_large

METHODS = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": "traces",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "metrics",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "logs",
}
READING_MAX = 16  # Messages that are read at once; how long one is, is not known before it is there.
READ_SECONDS_MAX = 30.0  # For one message, the wait for its turn included.
DETAILS = "grpc-status-details-bin"
UNKNOWN = "unknown"  # Stands for the signal where calls of other methods are counted.
CODES = {code.value[0]: code for code in grpc.StatusCode}

Context = Any  # grpc.aio.ServicerContext, which comes without types.


def options(body_bytes_max: int) -> list[tuple[str, int]]:
    """Return the options of the listener."""
    return [
        ("grpc.max_receive_message_length", body_bytes_max),
        ("grpc.per_message_decompression", 0),
        ("grpc.so_reuseport", 0),  # Else two servers share a port, and each gets half of the data.
        ("grpc.max_concurrent_streams", 1_000),
    ]


class Exports(grpc.GenericRpcHandler):  # type: ignore[misc, unused-ignore]
    """Answers every call, of known methods and of others.

    Args:
        receivers: One for each signal.
        guard: Knows the tokens.
        counts: Where refusals are counted.
    """

    def __init__(self, receivers: Sequence[Receiver], guard: Guard, counts: Counts) -> None:
        self._receivers = {receiver.signal: receiver for receiver in receivers}
        self._guard = guard
        self._counts = counts
        self._reading = asyncio.Semaphore(READING_MAX)

    def service(self, handler_call_details: Any) -> Any:
        """Return what answers a call."""
        method = handler_call_details.method

        async def export(_requests: Any, context: Context) -> bytes:
            return await self._answer(method, context)

        return grpc.stream_unary_rpc_method_handler(export)

    async def _answer(self, method: str, context: Context) -> bytes:
        signal = METHODS.get(method, UNKNOWN)
        try:
            said = await self._export(method, signal, context)
        except RefusedError as refused:
            self._counts.add(m.SERVER_REFUSED, signal, refused.reason)
            details = ((DETAILS, refused.message().SerializeToString()),)
            await context.abort(CODES[refused.code], str(refused), details)
        return b"" if said is None else said.SerializeToString()

    async def _export(self, method: str, signal: str, context: Context) -> Message | None:
        given = {key: value for key, value in context.invocation_metadata() or () if key == "authorization"}
        tenant = self._guard.admit(str(given.get("authorization", "")), INGEST).tenant
        receiver = self._receivers.get(signal)
        if receiver is None:
            served = ", ".join(METHODS)
            raise RefusedError(404, "method", f"{method[:200]!r} was called; {served} are what there is.")
        receiver.admit(tenant)
        with receiver.memory.held() as held:
            message = await self._read(context)
            if len(message) > receiver.body_bytes_max:
                raise too_large(f"{len(message)} bytes came", receiver.body_bytes_max)
            held.take(len(message))
            return await receiver.take(message, held, tenant=tenant, encoding=_encoding(message))

    async def _read(self, context: Context) -> bytes:
        try:
            async with asyncio.timeout(READ_SECONDS_MAX), self._reading:
                message = await context.read()
                if not isinstance(message, bytes):  # The library's mark for the end.
                    raise RefusedError(400, "no_message", "The call ended before its message was complete.")
                if isinstance(await context.read(), bytes):
                    raise RefusedError(400, "several", "Several messages came in one call; send one.")
        except TimeoutError:
            raise RefusedError(
                408,
                "slow",
                f"The message was not complete after {READ_SECONDS_MAX:g} s; send smaller batches.",
            ) from None
        return message


def _encoding(message: bytes) -> str:
    """Return how a message is compressed. The library keeps that to itself, but no two begin alike."""
    if message.startswith(GZIP_MAGIC):
        return "gzip"
    deflated = len(message) > 1 and message[0] == 0x78 and (message[0] << 8 | message[1]) % 31 == 0
    return "deflate" if deflated else ""

"""OTLP over HTTP: POST /v1/traces, /v1/metrics and /v1/logs."""

import asyncio

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from mlobs.server.receive.encodings import encoding
from mlobs.server.receive.memory import Held
from mlobs.server.receive.receiver import Receiver
from mlobs.server.receive.refusals import JSON, PROTOBUF, RefusedError, answer, media_type, too_large

READ_SECONDS_MAX = 30.0  # For one body.
NOTATIONS = {PROTOBUF: "protobuf", JSON: "json"}


class Endpoint:
    """The endpoint of one signal.

    Args:
        receiver: Takes what is read here.
    """

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def receive(self, request: Request) -> Response:
        """Take one export request."""
        content_type = request.headers.get("content-type", "")
        try:
            notation = _notation(content_type)
            taken = await self._take(request, notation)
        except RefusedError as refused:
            self._receiver.refuse(refused.reason)
            return answer(refused, content_type)
        return _taken(taken, notation)

    async def _take(self, request: Request, notation: str) -> Message | None:
        compressed = encoding(",".join(request.headers.getlist("content-encoding")))
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._receiver.body_bytes_max:
            raise too_large(f"{length} bytes came", self._receiver.body_bytes_max)
        tenant = request.state.caller.tenant
        self._receiver.admit(tenant)
        with self._receiver.memory.held() as held:
            body = await self._read(request, held)
            return await self._receiver.take(
                body, held, tenant=tenant, encoding=compressed, notation=notation
            )

    async def _read(self, request: Request, held: Held) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(READ_SECONDS_MAX):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > self._receiver.body_bytes_max:
                        raise too_large("more came", self._receiver.body_bytes_max)
                    held.take(len(chunk))
                    chunks.append(chunk)
        except ClientDisconnect:
            raise RefusedError(400, "disconnected", "The client left before its body was complete.") from None
        except TimeoutError:
            raise RefusedError(
                408, "slow", f"The body was not complete after {READ_SECONDS_MAX:g} s; send smaller batches."
            ) from None
        return b"".join(chunks)


def _notation(content_type: str) -> str:
    found = NOTATIONS.get(media_type(content_type))
    if found is None:
        raise RefusedError(
            415,
            "content_type",
            f"Content-Type {media_type(content_type)[:80]!r} came; {PROTOBUF} or {JSON} is taken here.",
        )
    return found


def _taken(said: Message | None, notation: str) -> Response:
    if notation == "json":
        return Response("{}" if said is None else MessageToJson(said, indent=None), media_type=JSON)
    return Response(b"" if said is None else said.SerializeToString(), media_type=PROTOBUF)

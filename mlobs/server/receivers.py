"""OTLP over HTTP: POST /v1/traces, /v1/metrics and /v1/logs, protobuf, plain or gzip.

A body is parsed by the C parser of the OpenTelemetry protobuf package, appended to the journal
as it came and acknowledged when it is on the disk. Python looks at no span. What is refused is
counted with its reason and leaves nothing behind.
"""

import asyncio
import zlib
from collections.abc import Callable

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from mlobs.errors import PayloadError, StoreError
from mlobs.semconv import metrics as m
from mlobs.server.counts import Counts
from mlobs.server.journal import Journal

REQUESTS: dict[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
CONTENT_TYPE = "application/x-protobuf"
BODIES_IN_FLIGHT = 8  # Times body_bytes_max is what all requests of a signal may hold in memory.


class RefusedError(PayloadError):
    """A request that is not taken."""

    def __init__(self, status: int, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.reason = reason


def check(signal: str, body: bytes) -> Message:
    """Return `body` as a message.

    Raises:
        PayloadError: The body is not a message of this signal.
    """
    message = REQUESTS[signal]()
    name = type(message).__name__
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise PayloadError(f"The body ({len(body)} bytes) is not an {name}: {error}.") from None
    if body and not message.ListFields():
        raise PayloadError(f"The body ({len(body)} bytes) has no field of an {name}.")
    return message


def parses(signal: str, body: bytes) -> bool:
    """Return whether `body` is a message of `signal` that the journal would hold."""
    try:
        return bool(check(signal, body).ListFields())
    except PayloadError:
        return False


def rewritten(signal: str, body: bytes) -> bytes:
    """Return a body without the fields that the protobuf package does not know.

    It skips fields whose wire type is not the one declared; the engine refuses the whole file.
    """
    message = check(signal, body)
    message.DiscardUnknownFields()
    return message.SerializeToString()


class Receiver:
    """The endpoint of one signal.

    Args:
        signal: traces, metrics or logs.
        journal: Where bodies go.
        counts: Where requests are counted.
        pending_bytes: How many journal bytes wait for the store now.
        body_bytes_max: Larger bodies are refused, before and after decompression.
        pending_bytes_max: With more than this waiting, bodies are refused for a while.
    """

    def __init__(
        self,
        signal: str,
        journal: Journal,
        counts: Counts,
        pending_bytes: Callable[[], int],
        *,
        body_bytes_max: int,
        pending_bytes_max: int,
    ) -> None:
        self.signal = signal
        self._journal = journal
        self._counts = counts
        self._pending_bytes = pending_bytes
        self._body_bytes_max = body_bytes_max
        self._pending_bytes_max = pending_bytes_max
        self._in_flight_bytes = 0  # Only the event loop touches it.

    async def receive(self, request: Request) -> Response:
        """Take one export request."""
        try:
            size = await self._take(request)
        except RefusedError as refused:
            self._counts.add(m.SERVER_REFUSED, self.signal, refused.reason)
            headers = {"Retry-After": "1"} if refused.status == 503 else {}
            shape = {"error": str(refused), "status": refused.status}
            return JSONResponse(shape, refused.status, headers)
        self._counts.add(m.SERVER_RECEIVED, self.signal)
        self._counts.add(m.SERVER_RECEIVED_BYTES, self.signal, by=size)
        # An empty Export*ServiceResponse has no bytes.
        return Response(b"", 200, media_type=CONTENT_TYPE)

    async def _take(self, request: Request) -> int:
        encoding = self._check_headers(request)
        chunks: list[bytes] = []
        try:
            body = await self._read(request, chunks)
            if encoding == "gzip":
                body = await asyncio.to_thread(self._inflate, body)
            try:
                check(self.signal, body)
            except PayloadError as error:
                raise RefusedError(400, "not_otlp", str(error)) from None
            if body:
                await self._store(body)
        finally:
            self._in_flight_bytes -= sum(map(len, chunks))
        return len(body)

    async def _store(self, message: bytes) -> None:
        try:
            # Shielded: when the client leaves, the message is written all the same.
            await asyncio.shield(asyncio.wrap_future(self._journal.append(message)))
        except StoreError as error:
            raise RefusedError(503, "journal", str(error)) from None

    def _check_headers(self, request: Request) -> str:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != CONTENT_TYPE:
            raise RefusedError(
                415,
                "content_type",
                f"Content-Type {content_type!r} came; {CONTENT_TYPE} is what is taken here.",
            )
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "", "gzip"}:
            raise RefusedError(
                415, "encoding", f"Content-Encoding {encoding!r} came; gzip or none is taken here."
            )
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._body_bytes_max:
            raise self._too_large(f"{length} bytes came")
        pending = self._pending_bytes()
        if pending > self._pending_bytes_max:
            raise RefusedError(
                503,
                "pending",
                f"{pending} bytes wait for the store, {self._pending_bytes_max} may; try again soon.",
            )
        if self._in_flight_bytes > BODIES_IN_FLIGHT * self._body_bytes_max:
            raise RefusedError(503, "busy", "Too many requests are being read at once; try again soon.")
        return encoding

    async def _read(self, request: Request, chunks: list[bytes]) -> bytes:
        size = 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                if size > self._body_bytes_max:
                    raise self._too_large("more came")
                chunks.append(chunk)
                self._in_flight_bytes += len(chunk)
        except ClientDisconnect:
            raise RefusedError(400, "disconnected", "The client left before its body was complete.") from None
        return b"".join(chunks)

    def _inflate(self, body: bytes) -> bytes:
        inflater = zlib.decompressobj(wbits=31)
        try:
            whole = inflater.decompress(body, self._body_bytes_max + 1)
        except zlib.error as error:
            raise RefusedError(400, "gzip", f"The body ({len(body)} bytes) is not gzip: {error}.") from None
        if len(whole) > self._body_bytes_max:
            raise self._too_large("more came after decompression")
        if not inflater.eof:
            raise RefusedError(400, "gzip", f"The gzip body ({len(body)} bytes) ends before its end.")
        return whole

    def _too_large(self, came: str) -> RefusedError:
        return RefusedError(
            413,
            "body_bytes_max",
            f"{came[:1].upper()}{came[1:]}; a body may have {self._body_bytes_max} bytes. "
            f"Send smaller batches, or raise MLOBS_BODY_BYTES_MAX.",
        )

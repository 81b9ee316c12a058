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
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
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
READ_SECONDS_MAX = 30.0  # For one body.
NAME_MAX = 200
# A body that is not read to its end leaves a connection that nothing can follow on.
HEADERS = {503: {"Retry-After": "1"}, 408: {"Connection": "close"}}
UNSUPPORTED = {"exponential_histogram": "an exponential histogram", "summary": "a summary"}


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


def unsupported(request: Message) -> tuple[int, str]:
    """Return how many points of `request` the tables have no place for, and a sentence about them."""
    if not isinstance(request, ExportMetricsServiceRequest):
        return 0, ""
    points, named = 0, ""
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                if kind in UNSUPPORTED:
                    points += len(getattr(metric, kind).data_points)
                    named = named or f"{metric.name[:NAME_MAX]!r} is {UNSUPPORTED[kind]}"
    sentence = f"{points} points are not stored: {named}. Gauges, sums and histograms with bounds are."
    return points, sentence if points else ""


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
        self.bytes_in_flight = 0  # Only the event loop touches it.
        self.bytes_in_flight_max = BODIES_IN_FLIGHT * body_bytes_max

    async def receive(self, request: Request) -> Response:
        """Take one export request."""
        try:
            size, answer = await self._take(request)
        except RefusedError as refused:
            self._counts.add(m.SERVER_REFUSED, self.signal, refused.reason)
            headers = HEADERS.get(refused.status, {})
            shape = {"error": str(refused), "status": refused.status}
            return JSONResponse(shape, refused.status, headers)
        self._counts.add(m.SERVER_RECEIVED, self.signal)
        self._counts.add(m.SERVER_RECEIVED_BYTES, self.signal, by=size)
        return Response(answer, 200, media_type=CONTENT_TYPE)

    async def _take(self, request: Request) -> tuple[int, bytes]:
        """Return the size of the body, and the answer."""
        encoding = self._check_headers(request)
        held = _Held(self)
        try:
            body = await self._read(request, held)
            if encoding == "gzip":
                held.take(self._body_bytes_max)
                body = await asyncio.to_thread(self._inflate, body)
                held.give_back(self._body_bytes_max - len(body))
            try:
                message = check(self.signal, body)
            except PayloadError as error:
                raise RefusedError(400, "not_otlp", str(error)) from None
            answer = self._partial(message)
            if body:
                await self._store(body, held)
        finally:
            held.release()
        return len(body), answer

    def _partial(self, message: Message) -> bytes:
        """Return the answer: nothing, which says that all was taken, or what was not."""
        points, sentence = unsupported(message)
        if not points:
            return b""
        self._counts.add(m.SERVER_REFUSED, self.signal, "unsupported")
        answer = ExportMetricsServiceResponse()
        answer.partial_success.rejected_data_points = points
        answer.partial_success.error_message = sentence
        return answer.SerializeToString()

    async def _store(self, message: bytes, held: "_Held") -> None:
        written = asyncio.wrap_future(self._journal.append(message))
        held.until(written)
        try:
            # Shielded: when the client leaves, the message is written all the same.
            await asyncio.shield(written)
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
        return encoding

    async def _read(self, request: Request, held: "_Held") -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(READ_SECONDS_MAX):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > self._body_bytes_max:
                        raise self._too_large("more came")
                    held.take(len(chunk))
                    chunks.append(chunk)
        except ClientDisconnect:
            raise RefusedError(400, "disconnected", "The client left before its body was complete.") from None
        except TimeoutError:
            raise RefusedError(
                408, "slow", f"The body was not complete after {READ_SECONDS_MAX:g} s; send smaller batches."
            ) from None
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


class _Held:
    """The memory of one request, as part of what all of a signal may hold."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._bytes = 0
        self._written: asyncio.Future[None] | None = None

    def take(self, size: int) -> None:
        """Take so many bytes, or refuse the request."""
        if self._receiver.bytes_in_flight + size > self._receiver.bytes_in_flight_max:
            raise RefusedError(503, "busy", "Too many requests are being read at once; try again soon.")
        self._receiver.bytes_in_flight += size
        self._bytes += size

    def give_back(self, size: int) -> None:
        """Give some bytes back."""
        self._receiver.bytes_in_flight -= size
        self._bytes -= size

    def until(self, written: "asyncio.Future[None]") -> None:
        """Hold the bytes until the journal is done with them, whatever becomes of the request."""
        self._written = written

    def release(self) -> None:
        """Give everything back now, or as soon as the journal is done with it."""
        if self._written is None or self._written.done():
            self.give_back(self._bytes)
        else:
            self._written.add_done_callback(lambda _: self.give_back(self._bytes))

"""The web address that webhooks come to.

Edge: this is the network. What can be refused without its body is refused before it is read: no
credentials (401), another content type (415), too large (413). The rest is read up to the limit,
its signature checked over the bytes as they came (401), understood (400), and written down before
the answer. When there is no room the answer is 503 with Retry-After and never 429: Alertmanager
sends again after 5xx only.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from mlobs.alerts.receive.authentication import Authenticator, Mark
from mlobs.alerts.receive.formats import Notification, read
from mlobs.alerts.receive.inbox import FullError, Inbox, Taken
from mlobs.errors import PayloadError, SignatureError, StoreError

JSON = "application/json"
READ_SECONDS_MAX = 30.0
WRITE_SECONDS_MAX = 30.0
RETRY_AFTER_SECONDS = 5
IN_FLIGHT_BODIES = 4  # Of the largest size; as much memory as all bodies that are read may take.
AT_ONCE_BYTES_MAX = 256 << 10  # Larger bodies are understood beside the event loop.

# Why senders are refused who do not try again.
FOR_GOOD = (
    "credentials", "signature", "replayed", "content_type", "encoding", "payload", "too_large",
)  # fmt: skip


class _RefusedError(Exception):
    def __init__(self, status: int, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.reason = reason


class Endpoint:
    """Takes webhooks.

    Args:
        authenticator: Knows who may send.
        inbox: Where what came is written down.
        bytes_max: Larger bodies are refused.
    """

    def __init__(self, authenticator: Authenticator, inbox: Inbox, *, bytes_max: int) -> None:
        # From nought on, or Prometheus would see no growth in the first.
        self.refused: Counter[str] = Counter(dict.fromkeys(FOR_GOOD, 0))
        self._authenticator = authenticator
        self._inbox = inbox
        self._bytes_max = bytes_max
        self._held_bytes = 0

    async def receive(self, request: Request, *, believed: bool = False) -> Response:
        """Take one webhook.

        Args:
            request: POST or PUT.
            believed: Somebody else has checked who sends.
        """
        try:
            taken = await self._take(request, believed=believed)
        except _RefusedError as refused:
            self.refused[refused.reason] += 1
            return _answer(refused)
        answer: dict[str, Any] = {"changed": taken.changed, "repeated": taken.repeated, "late": taken.late}
        return JSONResponse(answer)

    async def _take(self, request: Request, *, believed: bool) -> Taken:
        try:
            enough = believed or self._authenticator.admit(request.headers)
        except SignatureError as error:
            raise _RefusedError(401, "credentials", str(error)) from None
        self._check_kind(request)
        with self._holding() as hold:
            body = await self._read(request, hold)
            mark = None if enough else self._verify(request, body)
            notification = await self._understand(body)
            return await self._write(notification, mark)

    def _check_kind(self, request: Request) -> None:
        came = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if came != JSON:
            raise _RefusedError(415, "content_type", f"Content-Type {came[:80]!r} came; {JSON} is taken.")
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding != "identity":
            raise _RefusedError(
                415, "encoding", f"Content-Encoding {encoding[:80]!r} came; bodies are taken uncompressed."
            )
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._bytes_max:
            raise self._too_large(f"{length[:20]} bytes came")

    async def _read(self, request: Request, hold: Callable[[int], None]) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(READ_SECONDS_MAX):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > self._bytes_max:
                        raise self._too_large("more came")
                    hold(len(chunk))
                    chunks.append(chunk)
        except ClientDisconnect:
            raise _RefusedError(
                400, "disconnected", "The sender left before the body was complete."
            ) from None
        except TimeoutError:
            raise _RefusedError(
                408, "slow", f"The body was not complete after {READ_SECONDS_MAX:g} s."
            ) from None
        return b"".join(chunks)

    @contextmanager
    def _holding(self) -> Iterator[Callable[[int], None]]:
        """Count the bytes of a body for as long as it is held."""
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            if self._held_bytes + size > IN_FLIGHT_BODIES * self._bytes_max:
                raise _RefusedError(503, "memory", "Too many bodies are being read; send it again later.")
            self._held_bytes += size
            held += size

        try:
            yield hold
        finally:
            self._held_bytes -= held

    def _verify(self, request: Request, body: bytes) -> Mark:
        try:
            return self._authenticator.verify(request.headers, body, self._inbox.clock())
        except SignatureError as error:
            raise _RefusedError(401, "signature", str(error)) from None

    async def _understand(self, body: bytes) -> Notification:
        try:
            return read(body) if len(body) <= AT_ONCE_BYTES_MAX else await asyncio.to_thread(read, body)
        except PayloadError as error:
            raise _RefusedError(400, "payload", str(error)) from None

    async def _write(self, notification: Notification, mark: Mark | None) -> Taken:
        try:
            written = asyncio.wrap_future(self._inbox.take(notification, mark))
            async with asyncio.timeout(WRITE_SECONDS_MAX):
                return await asyncio.shield(written)  # it is written even if the sender leaves
        except SignatureError as error:
            raise _RefusedError(401, "replayed", str(error)) from None
        except FullError as error:
            raise _RefusedError(503, "full", str(error)) from None
        except StoreError:
            raise _RefusedError(503, "store", "It cannot be written down now; send it again later.") from None
        except TimeoutError:
            raise _RefusedError(503, "slow_store", "Writing it down takes too long; send it again.") from None

    def _too_large(self, came: str) -> _RefusedError:
        return _RefusedError(413, "too_large", f"{came}; at most {self._bytes_max} bytes are taken.")


def _answer(refused: _RefusedError) -> Response:
    headers = {}
    if refused.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if refused.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="mlobs alerts"'
    if refused.status in {408, 413}:
        headers["Connection"] = "close"  # The rest of the body is not read.
    return JSONResponse({"error": str(refused), "status": refused.status}, refused.status, headers)

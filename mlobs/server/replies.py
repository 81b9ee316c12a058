"""Answers of the API: as JSON, and those that are large, whose memory is counted."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

ANSWERS_BYTES_MAX = 512 << 20  # Of all answers to SQL of one kind that wait to be read.
PIECE_BYTES = 256 << 10


class Reply(JSONResponse):
    """An answer; numbers that JSON does not have become null.

    A trace of 50,000 spans is 60 MB of it; the standard library takes seconds.
    """

    def render(self, content: Any) -> bytes:
        """Return the answer's body."""
        return orjson.dumps(content)


class Counted(Response):
    """An answer whose memory is counted until it is sent, at the pace at which the client reads.

    Args:
        body: What is sent.
        headers: Of the answer.
        sent: Called once, when the answer is sent or given up.
    """

    def __init__(self, body: bytes, headers: Mapping[str, str], sent: Callable[[], None]) -> None:
        super().__init__(body, headers=headers)
        self._sent = sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it in pieces: before each, what the client has not yet read is waited for."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            left = memoryview(self.body)
            while True:
                piece, left = bytes(left[:PIECE_BYTES]), left[PIECE_BYTES:]
                await send({"type": "http.response.body", "body": piece, "more_body": bool(left)})
                if not left:
                    return
        finally:
            self._sent()

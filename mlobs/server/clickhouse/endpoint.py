"""The routes that speak ClickHouse's HTTP interface: /clickhouse/ and /clickhouse/ping."""

import asyncio
import uuid
from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from mlobs.server.access.routes import GuardedRoute, route
from mlobs.server.access.scopes import ADMIN, OPEN, READ
from mlobs.server.clickhouse.allowed import NO_WRITING
from mlobs.server.clickhouse.answers import compressed, headers, of_error, of_reply
from mlobs.server.clickhouse.asked import Asked, checked_id, read
from mlobs.server.clickhouse.desk import Desk, Reply, named
from mlobs.server.clickhouse.refusal import (
    BAD_ARGUMENTS,
    NETWORK,
    TIMEOUT,
    TOO_LARGE,
    TOO_MANY,
    TOO_MUCH,
    ClickHouseError,
)
from mlobs.server.receive.encodings import encoding, inflate
from mlobs.server.receive.memory import Held, Memory
from mlobs.server.receive.refusals import RefusedError
from mlobs.server.replies import ANSWERS_BYTES_MAX, Counted

PATH = "/clickhouse"
READ_BYTES_MAX = 1 << 20  # A statement with its parameters.
WRITE_BYTES_MAX = 256 << 20
COPIES = 2  # A body is in memory so many times: as it came, and as the statement and its data.
BODY_SECONDS, LARGE_BODY_SECONDS = 30.0, 300.0
WATCH_SECONDS = 0.2
MADE_UP = "mlobs_"  # Begins the ids of statements whose client gave none.
CODES = {408: TIMEOUT, 413: TOO_LARGE, 503: TOO_MANY}  # Of what is refused while a body is read.


class Endpoint:
    """Answers requests.

    Args:
        desk: Runs statements.
        memory: What the bodies of all requests of the server may hold.
        writes: Whether who may write can, whose bodies may be large, as those of INSERT are.
    """

    def __init__(self, desk: Desk, memory: Memory, *, writes: bool) -> None:
        self._desk = desk
        self._memory = memory
        self._writes = writes
        # Not those of the bodies: who reads an answer slowly must not keep others from sending.
        self._answers = Memory(ANSWERS_BYTES_MAX)

    def routes(self) -> Sequence[GuardedRoute]:
        """Return the routes."""
        return (
            route(PATH, self.answer, scope=READ, methods=["GET", "POST"]),
            route(f"{PATH}/", self.answer, scope=READ, methods=["GET", "POST"]),
            route(f"{PATH}/ping", self.ping, scope=OPEN),
        )

    async def ping(self, _request: Request) -> Response:
        """GET /clickhouse/ping: the process answers."""
        return PlainTextResponse("Ok.\n", headers=headers(""))

    async def answer(self, request: Request) -> Response:
        """GET or POST /clickhouse/: one statement."""
        if request.method in {"GET", "HEAD"} and not request.query_params:
            return PlainTextResponse("Ok.\n", headers=headers(""))
        query_id = ""
        try:
            query_id = checked_id(request.query_params.get("query_id", ""))
            with self._memory.held() as held:
                asked = await self._asked(request, held)
                query_id = query_id or asked.id
                reply = await self._reply(asked, request)
            return await self._sent(reply, query_id, request)
        except RefusedError as refused:
            error = ClickHouseError(CODES.get(refused.status, BAD_ARGUMENTS), str(refused))
        except ClientDisconnect:
            error = ClickHouseError(NETWORK, "The client left before its body was complete.")
        except ClickHouseError as refused:
            error = refused
        body = b"" if request.method == "HEAD" else error.text().encode(errors="replace")
        found = of_error(error, query_id)
        if error.code in {TIMEOUT, TOO_LARGE}:  # A body may not have been read to its end.
            found["Connection"] = "close"
        return Response(body, error.status, headers=found)

    async def _sent(self, reply: Reply, query_id: str, request: Request) -> Response:
        """Return the answer, counted until it is sent."""
        size = len(reply.answer.body)
        if size > self._answers.bytes_max:
            raise ClickHouseError(
                TOO_MUCH,
                f"The answer has {size:,} bytes, {self._answers.bytes_max:,} are sent; ask for less.",
            )
        if not self._answers.take(size):
            raise ClickHouseError(TOO_MANY, "Too many answers wait to be read; ask again later.")
        try:
            found = of_reply(reply, query_id)
            accepted = request.headers.get("accept-encoding", "")
            body, name = await run_in_threadpool(
                compressed, reply.answer.body, accepted, request.query_params
            )
            more = {"Content-Encoding": name} if name else {}
            return Counted(body, found | more, lambda: self._answers.give_back(size))
        except BaseException:
            self._answers.give_back(size)
            raise

    async def _asked(self, request: Request, held: Held) -> Asked:
        large = self._writes and _is_admin(request)
        bytes_max = min(WRITE_BYTES_MAX, self._memory.bytes_max // COPIES) if large else READ_BYTES_MAX
        body = await self._body(request, held, bytes_max, LARGE_BODY_SECONDS if large else BODY_SECONDS)
        if name := _encoding(request.headers.get("content-encoding", ""), writes=large):
            came, room = COPIES * len(body), COPIES * bytes_max
            held.give_back(came)  # For what comes out of it, which may take all the room there is.
            held.take(room)
            body = await run_in_threadpool(inflate, name, body, bytes_max)
            held.give_back(room - COPIES * len(body))
        asked = read(
            request.query_params.multi_items(),
            request.headers,
            body,
            request.headers.get("content-type", ""),
        )
        # A comment must not be ended by an id, so that the name of a statement is ours.
        return named(asked, MADE_UP + uuid.uuid4().hex)

    async def _body(self, request: Request, held: Held, bytes_max: int, seconds: float) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(seconds):
                async for chunk in request.stream():
                    if len(body) + len(chunk) > bytes_max:
                        raise ClickHouseError(
                            TOO_LARGE, f"More than {bytes_max:,} bytes came; send less at once."
                        )
                    held.take(COPIES * len(chunk))
                    body += chunk
        except TimeoutError:
            raise ClickHouseError(
                TIMEOUT, f"The body was not complete after {seconds:g} s; send less at once."
            ) from None
        return bytes(body)

    async def _reply(self, asked: Asked, request: Request) -> Reply:
        admin = _is_admin(request)
        work = asyncio.ensure_future(run_in_threadpool(self._desk.answer, asked, admin=admin))
        while not (await asyncio.wait({work}, timeout=WATCH_SECONDS))[0]:
            if not admin and await request.is_disconnected():
                await run_in_threadpool(self._desk.stop, asked)
        return work.result()


def _encoding(header: str, *, writes: bool) -> str:
    """Return the encoding of a body; refuse others with what to do, for clients choose one to insert."""
    try:
        return encoding(header)
    except RefusedError as refused:
        what = "With clickhouse-connect: get_client(..., compress='gzip')." if writes else NO_WRITING
        raise RefusedError(refused.status, refused.reason, f"{refused} {what}") from None


def _is_admin(request: Request) -> bool:
    # What a GET asks for only reads, as with ClickHouse: a link must not change anything.
    return request.method == "POST" and ADMIN in request.state.caller.scopes

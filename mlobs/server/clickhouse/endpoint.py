"""The routes that speak ClickHouse's HTTP interface: /clickhouse/ and /clickhouse/ping."""

import asyncio
import uuid
from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from mlobs.server.access.routes import GuardedRoute, route
from mlobs.server.access.scopes import ADMIN, OPEN, READ
from mlobs.server.clickhouse.answers import compressed, headers, of_error, of_reply
from mlobs.server.clickhouse.asked import Asked, read
from mlobs.server.clickhouse.desk import Desk, Reply, named
from mlobs.server.clickhouse.refusal import BAD_ARGUMENTS, TOO_LARGE, ClickHouseError
from mlobs.server.receive.encodings import encoding, inflate
from mlobs.server.receive.refusals import RefusedError

PATH = "/clickhouse"
READ_BYTES_MAX = 512 << 10
WRITE_BYTES_MAX = 256 << 20
WATCH_SECONDS = 0.2
MADE_UP = "mlobs_"  # Begins the ids of statements whose client gave none.


class Endpoint:
    """Answers requests.

    Args:
        desk: Runs statements.
        writes: Whether bodies may be large, as those of INSERT are.
    """

    def __init__(self, desk: Desk, *, writes: bool) -> None:
        self._desk = desk
        self._bytes_max = WRITE_BYTES_MAX if writes else READ_BYTES_MAX

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
        query_id = request.query_params.get("query_id", "")
        try:
            asked = await self._asked(request)
            query_id = query_id or asked.id
            reply = await self._reply(asked, request)
        except ClickHouseError as error:
            body = b"" if request.method == "HEAD" else error.text().encode(errors="replace")
            return Response(body, error.status, headers=of_error(error, query_id))
        found = of_reply(reply, query_id)
        body, name = await run_in_threadpool(
            compressed,
            reply.answer.body,
            request.headers.get("accept-encoding", ""),
            request.query_params,
        )
        return Response(body, headers=found | ({"Content-Encoding": name} if name else {}))

    async def _asked(self, request: Request) -> Asked:
        body = await self._body(request)
        try:
            if name := encoding(request.headers.get("content-encoding", "")):
                body = await run_in_threadpool(inflate, name, body, self._bytes_max)
        except RefusedError as refused:
            raise ClickHouseError(BAD_ARGUMENTS, str(refused)) from refused
        asked = read(
            request.query_params.multi_items(),
            request.headers,
            body,
            request.headers.get("content-type", ""),
        )
        # A comment must not be ended by an id, so that the name of a statement is ours.
        return named(asked, MADE_UP + uuid.uuid4().hex)

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._bytes_max:
                raise ClickHouseError(
                    TOO_LARGE, f"More than {self._bytes_max:,} bytes came; send less at once."
                )
        return bytes(body)

    async def _reply(self, asked: Asked, request: Request) -> Reply:
        # What a GET asks for only reads, as with ClickHouse: a link must not change anything.
        admin = request.method == "POST" and ADMIN in request.state.caller.scopes
        work = asyncio.ensure_future(run_in_threadpool(self._desk.answer, asked, admin=admin))
        while not (await asyncio.wait({work}, timeout=WATCH_SECONDS))[0]:
            if not admin and await request.is_disconnected():
                await run_in_threadpool(self._desk.stop, asked)
        return work.result()

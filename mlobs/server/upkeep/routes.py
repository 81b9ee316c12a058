"""POST /api/delete and POST /api/backup, for whoever may administer the server."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from mlobs.errors import PayloadError
from mlobs.server.access import GuardedRoute, route
from mlobs.server.access.scopes import ADMIN
from mlobs.server.store import Store
from mlobs.server.upkeep.backup import Backup
from mlobs.server.upkeep.deletion import among, delete

BODY_BYTES_MAX = 10_000
WANTED = '{"trace": "ID"}, {"session": "ID"} or {"user": "ID"}'


def upkeep_routes(
    store: Store,
    drain: Callable[[], None],
    set_aside: Callable[[], int],
    pauses: Sequence[AbstractContextManager[Any]],
) -> list[GuardedRoute]:
    """Return the routes.

    Args:
        store: Whose rows are deleted and copied.
        drain: Waits until everything acknowledged is in the store.
        set_aside: How many segments the store refused; nobody looks into those.
        pauses: Entered to keep the store as it is for a moment.
    """

    async def remove(request: Request) -> Response:
        if store.sharded:
            raise PayloadError(
                "The tables are on a cluster, and deleting here would reach one shard only. "
                "Run ALTER TABLE ... ON CLUSTER ... DELETE there."
            )
        what, value = await _asked(request)

        tells: Mapping[str, Callable[..., Any]] = request.app.state.tells
        traces, forget = tells.get("alert_traces"), tells.get("forget_alerts")

        def work() -> dict[str, int]:
            drain()
            with store.writing() as connection:
                going = among(connection, what, value, traces()) if traces else []
                report = delete(connection, what, value)
            return report | ({"alerts": forget(what, value, going)} if forget else {})

        report = await run_in_threadpool(work)
        return JSONResponse({"deleted": report, "segments_set_aside": set_aside()})

    async def back_up(_: Request) -> Response:
        def work() -> Backup:
            drain()
            return Backup(store, list(pauses))

        backup = await run_in_threadpool(work)
        return _Sent(backup)

    return [
        route("/api/delete", remove, scope=ADMIN, methods=["POST"]),
        route("/api/backup", back_up, scope=ADMIN, methods=["POST"]),
    ]


class _Sent(StreamingResponse):
    """Sends a backup, and closes it however that ends: also when nobody took the first byte."""

    def __init__(self, backup: Backup) -> None:
        super().__init__(backup.chunks(), media_type="application/x-tar")
        self._backup = backup

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await run_in_threadpool(self._backup.close)


async def _asked(request: Request) -> tuple[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise PayloadError(f"More than {BODY_BYTES_MAX} bytes came; {WANTED} was expected.")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or len(given) != 1 or not isinstance(next(iter(given.values())), str):
        raise PayloadError(f"{body[:60].decode(errors='replace')!r} came; {WANTED} was expected.")
    [(what, value)] = given.items()
    return str(what), value

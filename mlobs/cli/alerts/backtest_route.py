"""The server's route for replaying rules over what it has stored."""

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mlobs.alerts.replay.asking import WANTED, AbandonedError, chosen, read_wanted
from mlobs.cli.alerts.bodies import read_body
from mlobs.cli.alerts.later import STARTING, later
from mlobs.errors import QueryError, RuleError, SettingError
from mlobs.server.access.routes import GuardedRoute, route
from mlobs.server.access.scopes import READ

if TYPE_CHECKING:
    from mlobs.alerts.alerting import Alerting

BACKTEST = "/api/alerts/backtest"
BODY_BYTES_MAX = 2_000_000


def backtest_route(alerting: Callable[[], "Alerting | None"]) -> GuardedRoute:
    """Return the route.

    Args:
        alerting: Returns whose rules and store they are; None while the server is starting.
    """
    running = threading.Lock()  # One at a time: each may use a whole core.

    def replay(found: "Alerting", body: bytes, is_abandoned: Callable[[], bool]) -> Response:
        if not running.acquire(blocking=False):
            return later("Another backtest runs; ask again when it is over.")
        try:
            wanted = read_wanted(body)
            rules = chosen(wanted, found.watch.rules, found.watch.packaged)
            return JSONResponse(found.backtest(wanted, rules, is_abandoned))
        except (RuleError, SettingError) as error:
            raise QueryError(str(error)) from None
        except AbandonedError:
            return later("Nobody waited for the backtest.")
        finally:
            running.release()

    async def backtest(request: Request) -> Response:
        body = await read_body(request, WANTED, BODY_BYTES_MAX)
        found = alerting()
        if found is None:
            return later(STARTING)
        gone = threading.Event()

        async def watch() -> None:
            await request.receive()  # The body is read, so what comes is that the client has left.
            gone.set()

        watching = asyncio.create_task(watch())
        try:
            return await run_in_threadpool(replay, found, body, gone.is_set)
        finally:
            watching.cancel()

    return route(BACKTEST, backtest, scope=READ, methods=["POST"])

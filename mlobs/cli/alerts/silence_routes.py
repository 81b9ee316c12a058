"""The server's routes for silences, for who takes an alert on or ends it, and for what has fired."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mlobs.alerts.receive import by_hand
from mlobs.alerts.silencing import TAKEN_WANTED, WANTED
from mlobs.cli.alerts.bodies import read_body, read_object
from mlobs.cli.alerts.later import STARTING, later
from mlobs.cli.alerts.shown import doubted
from mlobs.server.access.routes import GuardedRoute, route
from mlobs.server.access.scopes import ADMIN, READ

if TYPE_CHECKING:
    from mlobs.alerts.alerting import Alerting

SILENCES, TAKEN, HISTORY = "/api/alerts/silences", "/api/alerts/taken", "/api/alerts/history"
ENDED = "/api/alerts/ended"
ENDED_WANTED = '{"who": "NAME"} was wanted'


def silence_routes(alerting: "Callable[[], Alerting | None]") -> list[GuardedRoute]:
    """Return the routes.

    Args:
        alerting: Returns whose silences they are; None while the server is starting.
    """

    def answered(act: "Callable[[Alerting], Any]") -> Response:
        found = alerting()
        if found is None:
            return later(STARTING)
        return JSONResponse(act(found))

    def silences(_: Request) -> Response:
        return answered(lambda found: {"silences": doubted(found, found.silencing.listed()["silences"])})

    def history(_: Request) -> Response:
        return answered(lambda found: {"episodes": found.past()["episodes"]})

    async def silence(request: Request) -> Response:
        given = read_object(await read_body(request, WANTED), WANTED)
        return await run_in_threadpool(
            answered, lambda found: doubted(found, [found.silencing.silence(given)])[0]
        )

    async def end(request: Request) -> Response:
        given = read_object(await read_body(request, ENDED_WANTED) or b"{}", ENDED_WANTED)
        who, silence_id = str(given.get("who") or ""), request.path_params["silence_id"]
        return await run_in_threadpool(answered, lambda found: found.silencing.end(silence_id, who))

    async def take_on(request: Request) -> Response:
        given = read_object(await read_body(request, TAKEN_WANTED), TAKEN_WANTED)
        return await run_in_threadpool(answered, lambda found: found.silencing.take_on(given))

    async def end_alert(request: Request) -> Response:
        given = read_object(await read_body(request, by_hand.WANTED), by_hand.WANTED)
        return await run_in_threadpool(answered, lambda found: found.by_hand.end(given))

    return [
        route(SILENCES, silences, scope=READ),
        route(SILENCES, silence, scope=ADMIN, methods=["POST"]),
        route(f"{SILENCES}/{{silence_id}}/end", end, scope=ADMIN, methods=["POST"]),
        route(TAKEN, take_on, scope=ADMIN, methods=["POST"]),
        route(ENDED, end_alert, scope=ADMIN, methods=["POST"]),
        route(HISTORY, history, scope=READ),
    ]

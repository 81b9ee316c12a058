"""The server's routes for deliveries: what became of them, and putting dead letters back."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mlobs.alerts.desk import REDRIVE_WANTED, Desk
from mlobs.cli.alerts.bodies import read_body
from mlobs.cli.alerts.later import STARTING, later
from mlobs.server.access.routes import GuardedRoute, route
from mlobs.server.access.scopes import ADMIN, READ

DELIVERIES, REDRIVE = "/api/alerts/deliveries", "/api/alerts/redrive"


def desk_routes(desk: Callable[[], Desk | None]) -> list[GuardedRoute]:
    """Return the routes.

    Args:
        desk: Returns who answers; None while the server is starting.
    """

    def deliveries(request: Request) -> Response:
        found = desk()
        return later(STARTING) if found is None else JSONResponse(found.deliveries(request.query_params))

    async def redrive(request: Request) -> Response:
        body = await read_body(request, REDRIVE_WANTED)
        found = desk()
        if found is None:
            return later(STARTING)
        return JSONResponse(await run_in_threadpool(found.redrive, body))

    return [
        route(DELIVERIES, deliveries, scope=READ),
        route(REDRIVE, redrive, scope=ADMIN, methods=["POST"]),
    ]

"""The web application: receivers, answers, and the guard that every request passes."""

from collections.abc import Callable, Sequence

from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.registry import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from mlobs.errors import MlobsError
from mlobs.server.access.guard import Guard
from mlobs.server.access.middleware import Guarded, guarded
from mlobs.server.access.routes import route
from mlobs.server.access.scopes import INGEST
from mlobs.server.api import ROUTES, Families, sentence
from mlobs.server.clickhouse.front import Front
from mlobs.server.counts import Counts
from mlobs.server.pages.handling import message, wants_page
from mlobs.server.pages.login import Visitor
from mlobs.server.receive.http import Endpoint
from mlobs.server.receive.receiver import Receiver
from mlobs.server.store import Store


def create_app(
    receivers: Sequence[Receiver],
    store: Store,
    counts: Counts,
    failures: Callable[[], dict[str, str]],
    refresh: Callable[[], None],
    routes: Sequence[BaseRoute] = (),
    *,
    guard: Guard,
) -> Starlette:
    """Return the application.

    Args:
        receivers: One for each signal.
        store: Answers questions.
        counts: What /metrics shows of the server itself.
        failures: What is wrong now, by part; empty when all is well.
        refresh: Called before /metrics is written, to set gauges in `counts`.
        routes: More routes, made by `access.route`. Handlers find the store in `request.app.state.store`.
        guard: Knows the tokens.

    Raises:
        TypeError: A route does not say which scope it needs.
    """
    every = guarded(
        [
            *(
                route(f"/v1/{one.signal}", Endpoint(one).receive, scope=INGEST, methods=["POST"])
                for one in receivers
            ),
            *ROUTES,
            *routes,
        ]
    )
    app = Starlette(
        routes=every,
        middleware=[
            Middleware(Front),
            Middleware(Visitor),
            Middleware(Guarded, guard=guard, routes=every, counts=counts),
        ],
        exception_handlers={HTTPException: _http_error, MlobsError: _deliberate_error, Exception: _mistake},
    )
    app.state.store = store
    app.state.guard = guard
    app.state.counts = counts
    app.state.tells = {}
    app.state.failures = failures
    app.state.registry = CollectorRegistry(auto_describe=False)
    app.state.registry.register(Families(store, counts, refresh))
    ProcessCollector(registry=app.state.registry)
    PlatformCollector(registry=app.state.registry)
    return app


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else ""
    if wants_page(request):
        return message(
            request, status, detail or "This cannot be answered", "There is no page at this address."
        )
    return JSONResponse({"error": detail, "status": status}, status)


async def _deliberate_error(_request: Request, error: Exception) -> Response:
    return sentence(error)


async def _mistake(request: Request, _error: Exception) -> Response:
    sentence = "The server made a mistake; its log has the details."
    if wants_page(request):
        return message(request, 500, "A mistake", sentence)
    return JSONResponse({"error": sentence, "status": 500}, 500)

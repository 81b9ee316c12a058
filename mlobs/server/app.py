"""The web application: receivers, answers, and what every request passes through.

Requests whose Host is not this machine's loopback are refused, so that a web page which makes
its own name point at 127.0.0.1 cannot read traces through a visitor's browser.
"""

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from prometheus_client.registry import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mlobs.errors import MlobsError
from mlobs.server.api import ROUTES, Families, sentence
from mlobs.server.counts import Counts
from mlobs.server.receivers import Receiver
from mlobs.server.store import Store

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class LoopbackOnly:
    """Lets requests through that were addressed to this machine by a loopback name."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        host = next((value for name, value in scope.get("headers", ()) if name == b"host"), b"")
        if scope["type"] == "http" and _hostname(host.decode("latin-1")) not in LOOPBACK:
            refusal = "The Host header names another machine; only 127.0.0.1 and localhost are served."
            await JSONResponse({"error": refusal, "status": 403}, 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def create_app(
    receivers: Sequence[Receiver],
    store: Store,
    counts: Counts,
    failures: Callable[[], dict[str, str]],
    refresh: Callable[[], None],
    routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """Return the application.

    Args:
        receivers: One for each signal.
        store: Answers questions.
        counts: What /metrics shows of the server itself.
        failures: What is wrong now, by part; empty when all is well.
        refresh: Called before /metrics is written, to set gauges in `counts`.
        routes: More routes. Handlers find the store in `request.app.state.store`.
    """
    app = Starlette(
        routes=[
            *(Route(f"/v1/{receiver.signal}", receiver.receive, methods=["POST"]) for receiver in receivers),
            *ROUTES,
            *routes,
        ],
        middleware=[Middleware(LoopbackOnly)],
        exception_handlers={HTTPException: _http_error, MlobsError: _deliberate_error, Exception: _mistake},
    )
    app.state.store = store
    app.state.failures = failures
    app.state.registry = CollectorRegistry(auto_describe=False)
    app.state.registry.register(Families(store, counts, refresh))
    return app


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else ""
    return JSONResponse({"error": detail, "status": status}, status)


async def _deliberate_error(_request: Request, error: Exception) -> Response:
    return sentence(error)


async def _mistake(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "The server made a mistake; its log has the details.", "status": 500}, 500)

"""The one layer in front of every route.

A request goes on when its token may use the route that it would come to. A path without a route
needs a token like any other, so that nobody finds out from outside what there is.

Without tokens the server is for this machine only: a request must be addressed to it by a
loopback name, so that a web page which makes its own name point at 127.0.0.1 cannot read traces
through a visitor's browser. With and without, a page of another site cannot make a browser
change anything here.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from mlobs.semconv import metrics as m
from mlobs.server.access.guard import Guard
from mlobs.server.access.routes import GuardedRoute
from mlobs.server.access.scopes import ADMIN, INGEST, READ
from mlobs.server.counts import Counts
from mlobs.server.receive.refusals import RefusedError, answer

LOOPBACK = ("127.0.0.1", "localhost", "::1")
HARMLESS = ("GET", "HEAD", "OPTIONS")
OWN_SITE = ("same-origin", "none")
API = "api"  # Stands for the signal where refused requests are counted.


class Guarded:
    """Lets requests through that may come in.

    Args:
        app: What answers them.
        guard: Knows the tokens.
        routes: Of the application.
        counts: Where refusals are counted.
    """

    def __init__(self, app: ASGIApp, guard: Guard, routes: Sequence[BaseRoute], counts: Counts) -> None:
        self._app = app
        self._guard = guard
        self._routes = routes
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its caller in `request.state.caller`, or refuse it."""
        if scope["type"] != "http":
            return  # Nothing here speaks anything else.
        headers = Headers(scope=scope)
        route = _route(self._routes, scope)
        needed = READ if route is None else getattr(route, "scope", ADMIN)
        try:
            self._check_host(headers)
            _check_site(scope["method"], headers)
            caller = self._guard.admit(headers.get("authorization", ""), needed)
        except RefusedError as refused:
            ingest = needed == INGEST
            self._counts.add(m.SERVER_REFUSED, _signal(scope) if ingest else API, refused.reason)
            refusal = answer(refused, headers.get("content-type", "") if ingest else "")
            await refusal(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        if not self._guard.asks and _hostname(headers.get("host", "")) not in LOOPBACK:
            raise RefusedError(
                403, "host", "The Host header names another machine; only 127.0.0.1 and localhost are served."
            )


def guarded(routes: Sequence[BaseRoute]) -> list[BaseRoute]:
    """Return the routes if each of them says which scope it needs.

    Raises:
        TypeError: One does not.
    """
    for route in routes:
        if not isinstance(route, GuardedRoute):
            raise TypeError(f"{route!r} has no scope; make it with mlobs.server.access.route.")
    return list(routes)


def _route(routes: Sequence[BaseRoute], scope: Scope) -> BaseRoute | None:
    """Return the route that a request would come to, or the one that refuses its method."""
    found = None
    for route in routes:
        match, _ = route.matches(scope)
        if match is Match.FULL:
            return route
        if match is Match.PARTIAL and found is None:
            found = route
    return found


def _signal(scope: Scope) -> str:
    return str(scope["path"]).rpartition("/")[2]


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _check_site(method: str, headers: Headers) -> None:
    """Refuse what a browser sends for a page of another site, unless it only reads.

    The page cannot read the answer, but what was asked would be done all the same.
    """
    if method in HARMLESS:
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    foreign = site not in OWN_SITE if site else origin and not _same(origin, headers.get("host", ""))
    if foreign:
        raise RefusedError(403, "site", "A page of another site asked for this; only this server's may.")


def _same(origin: str, host: str) -> bool:
    return origin.partition("://")[2].lower() == host.lower()

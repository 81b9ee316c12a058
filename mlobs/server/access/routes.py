"""Routes that say which scope a request needs."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mlobs.server.access.scopes import OPEN, SCOPES

Handler = Callable[[Request], Awaitable[Response] | Response]


class GuardedRoute(Route):
    """A route with a scope; made by `route`."""

    def __init__(self, path: str, handler: Handler, *, scope: str, **given: Any) -> None:
        super().__init__(path, handler, **given)
        self.scope = scope


def route(path: str, handler: Handler, *, scope: str, methods: Sequence[str] = ("GET",)) -> GuardedRoute:
    """Return a route.

    Args:
        path: As Starlette writes it, such as /api/traces/{trace_id}.
        handler: Takes the request and returns the answer.
        scope: ingest, read or admin, for all of `methods`; open for what needs no token. What
            changes or deletes something is admin.
        methods: HEAD comes with GET.

    Raises:
        ValueError: There is no such scope.
    """
    if scope not in {*SCOPES, OPEN}:
        raise ValueError(f"scope={scope!r} came for {path}; {', '.join(SCOPES)} or {OPEN} is wanted.")
    return GuardedRoute(path, handler, scope=scope, methods=list(methods))

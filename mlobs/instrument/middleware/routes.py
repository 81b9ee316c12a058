"""Finds the route of a request, such as `/items/{id}`: few names, whatever paths are asked for.

Frameworks leave it where a middleware can read it once they have chosen it. None is imported.
"""

import sys
from collections.abc import Mapping
from typing import Any

_LAYERS_MAX = 8  # of middlewares around a Django handler


def asgi_route(scope: Mapping[str, Any]) -> str | None:
    """Return the route that Starlette or FastAPI wrote into the scope."""
    route: Any = scope.get("route")
    chosen: Any = (scope.get("fastapi") or {}).get("effective_route_context")
    if chosen is not None and getattr(chosen, "original_route", None) is route:
        route = getattr(chosen, "starlette_route", None) or chosen  # knows the prefix of its router
    path: Any = getattr(route, "path_format", None)
    if not isinstance(path, str):
        return None
    root = str(scope.get("root_path") or "").rstrip("/")
    own = set(getattr(route, "param_convertors", ()))
    if hasattr(route, "routes"):  # a mounted app that has no routes we know: the root path holds the mount
        own, path = set(), "/{path}"
    outer = {name: value for name, value in (scope.get("path_params") or {}).items() if name not in own}
    return f"{_unfilled(root, outer)}{path}"


def wsgi_route(environ: Mapping[str, Any]) -> str | None:
    """Return the route that Flask, or another framework on werkzeug, chose."""
    rule: Any = getattr(getattr(environ.get("werkzeug.request"), "url_rule", None), "rule", None)
    return f"{str(environ.get('SCRIPT_NAME') or '').rstrip('/')}{rule}" if isinstance(rule, str) else None


def is_django(app: object) -> bool:
    """Return whether `app` is Django's handler, perhaps inside other middlewares."""
    handlers: Any = sys.modules.get("django.core.handlers.base")
    for _ in range(_LAYERS_MAX):
        if handlers is None or app is None:
            return False
        if isinstance(app, handlers.BaseHandler):
            return True
        app = getattr(app, "application", None) or getattr(app, "app", None)
    return False


def django_route(path: str, root: str) -> str | None:
    """Return the route Django has for a path.

    Args:
        path: With `root`.
        root: Where the application is mounted; "" where it is not.
    """
    urls: Any = sys.modules["django.urls"]
    try:
        found = urls.resolve(path.removeprefix(root.rstrip("/")) or "/")
    except urls.Resolver404:
        return None
    return f"{root.rstrip('/')}/{str(found.route).lstrip('/')}"


def _unfilled(root: str, values: Mapping[str, object]) -> str:
    """Put the parameters of a mount, as in `/{tenant}`, back where their values stand."""
    names = {str(value): name for name, value in values.items()}
    return "/".join(f"{{{names[part]}}}" if part and part in names else part for part in root.split("/"))

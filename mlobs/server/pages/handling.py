"""The route of a page. A view is a plain function that may ask the store; it runs in a thread.

What goes wrong becomes a page that says what, and what to do: a question that cannot be read, a store that
is busy or gone, which the page asks again by itself.
"""

from collections.abc import Callable, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from mlobs.errors import PayloadError, QueryError, StoreError
from mlobs.server.access.routes import GuardedRoute, route
from mlobs.server.access.scopes import READ
from mlobs.server.ask import asked
from mlobs.server.engine import EngineError
from mlobs.server.pages.compression import compressed
from mlobs.server.pages.rendering import render

View = Callable[[Request], Response]
AGAIN_SECONDS = 5


def page(path: str, view: View) -> GuardedRoute:
    """Return the route of a page.

    Args:
        path: As Starlette writes it.
        view: Its first line of documentation says what the page is; it is run in a thread.
    """

    async def handler(request: Request) -> Response:
        try:
            return await run_in_threadpool(lambda: compressed(request.headers, view(request)))
        except (QueryError, PayloadError) as error:
            if is_busy(error):
                return busy(request, error)
            return message(request, 400, "This cannot be asked", str(error))
        except StoreError as error:
            return busy(request, error)

    handler.__doc__ = view.__doc__
    handler.__name__ = view.__name__
    return route(path, handler, scope=READ)


def parameters(request: Request, known: Sequence[str]) -> dict[str, str]:
    """Return the parameters of a page that have a value.

    Args:
        request: What was asked.
        known: The parameters that the page has.

    Raises:
        PayloadError: Another came, or one twice.
    """
    found = {name: text for name, text in asked.once(request.query_params.multi_items()).items() if text}
    asked.known(found, known)
    return found


def told(request: Request, about: str) -> Callable[..., Any] | None:
    """Return how another part of the server tells of itself; None where it is not there.

    Args:
        request: What was asked.
        about: Of what: alerts, drift and their parts.
    """
    tells: dict[str, Callable[..., Any]] = request.app.state.tells
    return tells.get(about)


def is_busy(error: Exception) -> bool:
    """Return whether the store could not answer, where the question itself is well."""
    return isinstance(error, StoreError) or isinstance(error.__cause__, EngineError)


def wants_page(request: Request) -> bool:
    """Return whether a person waits for a page, and not a program for data."""
    return request.method == "GET" and request.headers.get("accept", "").startswith("text/html")


def busy(request: Request, error: Exception) -> Response:
    """Return the page for a store that does not answer now; it asks again by itself."""
    return message(request, 503, "The store does not answer", str(error), again_s=AGAIN_SECONDS)


def message(
    request: Request,
    status: int,
    title: str,
    sentence: str,
    *,
    checks: tuple[str, ...] = (),
    again_s: int = 0,
) -> Response:
    """Return a page with a sentence.

    Args:
        request: What was asked.
        status: Of the answer.
        title: What happened.
        sentence: More of it.
        checks: What the reader may look at.
        again_s: After how many seconds the page asks again; 0 for never.
    """
    return render(
        request,
        "message.html",
        status=status,
        title=title,
        sentence=sentence,
        checks=checks,
        again_s=again_s,
        section="",
    )

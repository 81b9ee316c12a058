"""What the middlewares of HTTP servers have in common: their options, and whom a request is for.

Edge: it reads the OpenTelemetry context and writes on its spans.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from mlobs import _guard
from mlobs.errors import SettingError
from mlobs.instrument.baggage import VALUE_CHARACTERS_MAX, opened, session_in
from mlobs.instrument.context import Session
from mlobs.instrument.recorders import active, discover
from mlobs.semconv import attributes as a

MARK = "mlobs.request"  # in the scope or environ of a request that has a middleware of ours already

Who = str | Callable[[Any], object] | None
"""The name of a header, or a function of the scope or environ that returns the id or None."""

_METHODS = {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}


@dataclass(frozen=True, slots=True)
class Options:
    """What a middleware was told.

    Args:
        session: Where a request's session id is found.
        user: Where its user is found.
        paths: Paths that are left out.
        beginnings: What other paths that are left out begin with.
    """

    session: Who
    user: Who
    paths: frozenset[str]
    beginnings: tuple[str, ...]

    def leave_out(self, path: str) -> bool:
        """Return whether requests of `path` have no spans."""
        return path in self.paths or path.startswith(self.beginnings)

    def session_of(self, request: Any, header: Callable[[str], str | None]) -> Session | None:
        """Return whom a request is for, as far as the options say.

        Args:
            request: Its scope or environ.
            header: Returns the header of a name, or None.
        """
        session, user = (
            _one(who, doing, request, header)
            for who, doing in ((self.session, "finding a request's session"), (self.user, "finding its user"))
        )
        return None if session is None and user is None else Session(session, user)


def read_options(middleware: str, session: Who, user: Who, exclude: Iterable[str]) -> Options:
    """Check and return a middleware's options.

    Raises:
        SettingError: One of them cannot be used.
    """
    for name, who in (("session", session), ("user", user)):
        if not (who is None or isinstance(who, str) or callable(who)):
            raise SettingError(
                f"{middleware}({name}={who!r}) cannot be used: the name of a header was expected, or a "
                f"function that is given the request and returns the id."
            )
    paths = [exclude] if isinstance(exclude, str) else list(exclude)
    for path in paths:
        if not (isinstance(path, str) and path.startswith("/")):
            raise SettingError(
                f"{middleware}(exclude={exclude!r}) cannot be used: {path!r} is no path. "
                f"Give paths such as '/healthz', or '/static/*' for all that begin with it."
            )
    whole = frozenset(path for path in paths if not path.endswith("*"))
    return Options(session, user, whole, tuple(path[:-1] for path in paths if path.endswith("*")))


def off() -> bool:
    """Return whether nobody would take a span."""
    return active.recorder is None and discover() is None


def entered(session: Session | None, span: Span, context: Context) -> Context:
    """Return `context` inside the session of a request, whose server span learns of it too."""
    try:
        carried = session_in(context)
        if session is None and carried is None:
            return context
        inside = opened(session or Session(), context)
        whole = session_in(inside)
        if whole is not None and span.is_recording():
            known = {a.SESSION_ID.name: whole.id, a.USER_ID.name: whole.user}
            span.set_attributes({key: value for key, value in known.items() if value is not None})
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("entering a request's session")
        return context
    return inside


def serves(span: Span) -> bool:
    """Return whether `span` is a server's."""
    return getattr(span, "kind", None) is SpanKind.SERVER and span.is_recording()


def method_of(request_method: object) -> str:
    """Return the method as a span's name has it: of a stranger's words there is no end."""
    return request_method if isinstance(request_method, str) and request_method in _METHODS else "HTTP"


def name(span: Span, method: str, route: str | None) -> None:
    """Name a server span by its route."""
    if route is not None and span.is_recording():
        span.set_attribute(a.HTTP_ROUTE.name, route)
        span.update_name(f"{method} {route}")


def ended(span: Span, state: str) -> None:
    """Note that a request came to no end of its own; that is no error."""
    if span.is_recording():
        span.set_attribute(a.CALL_STATE.name, state)


def _one(who: Who, doing: str, request: Any, header: Callable[[str], str | None]) -> str | None:
    try:
        found = header(who) if isinstance(who, str) else who(request) if who is not None else None
        return _id(found)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed(doing)
        return None


def _id(found: object) -> str | None:
    if found is None or isinstance(found, str | int):
        text = "" if found is None else str(found)[:VALUE_CHARACTERS_MAX]
        return text or None
    close = getattr(found, "close", None)
    if callable(close):
        close()  # a coroutine would complain that nobody awaited it
    raise TypeError(f"a str or None was expected, not {type(found).__name__}")

"""`mlobs.wsgi`: a server span for each request of a WSGI app, and its session for the calls inside.

Edge: it reads the OpenTelemetry context. The span is made by opentelemetry-instrumentation-wsgi.

Why no context is held while a response is read: OpenTelemetry's middleware attaches its own until
the response was read to its end, so a response that never is would make the thread's next
request a part of it.
"""

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, get_current_span

from mlobs import _guard
from mlobs._extras import require
from mlobs.instrument.content.redaction import redact_query, redact_url
from mlobs.instrument.context import current, restore, switch
from mlobs.instrument.middleware.requests import (
    MARK,
    Who,
    ended,
    entered,
    method_of,
    name,
    off,
    read_options,
    serves,
)
from mlobs.instrument.middleware.routes import django_route, is_django, wsgi_route
from mlobs.instrument.propagation import bounded, configured
from mlobs.semconv import attributes as a

Environ = MutableMapping[str, Any]
Start = Callable[..., Any]
App = Callable[[Any, Any], Iterable[bytes]]


class wsgi:  # noqa: N801 # read as a verb: mlobs.wsgi(app)
    """A WSGI app with a server span for each request: `app.wsgi_app = mlobs.wsgi(app.wsgi_app)`.

    Spans are named by route. A stream's span ends when it was read to its end or closed.

    Args:
        app: The app.
        session: Where a request's session id is found: the name of a header, or a function of the
            environ. Without it, the session that the caller's baggage names.
        user: Likewise, for whom the request is made.
        exclude: Paths without spans: `("/healthz", "/static/*")`.

    Raises:
        SettingError: An option cannot be used.
        MissingExtraError: The extra `web` is not installed.
    """

    def __init__(
        self, app: App, *, session: Who = None, user: Who = None, exclude: Iterable[str] = ()
    ) -> None:
        self.app = app
        self.options = read_options("mlobs.wsgi", session, user, exclude)
        theirs = require("opentelemetry.instrumentation.wsgi", extra="web", feature="mlobs.wsgi")
        self._traced: Any = theirs.OpenTelemetryMiddleware(_inside)

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        """Handle a request."""
        path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
        if MARK in environ or off() or self.options.leave_out(path):
            return self.app(environ, start_response)
        request = _Request(self, environ, start_response)
        environ[MARK] = True
        outer = current()
        span = get_current_span()
        try:
            if serves(span):
                return _Body(request.run(span, start_response), request)
            try:
                body = self._traced({**_shown(environ), MARK: request}, start_response)
            except Exception:
                if request.begun:
                    raise
                _guard.failed("starting a request's span")
                return self.app(environ, start_response)
            return _Body(body, request)
        finally:
            restore(outer)


def _inside(shown: Environ, start_response: Start) -> Iterable[bytes]:
    """Run the app inside the span that OpenTelemetry's middleware made."""
    request: _Request = shown[MARK]
    span = get_current_span()
    request.ours = True
    span.update_name(request.method)
    return request.run(span, start_response)


class _Request:
    """One request on its way through the app."""

    span: Span
    context: Context
    begun = False
    ours = False
    named = False
    body: Iterable[bytes] = ()

    def __init__(self, middleware: wsgi, environ: Environ, start_response: Start) -> None:
        self.middleware = middleware
        self.environ = environ
        self.start_response = start_response
        self.method = method_of(environ.get("REQUEST_METHOD"))
        # An app further in may move the border between the two.
        self.root, self.path = str(environ.get("SCRIPT_NAME", "")), str(environ.get("PATH_INFO", ""))

    def run(self, span: Span, start_response: Start) -> Iterable[bytes]:
        """Run the app inside the server span `span`."""
        self.span, self.begun = span, True
        self.context = self._entered(current())
        switch(self.context)

        def starting(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            self._name()
            # OpenTelemetry's raises on a status that has no words.
            start = start_response if " " in str(status) else self.start_response
            return start(status, headers, *exc_info)

        try:
            self.body = self.middleware.app(self.environ, starting)
        except Exception as error:
            self.failed(error)
            raise
        return _read(self.body, self)

    def left(self) -> None:
        """End the request of which nobody began to read the response."""
        try:
            _close(self.body)
        finally:
            ended(self.span, "abandoned")
            if self.ours:
                self.span.end()

    def failed(self, error: Exception) -> None:
        """Note what left the app; OpenTelemetry's middleware records the rest."""
        self._name()
        if self.ours and self.span.is_recording():
            self.span.set_attribute(a.ERROR_TYPE.name, type(error).__qualname__)

    def _entered(self, outer: Context) -> Context:
        session = self.middleware.options.session_of(self.environ, _header_of(self.environ))
        return entered(session, self.span, outer)

    def _name(self) -> None:
        if not self.ours or self.named:
            return
        self.named = True
        try:
            route = wsgi_route(self.environ)
            if route is None and is_django(self.middleware.app):
                route = django_route(self.path, "")
                route = None if route is None else f"{self.root.rstrip('/')}{route}"
            name(self.span, self.method, route)
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("naming a request")


class _Body:
    """A response that is read inside its request's context, one piece at a time."""

    def __init__(self, body: Iterable[bytes], request: _Request) -> None:
        self._body = body
        self._request = request
        self._context = request.context
        self._reading: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        outside = current()
        switch(self._context)
        try:
            if self._reading is None:
                self._reading = iter(self._body)
            return next(self._reading)
        finally:
            self._context = current()
            restore(outside)

    def close(self) -> None:
        """End the request; the server calls this in any case."""
        outside = current()
        switch(self._context)
        try:
            if self._reading is None:  # nobody began to read: a generator is not told when it is closed
                self._reading = iter(())
                self._request.left()
            else:
                _close(self._body)
        finally:
            restore(outside)


def _read(body: Iterable[bytes], request: _Request) -> Iterator[bytes]:
    """Yield what the app returned; note how the reading ended while the span is open."""
    try:
        for piece in body:  # noqa: UP028 # `yield from` would close `body` by itself, and then we again
            yield piece
    except GeneratorExit:
        ended(request.span, "abandoned")
        raise
    except Exception as error:
        request.failed(error)
        raise
    finally:
        _close(body)


def _close(body: object) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()


def _shown(environ: Environ) -> Environ:
    """Return the environ for OpenTelemetry's middleware, its trace headers and queries as they may be."""
    shown = dict(environ)
    if shown.get("QUERY_STRING"):
        shown["QUERY_STRING"] = redact_query(str(shown["QUERY_STRING"]))
    for key in ("RAW_URI", "REQUEST_URI"):
        if shown.get(key):
            shown[key] = redact_url(str(shown[key]))
    if not str(shown.get("SERVER_PORT", "0")).isdigit():
        shown["SERVER_PORT"] = ""  # the name of a socket, which theirs takes for a number
    propagator = configured()
    fields = [] if propagator is None else list(propagator.fields)
    keys = {field: f"HTTP_{field.upper().replace('-', '_')}" for field in fields}
    headers = bounded([(field, shown.pop(key, None)) for field, key in keys.items()], fields)
    return {**shown, **{keys[field]: texts[0] for field, texts in headers.items() if texts}}


def _header_of(environ: Environ) -> Callable[[str], str | None]:
    return lambda name: environ.get(f"HTTP_{name.upper().replace('-', '_')}")

"""`mlobs.asgi`: a server span for each request of an ASGI app, and its session for the calls inside.

Edge: it reads the OpenTelemetry context. The span is made by opentelemetry-instrumentation-asgi.
Where the request has a server span already (FastAPI makes its own, so does
opentelemetry-instrumentation-fastapi), that one is used.

Why OpenTelemetry's middleware gets a scope of its own: it decodes every header for every one it
looks for, and raises on some that a stranger may send. It is shown the few it reads, bounded, and of
the query what may be recorded: the span may be one of a provider whose exporters are not ours.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from types import SimpleNamespace
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, get_current_span

from mlobs import _guard
from mlobs._extras import require
from mlobs.instrument.baggage import session_in
from mlobs.instrument.content.redaction import redact_query
from mlobs.instrument.context import Session, current, restore, switch
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
from mlobs.instrument.middleware.routes import asgi_route, django_route, is_django
from mlobs.instrument.propagation import arrived, bounded, configured
from mlobs.semconv import attributes as a

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

# Here and not where an app is wrapped: frameworks do that at the first request, and would fail each of them.
_THEIRS = require("opentelemetry.instrumentation.asgi", extra="web", feature="mlobs.asgi")
FAILED = 500  # and what is above it
_READ = (
    "host",
    "user-agent",
    "content-length",
)  # by OpenTelemetry's middleware, besides the propagators' own
# How FastAPI and Starlette tell an app inside an app that its request is traced already.
_TAKEN = {"fastapi.telemetry": None, "starlette.opentelemetry": True}


class asgi:  # noqa: N801 # read as a verb: mlobs.asgi(app)
    """An ASGI app with a server span for each request: `app.add_middleware(mlobs.asgi)`.

    Spans are named by route. A stream's span ends when its last byte was sent, or when the client
    went away, which is no error. Websockets have no span, as they stay open for hours: what is
    called inside begins traces of its own, in the session of the connection.

    FastAPI traces requests by itself. Added to a FastAPI app, the middleware joins the spans it makes;
    put around one, `mlobs.asgi(app)`, it makes the span, and the app's own telemetry is off.

    Args:
        app: The app.
        session: Where a request's session id is found: the name of a header, or a function of the
            scope. Without it, the session that the caller's baggage names.
        user: Likewise, for whom the request is made.
        exclude: Paths without spans: `("/healthz", "/static/*")`.

    Raises:
        SettingError: An option cannot be used.
    """

    def __init__(
        self, app: App, *, session: Who = None, user: Who = None, exclude: Iterable[str] = ()
    ) -> None:
        self.app = app
        self.options = read_options("mlobs.asgi", session, user, exclude)
        self._traced: Any = _THEIRS.OpenTelemetryMiddleware(
            _inside,
            default_span_details=lambda scope: (method_of(scope.get("method")), {}),
            exclude_spans=["receive", "send"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, a websocket or the server's start and end."""
        kind = scope["type"]
        if kind not in {"http", "websocket"} or MARK in scope or off():
            return await self.app(scope, receive, send)
        if self.options.leave_out(scope.get("path", "")):
            return await self.app(scope, receive, send)
        scope[MARK] = True
        span = get_current_span()
        served = serves(span) or getattr(scope.get("fastapi.telemetry"), "span", None) is not None
        for key, taken in _TAKEN.items():
            scope.setdefault(key, taken)
        if kind == "websocket":
            return await self._connected(scope, receive, send, span)
        request = _Request(self, scope, receive, send)
        if served:
            return await request.run(span)
        try:
            await self._traced(self._shown(request), receive, send)
        except Exception:
            if request.begun:
                raise
            _guard.failed("starting a request's span")
            return await self.app(scope, receive, send)
        if request.departure is not None:
            raise request.departure
        return None

    def _shown(self, request: "_Request") -> Scope:
        """Return the scope for OpenTelemetry's middleware."""
        scope = request.scope
        shown: Scope = {**scope, MARK: request}
        try:
            wanted: set[str] = {*_READ}
            propagator = configured()
            if propagator is not None:
                wanted |= propagator.fields
            if self._traced.http_capture_headers_server_request:  # asked for by a variable of theirs
                wanted |= {key.decode("latin-1") for key, _ in scope["headers"]}
            headers = bounded(scope["headers"], wanted)
            shown["headers"] = [(key.encode(), text.encode()) for key in headers for text in headers[key]]
            query = scope.get("query_string", b"").decode("utf-8", "replace")
            shown["query_string"] = redact_query(query).encode()
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("reading a request's headers")
            shown["headers"] = []
        return shown

    def failed(self, span: Span, error: Exception, *, started: bool) -> None:
        """Note on a span of ours what left the app; OpenTelemetry's middleware records the rest.

        Where nothing was sent yet the server answers 500 for the app.
        """
        if not span.is_recording():
            return
        span.set_attribute(a.ERROR_TYPE.name, type(error).__qualname__)
        if not started:
            mode = self._traced._sem_conv_opt_in_mode  # noqa: SLF001 # which names it uses; has no public one
            _THEIRS.set_status_code(span, 500, sem_conv_opt_in_mode=mode)

    async def _connected(self, scope: Scope, receive: Receive, send: Send, span: Span) -> None:
        outer = current()
        try:
            carried = session_in(arrived(scope.get("headers"), outer))
            given = self.options.session_of(scope, _header_of(scope))
            session = carried if given is None else given.within(carried)
            switch(entered(session, span, outer))
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("entering a websocket's session")
        try:
            await self.app(scope, receive, send)
        finally:
            restore(outer)


async def _inside(shown: Scope, _: Receive, send: Send) -> None:
    """Run the app inside the span that OpenTelemetry's middleware made."""
    request: _Request = shown[MARK]
    request.send = send
    try:
        await request.run(get_current_span(), ours=True)
    finally:
        # Their duration metric has the route of this scope.
        shown["route"], shown["root_path"] = SimpleNamespace(path_format=request.route), ""


class _Request:
    """One request on its way through the app."""

    span: Span
    begun = False
    ours = False
    status = 0
    finished = False
    gone = False
    route: str | None = None
    refused: OSError | None = None
    departure: Exception | None = None

    def __init__(self, middleware: asgi, scope: Scope, receive: Receive, send: Send) -> None:
        self.middleware = middleware
        self.scope = scope
        self.receive = receive
        self.send = self.server_send = send

    async def run(self, span: Span, *, ours: bool = False) -> None:
        """Run the app inside the server span `span`; `ours` is one that we name and end."""
        self.span, self.ours, self.begun = span, ours, True
        outer = current()
        switch(self._entered(outer))
        try:
            await self.middleware.app(self.scope, self._receive, self._send)
        except asyncio.CancelledError:
            ended(span, "abandoned" if self.gone else "cancelled")
            raise
        except Exception as error:
            if self._is_departure(error):
                ended(span, "abandoned")
                if not ours:
                    raise
                self.departure = error  # raised again once the span ended
            else:
                if ours:
                    self.middleware.failed(span, error, started=self.status > 0)
                raise
        else:
            if self.gone and self.status and not self.finished:
                ended(span, "abandoned")
                await self._finish()
        finally:
            self._name()
            restore(outer)

    async def _finish(self) -> None:
        """Tell the app's own telemetry that the response is over; else it calls the request an error."""
        if not self.ours:
            try:
                await self.send({"type": "http.response.body", "body": b"", "more_body": False})
            except OSError:
                return

    async def _receive(self) -> Message:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            self.gone = True
        return message

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            self._name()
        elif kind == "http.response.pathsend" or (
            kind == "http.response.body" and not message.get("more_body")
        ):
            self.finished = True
        # OpenTelemetry's ends the span with the last byte. Starlette sends its 500 before it lets an
        # exception go on, which the span is to have.
        send = self.server_send if self.finished and self.status >= FAILED else self.send
        try:
            await send(message)
        except OSError as error:
            self.gone, self.refused, self.finished = True, error, False
            raise

    def _entered(self, outer: Context) -> Context:
        session: Session | None = self.middleware.options.session_of(self.scope, _header_of(self.scope))
        return entered(session, self.span, outer)

    def _name(self) -> None:
        if not self.ours or self.route is not None:
            return
        try:
            self.route = asgi_route(self.scope)
            if self.route is None and is_django(self.middleware.app):
                self.route = django_route(self.scope["path"], self.scope.get("root_path") or "")
            name(self.span, method_of(self.scope.get("method")), self.route)
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("naming a request")

    def _is_departure(self, error: Exception) -> bool:
        """Return whether an exception says no more than that the client went away."""
        if not self.gone:
            return False
        known = (error, error.__context__, error.__cause__)
        refused = self.refused is not None and any(one is self.refused for one in known)
        return refused or type(error).__name__ == "ClientDisconnect"


def _header_of(scope: Scope) -> Callable[[str], str | None]:
    def header(name: str) -> str | None:
        wanted = name.lower().encode("latin-1")
        for key, value in scope["headers"]:
            if key.lower() == wanted:
                text: str = value.decode("latin-1")
                return text
        return None

    return header

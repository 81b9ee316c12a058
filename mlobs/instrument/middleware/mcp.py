"""MCP clients and servers, of the `mcp` package from version 2 on. Edge: it speaks OpenTelemetry.

    mcp.instrument()           # once, in the client's program and in the server's

The package makes spans by itself and carries the trace in `params._meta`; that is adopted. What
it lacks (2.3.0), and is here:

* the client's span has the conventions' name and attributes (theirs: `MCP send tools/call add`),
  and a tool that answers `isError` has failed for the client too;
* a call made inside a tool's own span, `@mlobs.tool` or another instrumentation's, is said on that
  span: one tool call is one `execute_tool`;
* what a server asks of a client (sampling, elicitation, roots) has a SERVER span at the client;
* a cancelled request is `cancelled`; sessions and users are on the spans; notifications of
  nobody's trace make no traces of their own.

Why private names of the package are replaced: it has no public place where an outgoing request
could be watched. They are looked for first; where one is gone, nothing is replaced.
"""

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind

from mlobs import _guard
from mlobs._extras import require
from mlobs.errors import SettingError
from mlobs.instrument.baggage import session_in, with_baggage
from mlobs.instrument.context import current
from mlobs.instrument.middleware.crossing import CLIENT, SERVER, Crossing, begin, origin, share
from mlobs.semconv import attributes as a

TEXT_CHARACTERS_MAX = 256
EXECUTE_TOOL = "execute_tool"
TOOL_ERROR = "tool_error"
INVALID_PARAMS = "-32602"
VERSION_HEADER = "mcp-protocol-version"

_NAMED = {"tools/call": a.TOOL_NAME.name, "prompts/get": a.PROMPT_NAME.name}


def instrument() -> None:
    """Watch the MCP clients and servers of this process. Called again, it does nothing.

    Raises:
        MissingExtraError: mcp is not installed.
        SettingError: The installed version of mcp is not one that can be watched.
    """
    require("mcp", extra="mcp", feature="The MCP middleware")
    try:
        jsonrpc: Any = import_module("mcp.shared.jsonrpc_dispatcher")
        streams: Any = jsonrpc.JSONRPCDispatcher
        direct: Any = import_module("mcp.shared.direct_dispatcher").DirectDispatcher
        client: Any = import_module("mcp.client.session").ClientSession
        server: Any = import_module("mcp.server._otel").OpenTelemetryMiddleware
        sending = [_sending(kind.send_raw_request) for kind in (streams, direct)]
        answering = _answering(client._on_request)  # noqa: SLF001 # see above
        watched = jsonrpc.otel_span is _joined
    except (ImportError, AttributeError) as error:
        raise SettingError(
            f"mcp.instrument() cannot watch this version of the mcp package ({error}); it was made for "
            f"version 2. Install that with: pip install 'mcp>=2.3,<3'."
        ) from None
    if watched:
        return
    jsonrpc.otel_span = _joined
    streams.send_raw_request, direct.send_raw_request = sending
    client._on_request = answering  # noqa: SLF001 # see above
    server.__call__ = _serve


@contextmanager
def _joined(_name: str, *, attributes: Mapping[str, Any] | None = None, **_: Any) -> Iterator[Span]:
    """Stand in for the span the package makes inside ours: hand its request's id to ours."""
    request_id = (attributes or {}).get(a.JSONRPC_REQUEST_ID.name)
    if request_id is not None:
        trace.get_current_span().set_attribute(a.JSONRPC_REQUEST_ID.name, str(request_id))
    yield INVALID_SPAN


def _sending(send: Any) -> Any:
    """Return a dispatcher's `send_raw_request` with a span around it."""

    @functools.wraps(send)
    async def sending(self: Any, method: str, params: Any, opts: Any = None, **more: Any) -> Any:
        crossing, ours = _begin_request(method, params, opts)
        crossing.context = _with_session(crossing.context)
        try:
            with crossing.inside():
                answer = await send(self, method, params, opts, **more)
        except BaseException as error:
            _failed(crossing, error, ours=ours)
            raise
        _answered(crossing, method, answer)
        return answer

    return sending


def _answering(handle: Any) -> Any:
    """Return a client's `_on_request` with a span around what the server asked."""

    @functools.wraps(handle)
    async def answering(self: Any, dctx: Any, method: str, params: Any) -> Any:
        crossing = _begin_service(method, params, getattr(dctx, "request_id", None), {})
        try:
            with crossing.inside():
                answer = await handle(self, dctx, method, params)
        except BaseException as error:
            _failed(crossing, error)
            raise
        crossing.finish()
        return answer

    return answering


async def _serve(_middleware: object, ctx: Any, call_next: Any) -> Any:
    """Stand in for the package's middleware: a span around what a client asked."""
    if ctx.request_id is None and not _has_trace(ctx.meta):
        return await call_next(ctx)  # a notification; each would be a trace of one span
    crossing = _begin_service(ctx.method, ctx.params, ctx.request_id, _connection(ctx))
    try:
        with crossing.inside():
            answer = await call_next(ctx)
    except BaseException as error:
        _failed(crossing, error)
        raise
    _answered(crossing, ctx.method, answer)
    return answer


def _begin_request(method: str, params: Any, opts: Any) -> tuple[Crossing, bool]:
    """Begin a CLIENT span, or share that of the tool we are in; tell which."""
    about: dict[str, Any] = {}
    try:
        about = _about(method, params)
        headers = (opts or {}).get("headers") or {}
        version = next((value for key, value in headers.items() if key.lower() == VERSION_HEADER), None)
        if version is not None:
            about[a.MCP_PROTOCOL_VERSION.name] = _text(version)
        tool = _tool_around(method)
        if tool is not None:
            about.pop(a.TOOL_NAME.name, None)  # it has a name
            return share(tool, current(), about), False
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("describing an MCP request")
    return begin(_name(method, about), CLIENT, about), True


def _with_session(context: Context) -> Context:
    """Return `context` with the session in its baggage, where the package's own `inject` finds it."""
    try:
        session = session_in(context)
        return context if session is None else with_baggage(session, context)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("writing an MCP request's session")
        return context


def _begin_service(method: str, params: Any, request_id: object, about: dict[str, Any]) -> Crossing:
    """Begin a SERVER span inside the call that asked."""
    outer = current()
    try:
        about = {**about, **_about(method, params)}
        if request_id is not None:
            about[a.JSONRPC_REQUEST_ID.name] = _text(request_id)
        meta = params.get("_meta") if isinstance(params, Mapping) else None
        outer = origin(meta if isinstance(meta, Mapping) else None, outer)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("describing an MCP request")
    return begin(_name(method, about), SERVER, about, outer)


def _about(method: str, params: Any) -> dict[str, Any]:
    about: dict[str, Any] = {a.MCP_METHOD.name: _text(method)}
    if method == "tools/call":
        about[a.OPERATION_NAME.name] = EXECUTE_TOOL
    given: Mapping[str, Any] = params if isinstance(params, Mapping) else {}
    if method in _NAMED and isinstance(given.get("name"), str):
        about[_NAMED[method]] = _text(given["name"])
    if method.startswith("resources/") and given.get("uri") is not None:
        about[a.MCP_RESOURCE_URI.name] = _text(given["uri"])
    return about


def _name(method: str, about: Mapping[str, Any]) -> str:
    target = about.get(_NAMED.get(method, ""))
    return f"{_text(method)} {target}" if target else _text(method)


def _connection(ctx: Any) -> dict[str, Any]:
    """Return what a server knows about who asks."""
    about: dict[str, Any] = {}
    try:
        if ctx.protocol_version:
            about[a.MCP_PROTOCOL_VERSION.name] = _text(ctx.protocol_version)
        if ctx.request is not None:  # of HTTP; other transports have none
            about[a.NETWORK_TRANSPORT.name] = "tcp"
            if ctx.request.client is not None:
                about[a.CLIENT_ADDRESS.name], about[a.CLIENT_PORT.name] = ctx.request.client
            session = ctx.request.headers.get("mcp-session-id")
            if session:
                about[a.MCP_SESSION_ID.name] = _text(session)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("describing an MCP connection")
    return about


def _has_trace(meta: Any) -> bool:
    return isinstance(meta, Mapping) and "traceparent" in meta


def _tool_around(method: str) -> Span | None:
    """Return the span of the tool we are in, if it is one that has not yet spoken to an MCP server."""
    if method != "tools/call":
        return None
    span: Any = trace.get_current_span()
    if getattr(span, "kind", SpanKind.INTERNAL) is not SpanKind.INTERNAL or not span.is_recording():
        return None
    site = getattr(span, "site", None)  # of a decorated call; other spans hold their attributes themselves
    said = (
        {**site.attributes, **(span.extra or {})}
        if site is not None
        else getattr(span, "attributes", None) or {}
    )
    free = said.get(a.OPERATION_NAME.name) == EXECUTE_TOOL and a.MCP_METHOD.name not in said
    return span if free else None


def _answered(crossing: Crossing, method: str, answer: Any) -> None:
    """End the span of a request that was answered; a tool's answer may say that it failed."""
    failed = method == "tools/call" and (
        answer.get("isError") is True
        if isinstance(answer, Mapping)
        else getattr(answer, "is_error", None) is True
    )
    crossing.finish(failed=TOOL_ERROR if failed else None)


def _failed(crossing: Crossing, error: BaseException, *, ours: bool = True) -> None:
    """End the span of a request that failed or was cancelled.

    Args:
        crossing: The request.
        error: What left it.
        ours: Whether the span is ours. A tool may catch what its request raised, and be fine.
    """
    try:
        told: Any = getattr(error, "error", None)  # of an MCPError
        code = str(told.code) if hasattr(told, "code") and hasattr(told, "message") else ""
        message = str(told.message) if code else ""
        if (
            not code and type(error).__name__ == "ValidationError"
        ):  # as the peer is told: its text is the peer's
            code, message = INVALID_PARAMS, "Invalid request parameters"
        if code:
            crossing.note({a.RPC_STATUS.name: code})
        if ours and code:
            crossing.finish(failed=code, message=message)
        elif ours:
            crossing.finish(error)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("ending an MCP request")
        crossing.finish(error)


def _text(value: object) -> str:
    return str(value)[:TEXT_CHARACTERS_MAX]

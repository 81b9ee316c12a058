"""The server's half of the gRPC middleware. Edge: it speaks OpenTelemetry.

One interceptor serves `grpc.server` and `grpc.aio.server`: what the next one in the chain
returns says which it is. Each kind of handler (function, iterator, coroutine function, async
generator) stays of its kind, because grpc.aio runs each differently.
"""

import inspect
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

import grpc
import grpc.aio
from opentelemetry import trace

from mlobs import _guard
from mlobs.instrument.baggage import opened
from mlobs.instrument.context import current
from mlobs.instrument.middleware.crossing import SERVER, Crossing, begin, share
from mlobs.instrument.middleware.requests import Options
from mlobs.instrument.propagation import arrived
from mlobs.semconv import attributes as a

Handler = Callable[..., Any]

# By the conventions, the other codes are the client's doing and no failure of the server.
FAILURES = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
_BY_NUMBER = {code.value[0]: code.name for code in grpc.StatusCode}


class Method(NamedTuple):
    """A method of a service.

    Args:
        name: Such as shop.Orders/Place.
        options: Where a call's session and user are found.
    """

    name: str
    options: Options


class Interceptor(grpc.ServerInterceptor, grpc.aio.ServerInterceptor):  # type: ignore[misc] # one for both
    """Makes a span of each call.

    Args:
        options: Where a call's session and user are found.
        excluded: Services whose calls make none.
    """

    def __init__(self, options: Options, excluded: frozenset[str]) -> None:
        self._options = options
        self._excluded = excluded

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Return the handler, or for grpc.aio what will return it, with spans around its calls."""
        found = continuation(handler_call_details)
        method = str(handler_call_details.method).lstrip("/")
        if method.partition("/")[0] in self._excluded:
            return found
        if inspect.isawaitable(found):
            return self._later(found, method)
        return _watched(found, Method(method, self._options))

    async def _later(self, found: Any, method: str) -> Any:
        return _watched(await found, Method(method, self._options))


def _watched(handler: Any, method: Method) -> Any:
    """Return a method handler like `handler` whose calls are spans."""
    if handler is None:
        return None  # nobody serves the method
    try:
        takes = "stream" if handler.request_streaming else "unary"
        gives = "stream" if handler.response_streaming else "unary"
        shape = f"{takes}_{gives}"
        function = getattr(handler, shape)
        make = getattr(grpc, f"{shape}_rpc_method_handler")
        return make(
            _around(function, method, streams=handler.response_streaming),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("watching a gRPC method")
        return handler


def _around(function: Handler, method: Method, *, streams: bool) -> Handler:
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, method)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, method)
    return _iterator(function, method) if streams else _plain(function, method)


def _plain(function: Handler, method: Method) -> Handler:
    def handle(request: Any, context: Any) -> Any:
        crossing = _begin(method, context)
        try:
            with crossing.inside():
                answer = function(request, context)
        except BaseException as error:
            _finish(crossing, context, error)
            raise
        _finish(crossing, context)
        return answer

    return handle


def _iterator(function: Handler, method: Method) -> Handler:
    def handle(request: Any, context: Any) -> Iterator[Any]:
        crossing = _begin(method, context)
        answers: Any = None
        try:
            with crossing.inside():
                answers = iter(function(request, context))
            while True:
                with crossing.inside():
                    answer = next(answers)
                yield answer
        except StopIteration:
            _finish(crossing, context)
        except GeneratorExit as error:  # grpc dropped us: the client went away
            try:
                with crossing.inside():
                    _close(answers)
            finally:
                _finish(crossing, context, error)
            raise
        except BaseException as error:
            _finish(crossing, context, error)
            raise

    return handle


def _coroutine(function: Handler, method: Method) -> Handler:
    async def handle(request: Any, context: Any) -> Any:
        crossing = _begin(method, context)
        try:
            with crossing.inside():
                answer = await function(request, context)
        except BaseException as error:
            _finish(crossing, context, error)
            raise
        _finish(crossing, context)
        return answer

    return handle


def _async_generator(function: Handler, method: Method) -> Handler:
    async def handle(request: Any, context: Any) -> Any:
        crossing = _begin(method, context)
        answers = function(request, context)
        try:
            while True:
                with crossing.inside():
                    answer = await anext(answers)
                yield answer
        except StopAsyncIteration:
            _finish(crossing, context)
        except BaseException as error:
            try:
                with crossing.inside():
                    await answers.aclose()  # does nothing where the handler itself has ended
            finally:
                _finish(crossing, context, error)
            raise

    return handle


def _begin(method: Method, context: Any) -> Crossing:
    """Begin the span of a call, inside the call and session of its metadata."""
    outer = current()
    attributes: dict[str, Any] = {a.RPC_SYSTEM.name: "grpc", a.RPC_METHOD.name: method.name}
    try:
        attributes |= _peer(context.peer())
        metadata = context.invocation_metadata() or ()
        above: Any = trace.get_current_span(outer)
        theirs = getattr(above, "kind", None) is SERVER and above.name.lstrip("/") == method.name
        if not theirs:
            outer = arrived(metadata, outer)
        who = method.options.session_of(context, lambda name: _value(metadata, name))
        if who is not None:
            outer = opened(who, outer)
        if theirs:  # opentelemetry-instrumentation-grpc is around us
            return share(above, outer, attributes)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("reading a gRPC call's metadata")
    return begin(method.name, SERVER, attributes, outer)


def _finish(crossing: Crossing, context: Any, error: BaseException | None = None) -> None:
    """End the span with the status the client gets, as far as it gets one."""
    try:
        code = _name(_asked(context, "code"))
        chosen = code != "OK"  # by `abort` or `set_code`; what was raised after it is grpc's own
        if isinstance(error, CancelledError | GeneratorExit) or _gone(context):
            left_s = _asked(context, "time_remaining")
            late = left_s is not None and left_s <= 0
            code, chosen = ("DEADLINE_EXCEEDED" if late else "CANCELLED"), True
        elif error is not None and not chosen:
            code = "UNKNOWN"
        crossing.note({a.RPC_STATUS.name: code})
        if code == "CANCELLED":
            crossing.finish(state="cancelled")
        elif code not in FAILURES:
            crossing.finish()
        elif chosen:
            crossing.finish(failed=code, message=_text(_asked(context, "details")))
        else:
            crossing.finish(error)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("reading a gRPC call's status")
        crossing.finish(error)


def _value(metadata: Any, name: str) -> str | None:
    """Return the value of a key of the metadata; binary ones name nobody."""
    found = next((value for key, value in metadata if key == name.lower()), None)
    return found if isinstance(found, str) else None


def _gone(context: Any) -> bool:
    """Return whether the client no longer waits for an answer."""
    if hasattr(context, "is_active"):
        return not context.is_active()
    return bool(_asked(context, "cancelled"))


def _asked(context: Any, name: str) -> Any:
    """Return what a method of the servicer's context says, or None: not every context has all."""
    method = getattr(context, name, None)
    return method() if method is not None else None


def _name(code: Any) -> str:
    """Return a status as text; threads see the enumeration, asyncio its number, both None before the end."""
    if code is None:
        return "OK"
    return str(code.name) if isinstance(code, grpc.StatusCode) else _BY_NUMBER.get(code, "UNKNOWN")


def _text(details: Any) -> str:
    return details.decode(errors="replace") if isinstance(details, bytes) else str(details or "")


def _peer(peer: Any) -> dict[str, Any]:
    """Read `ipv4:127.0.0.1:50123` and `ipv6:%5B::1%5D:50123`; other kinds of peers have no port."""
    kind, _, rest = str(peer).partition(":")
    address, _, port = unquote(rest.partition(",")[0]).rpartition(":")
    if kind not in {"ipv4", "ipv6"} or not port.isdigit():
        return {}
    return {a.CLIENT_ADDRESS.name: address.strip("[]"), a.CLIENT_PORT.name: int(port)}


def _close(answers: Any) -> None:
    """Close the handler's generator; an iterator has nothing to close."""
    close = getattr(answers, "close", None)
    if close is not None:
        close()

"""The client's half of the gRPC middleware. Edge: it speaks OpenTelemetry.

Why the span ends in a callback of the call, which stays what grpc made it: readers cancel it, ask
it for its status and trailing metadata, and drop it, whereupon grpc cancels it. Nothing here may
keep a call from being dropped, or it would go on for ever.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

import grpc
import grpc.aio

from mlobs import _guard
from mlobs.instrument.context import current, restore, switch
from mlobs.instrument.middleware.crossing import CLIENT, Crossing, begin
from mlobs.instrument.propagation import inject
from mlobs.semconv import attributes as a

DROPPED = "upon garbage collection"  # grpc's words where nobody holds a call any more


class Details(NamedTuple):
    """What grpc asks of the details of a call."""

    method: Any
    timeout: Any
    metadata: Any
    credentials: Any
    wait_for_ready: Any
    compression: Any


class _Interceptor:
    def __init__(self, about: dict[str, Any], excluded: frozenset[str]) -> None:
        self._about = about
        self._excluded = excluded

    def _call(self, continuation: Any, details: Any, request: Any, *, takes: bool) -> Any:
        """Make the call, or for grpc.aio return what will, with a span around it.

        Args:
            continuation: Makes it.
            details: Its method, metadata and so on.
            request: A message, or an iterator of them.
            takes: Whether the client sends a stream.
        """
        method = details.method.decode() if isinstance(details.method, bytes) else str(details.method)
        method = method.lstrip("/")
        if method.partition("/")[0] in self._excluded:
            return continuation(details, request)
        crossing = begin(method, CLIENT, {**self._about, a.RPC_METHOD.name: method})
        with crossing.inside():
            details = _with_metadata(details)
            if takes:
                request = _within(request, crossing)
            try:
                result = continuation(details, request)
            except BaseException as error:
                crossing.finish(error)
                raise
        if inspect.isawaitable(result):
            return _later(result, crossing)
        _follow(result, crossing)
        return result


class UnaryUnary(_Interceptor, grpc.UnaryUnaryClientInterceptor, grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    """For one message each way."""

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Make the call."""
        return self._call(continuation, client_call_details, request, takes=False)


class UnaryStream(_Interceptor, grpc.UnaryStreamClientInterceptor, grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc]
    """For a stream that answers one message."""

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Make the call."""
        return self._call(continuation, client_call_details, request, takes=False)


class StreamUnary(_Interceptor, grpc.StreamUnaryClientInterceptor, grpc.aio.StreamUnaryClientInterceptor):  # type: ignore[misc]
    """For one answer to a stream."""

    def intercept_stream_unary(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        """Make the call."""
        return self._call(continuation, client_call_details, request_iterator, takes=True)


class StreamStream(_Interceptor, grpc.StreamStreamClientInterceptor, grpc.aio.StreamStreamClientInterceptor):  # type: ignore[misc]
    """For streams both ways."""

    def intercept_stream_stream(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        """Make the call."""
        return self._call(continuation, client_call_details, request_iterator, takes=True)


def interceptors(address: str | None, excluded: frozenset[str]) -> list[Any]:
    """Return one interceptor for each shape of call; each serves threads and asyncio."""
    about: dict[str, Any] = {a.RPC_SYSTEM.name: "grpc"}
    if address:
        host, _, port = str(address).rpartition(":")
        about[a.SERVER_ADDRESS.name] = (host if port.isdigit() else str(address)).strip("[]")
        if port.isdigit():
            about[a.SERVER_PORT.name] = int(port)
    return [kind(about, excluded) for kind in (UnaryUnary, UnaryStream, StreamUnary, StreamStream)]


def _with_metadata(details: Any) -> Any:
    """Return the details with the trace and the session in the metadata."""
    try:
        carrier = [(key, value) for key, value in details.metadata or ()]
        inject(carrier, setter=_put)
        metadata = grpc.aio.Metadata(*carrier) if isinstance(details, grpc.aio.ClientCallDetails) else carrier
        if hasattr(details, "_replace"):
            return details._replace(metadata=metadata)
        fields = {name: getattr(details, name, None) for name in Details._fields}
        return Details(**{**fields, "metadata": metadata})
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("writing a gRPC call's metadata")
        return details


def _put(carrier: list[tuple[str, Any]], key: str, value: str) -> None:
    carrier[:] = [pair for pair in carrier if pair[0].lower() != key.lower()]
    carrier.append((key.lower(), value))


def _within(requests: Any, crossing: Crossing) -> Any:
    """Return the stream of requests, each made inside the call, whichever thread or task asks for it."""
    if requests is None:  # grpc.aio: the caller writes them
        return None
    return _async_steps(requests, crossing) if hasattr(requests, "__aiter__") else _steps(requests, crossing)


def _steps(requests: Any, crossing: Crossing) -> Iterator[Any]:
    stream = iter(requests)
    while True:
        outside = current()
        switch(crossing.context)
        try:
            request = next(stream)
        except StopIteration:
            return
        finally:
            restore(outside)
        yield request


async def _async_steps(requests: Any, crossing: Crossing) -> AsyncIterator[Any]:
    stream = aiter(requests)
    while True:
        outside = current()
        switch(crossing.context)
        try:
            request = await anext(stream)
        except StopAsyncIteration:
            return
        finally:
            restore(outside)
        yield request


def _follow(call: Any, crossing: Crossing) -> None:
    """End the span when a call of threads ends."""
    state = getattr(call, "_state", None)  # the call itself must stay free to be dropped
    held = call if state is None else state

    def ended() -> None:
        _end(crossing, _value(held, "code"), _value(held, "details"))

    try:
        going_on = not call.done() and call.add_callback(ended)
        if not going_on:
            ended()
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("following a gRPC call")
        crossing.finish()


async def _later(making: Any, crossing: Crossing) -> Any:
    """Await the call of grpc.aio, and end the span when it ends.

    Here the callback may hold on to the call: what the program drops is grpc's wrapper around it,
    which then cancels it.
    """
    try:
        call = await making
    except BaseException as error:
        crossing.finish(error)
        raise
    try:
        call.add_done_callback(lambda done: _end_async(done, crossing))
    except NotImplementedError:  # another interceptor has answered instead of the server
        crossing.finish()
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("following a gRPC call")
        crossing.finish()
    return call


def _end_async(call: Any, crossing: Crossing) -> None:
    try:
        _end(crossing, _at_once(call.code), _at_once(call.details))
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("reading a gRPC call's status")
        crossing.finish()


def _at_once(ask: Callable[[], Any]) -> Any:
    """Return what a coroutine function returns without waiting: a finished call knows its status."""
    asking = ask()
    try:
        asking.send(None)
    except StopIteration as stop:
        return stop.value
    asking.close()
    return None


def _value(held: Any, name: str) -> Any:
    value = getattr(held, name, None)
    return value() if callable(value) else value


def _end(crossing: Crossing, code: Any, details: Any) -> None:
    """End the span with the status of the call."""
    name = getattr(code, "name", None) or "OK"
    crossing.note({a.RPC_STATUS.name: name})
    text = str(details or "")
    if name == "OK":
        crossing.finish()
    elif name == "CANCELLED":
        crossing.finish(state="abandoned" if DROPPED in text else "cancelled")
    else:
        crossing.finish(failed=name, message=text)

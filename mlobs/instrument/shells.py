"""The four shells around a decorated function: plain, coroutine, generator, async generator.

The shell is chosen once, when decorating, so that `inspect` tells the same truth about the
decorated function as about the bare one. Each leaves arguments, return value and exceptions as
they are.

No context is held across a `yield`: between two items the reader's code runs, perhaps in
another task, and its spans are not our children.

Why generators are stepped in a `contextvars.Context` of their own and async generators are
not: entering a context costs a tenth of setting a variable and setting it back, and a
generator has many steps; but a coroutine cannot be awaited inside a context. What a generator
sets before its first item or after its last is handed to its reader (`variables.hand_over`), so
that `contextlib.contextmanager` and fixtures work as they do without the decorator.
"""

import functools
import inspect
from collections.abc import Callable
from contextvars import copy_context
from types import FunctionType
from typing import TYPE_CHECKING, Any

from mlobs import _guard
from mlobs.instrument.calls import UNCOUNTED, Call, now_ns
from mlobs.instrument.context import VARIABLE, current, restore, switch
from mlobs.instrument.recorders import Recorder, active, discover
from mlobs.instrument.sessions import placed
from mlobs.instrument.sites import Site
from mlobs.instrument.variables import differ, hand_over

if TYPE_CHECKING:
    from mlobs.instrument.content.capture import Capture

Function = Callable[..., Any]
After = Callable[[Call | None, tuple[Any, ...], dict[str, Any], Any], None]


def wrap(function: Function, site: Site, after: After | None) -> Function:
    """Return `function` in the shell it needs.

    Args:
        function: What was decorated.
        site: What is known about it.
        after: Told of each call that returned, with its arguments and its result, before its span ends.
    """
    if isinstance(function, staticmethod | classmethod):
        return type(function)(wrap(function.__func__, site, after))
    bare = called(function)
    if inspect.isasyncgenfunction(bare):
        shell = _from_its_call(_async_generator(function, site), function, inspect.CO_ASYNC_GENERATOR)
    elif inspect.isgeneratorfunction(bare):
        shell = _from_its_call(_generator(function, site), function, inspect.CO_GENERATOR)
    elif inspect.iscoroutinefunction(bare):
        shell = _coroutine(function, site, after)
    else:
        shell = _plain(function, site, after)
    return functools.update_wrapper(shell, function)


def called(function: Function) -> Any:
    """Return the function whose kind says what a call of `function` gives."""
    bare: Any = function.__func__ if isinstance(function, staticmethod | classmethod) else function
    while isinstance(bare, functools.partial):
        bare = bare.func
    if not (inspect.isroutine(bare) or inspect.isclass(bare)):
        bare = type(bare).__call__  # an object that is called: its class says what kind of call that is
    return bare


def _plain(function: Function, site: Site, after: After | None) -> Function:
    def calling(*args: Any, **kwargs: Any) -> Any:
        recorder = active.recorder or discover()
        if recorder is None:
            result = function(*args, **kwargs)
            if after is not None:
                _tell(after, None, args, kwargs, result)
            return result
        outer = current()
        call = recorder.start(site, outer)
        if call is None:
            return function(*args, **kwargs)
        capture = site.capture
        if capture is not None:
            call.arguments = capture.arguments(args, kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            restore(outer)
            recorder.finish(call, error)
            raise
        restore(outer)
        if capture is not None:
            call.result = capture.result(result)
        if after is not None:
            _tell(after, call, args, kwargs, result)
        recorder.finish(call)
        return result

    return calling


def _coroutine(function: Function, site: Site, after: After | None) -> Function:
    async def calling(*args: Any, **kwargs: Any) -> Any:
        recorder = active.recorder or discover()
        if recorder is None:
            result = await function(*args, **kwargs)
            if after is not None:
                _tell(after, None, args, kwargs, result)
            return result
        outer = current()
        call = recorder.start(site, outer)
        if call is None:
            return await function(*args, **kwargs)
        capture = site.capture
        if capture is not None:
            call.arguments = capture.arguments(args, kwargs)
        inside = current()
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            _leave(inside, outer, error)
            recorder.finish(call, error)
            raise
        restore(outer)
        if capture is not None:
            call.result = capture.result(result)
        if after is not None:
            _tell(after, call, args, kwargs, result)
        recorder.finish(call)
        return result

    return calling


def _from_its_call(streaming: Function, function: Function, kind: int) -> Function:
    """Return a function that gives a stream what is current when it is called, not when it is first read.

    It is plain, and marked as the generator function it stands for: frameworks ask `inspect` which it is.
    """
    functools.update_wrapper(streaming, function)  # a generator has the name of what made it

    def calling(*args: Any, **kwargs: Any) -> Any:
        return streaming(current(), args, kwargs)

    code = calling.__code__
    marked = code.replace(co_flags=code.co_flags | kind)
    return FunctionType(marked, calling.__globals__, closure=calling.__closure__)


def _generator(function: Function, site: Site) -> Function:
    def streaming(made: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        recorder = active.recorder or discover()
        if recorder is None:
            return (yield from function(*args, **kwargs))
        outer = current()
        room = copy_context()
        run = room.run
        call = run(recorder.start, site, outer if made is outer else placed(made, outer))
        del made  # it need not live as long as the stream
        if VARIABLE is None:
            restore(outer)  # a runtime of another kind knows no contexts to run in
        if call is None:
            return (yield from function(*args, **kwargs))
        if site.capture is not None:
            run = _collecting(call, site.capture, run, args, kwargs)
        call.chunks = UNCOUNTED
        active.streams.add(call)
        before, given = room.copy(), None
        chunks, sent = 0, None
        try:
            stream = function(*args, **kwargs)
            send = stream.send
            item = run(send, None)
            call.first_chunk_ns = now_ns()
            if differ(before, room):
                given = hand_over(before, room, given)
            before = room.copy()
            while True:
                chunks += 1
                try:
                    sent = yield item
                except GeneratorExit:
                    room.run(stream.close)
                    raise
                except BaseException as error:  # noqa: BLE001 # the reader threw it into the stream
                    item = run(stream.throw, error)
                else:
                    item = run(send, sent)
        except StopIteration as stop:
            _ended(recorder, call, chunks, None)
            if differ(before, room):
                hand_over(before, room, given)
            return stop.value
        except BaseException as error:
            _ended(recorder, call, chunks, error)
            if not isinstance(error, GeneratorExit) and differ(before, room):
                hand_over(before, room, given)
            raise

    return streaming


def _async_generator(function: Function, site: Site) -> Function:
    async def streaming(made: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        recorder = active.recorder or discover()
        outside = current()
        around = outside if made is outside else placed(made, outside)
        call = recorder.start(site, around) if recorder is not None else None
        del made, around  # they need not live as long as the stream
        inside = current()
        restore(outside)
        items = None
        if call is not None:
            call.chunks = UNCOUNTED
            active.streams.add(call)
            if site.capture is not None:
                call.arguments = site.capture.arguments(args, kwargs)
                items = call.items = site.capture.items()
        chunks = 0
        try:
            stream = function(*args, **kwargs)
            step = stream.__anext__()
            while True:
                outside = current()
                if call is not None:
                    switch(inside)
                try:
                    item = await step
                except BaseException as error:
                    _leave(inside, outside, error)
                    raise
                inside = current()  # a session opened inside the stream is there again at the next step
                restore(outside)
                if chunks == 0 and call is not None:
                    call.first_chunk_ns = now_ns()
                chunks += 1
                if items is not None:
                    items.append(item)
                try:
                    sent = yield item
                except GeneratorExit:
                    outside = current()
                    switch(inside if call is not None else outside)
                    try:
                        await stream.aclose()
                    finally:
                        restore(outside)
                    raise
                except BaseException as error:  # noqa: BLE001 # the reader threw it into the stream
                    if call is not None:
                        call.thrown = error
                    step = stream.athrow(error)
                else:
                    step = stream.__anext__() if sent is None else stream.asend(sent)
        except StopAsyncIteration:
            if recorder is not None and call is not None:
                _ended(recorder, call, chunks, None)
        except BaseException as error:
            if recorder is not None and call is not None:
                _ended(recorder, call, chunks, error)
            raise

    return streaming


def _collecting(
    call: Call, capture: "Capture", run: Function, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Function:
    """Record the arguments of a stream; return what steps it and keeps its items."""
    call.arguments = capture.arguments(args, kwargs)
    items = call.items = capture.items()

    def collecting(step: Function, value: Any) -> Any:
        item = run(step, value)
        items.append(item)
        return item

    return collecting


def _ended(recorder: Recorder, call: Call, chunks: int, error: BaseException | None) -> None:
    """Note that a stream ended."""
    active.streams.discard(call)
    call.chunks = chunks
    recorder.finish(call, error)


def _leave(inside: object, outer: Any, error: BaseException) -> None:
    """Set back the context after an exception.

    A coroutine that the garbage collector closes gets its GeneratorExit in whatever context the
    collector happened to run in; that one is not ours to set back.
    """
    if current() is inside or not isinstance(error, GeneratorExit):
        restore(outer)


def _tell(
    after: After, call: Call | None, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> None:
    """Tell of a call that returned and has not ended: what `after` says of it belongs on its span."""
    try:
        after(call, args, kwargs, result)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("observing a prediction", "Your call went on; its row was not counted.")

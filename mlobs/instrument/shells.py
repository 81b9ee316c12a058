"""The four shells around a decorated function: plain, coroutine, generator, async generator.

The shell is chosen once, when decorating, so that `inspect` tells the same truth about the
decorated function as about the bare one. Each leaves arguments, return value and exceptions as
they are.

No context is held across a `yield`: between two items the reader's code runs, perhaps in
another task, and its spans are not our children. `_advance` makes the call current for one step
and sets back what was current before.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from mlobs import _guard
from mlobs.instrument.calls import Call
from mlobs.instrument.context import current, restore, switch
from mlobs.instrument.recorders import active, discover
from mlobs.instrument.sites import Site

Function = Callable[..., Any]
After = Callable[[Call | None, tuple[Any, ...], dict[str, Any], Any], None]


def wrap(function: Function, site: Site, after: After | None) -> Function:
    """Return `function` in the shell it needs.

    Args:
        function: What was decorated.
        site: What is known about it.
        after: Told of each call that returned, with its arguments and its result.
    """
    if isinstance(function, staticmethod | classmethod):
        return type(function)(wrap(function.__func__, site, after))
    bare: Any = function
    while isinstance(bare, functools.partial):
        bare = bare.func
    if not (inspect.isroutine(bare) or inspect.isclass(bare)):
        bare = type(bare).__call__  # an object that is called: its class says what kind of call that is
    if inspect.isasyncgenfunction(bare):
        shell = _async_generator(function, site)
    elif inspect.isgeneratorfunction(bare):
        shell = _generator(function, site)
    elif inspect.iscoroutinefunction(bare):
        shell = _coroutine(function, site, after)
    else:
        shell = _plain(function, site, after)
    return functools.update_wrapper(shell, function)


def _plain(function: Function, site: Site, after: After | None) -> Function:
    def calling(*args: Any, **kwargs: Any) -> Any:
        recorder = active.recorder or discover()
        if recorder is None and after is None:
            return function(*args, **kwargs)
        outer = current()
        call = recorder.start(site, outer) if recorder is not None else None
        if recorder is None or call is None:
            result = function(*args, **kwargs)
        else:
            switch(call.context)
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                restore(outer)
                recorder.finish(call, error)
                raise
            restore(outer)
            recorder.finish(call)
        if after is not None:
            _tell(after, call, args, kwargs, result)
        return result

    return calling


def _coroutine(function: Function, site: Site, after: After | None) -> Function:
    async def calling(*args: Any, **kwargs: Any) -> Any:
        recorder = active.recorder or discover()
        if recorder is None and after is None:
            return await function(*args, **kwargs)
        outer = current()
        call = recorder.start(site, outer) if recorder is not None else None
        if recorder is None or call is None:
            result = await function(*args, **kwargs)
        else:
            switch(call.context)
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                restore(outer)
                recorder.finish(call, error)
                raise
            restore(outer)
            recorder.finish(call)
        if after is not None:
            _tell(after, call, args, kwargs, result)
        return result

    return calling


def _generator(function: Function, site: Site) -> Function:
    def streaming(*args: Any, **kwargs: Any) -> Any:
        recorder = active.recorder or discover()
        call = recorder.start(site, current()) if recorder is not None else None
        if recorder is None or call is None:
            return (yield from function(*args, **kwargs))
        call.chunks = 0
        try:
            stream = _advance(call, functools.partial(function, *args, **kwargs))
            item = _advance(call, stream.__next__)
            while True:
                call.item()
                try:
                    sent = yield item
                except GeneratorExit:
                    _advance(call, stream.close)
                    raise
                except BaseException as error:  # noqa: BLE001 # the reader threw it into the stream
                    item = _advance(call, stream.throw, error)
                else:
                    item = _advance(call, stream.send, sent)
        except StopIteration as stop:
            recorder.finish(call)
            return stop.value
        except BaseException as error:
            recorder.finish(call, error)
            raise

    return streaming


def _async_generator(function: Function, site: Site) -> Function:
    async def streaming(*args: Any, **kwargs: Any) -> Any:
        recorder = active.recorder or discover()
        call = recorder.start(site, current()) if recorder is not None else None
        if call is not None:
            call.chunks = 0
        try:
            stream = function(*args, **kwargs)
            step = _advance_async(call, stream.__anext__())
            while True:
                item = await step
                if call is not None:
                    call.item()
                try:
                    sent = yield item
                except GeneratorExit:
                    await _advance_async(call, stream.aclose())
                    raise
                except BaseException as error:  # noqa: BLE001 # the reader threw it into the stream
                    if call is not None:
                        call.thrown = error
                    step = _advance_async(call, stream.athrow(error))
                else:
                    step = _advance_async(call, stream.asend(sent))
        except StopAsyncIteration:
            if recorder is not None and call is not None:
                recorder.finish(call)
        except BaseException as error:
            if recorder is not None and call is not None:
                recorder.finish(call, error)
            raise

    return streaming


def _advance(call: Call, step: Function, *value: Any) -> Any:
    """Run one step of a stream inside its call."""
    outside = current()
    switch(call.context)
    try:
        return step(*value)
    finally:
        call.context = current()  # a session opened inside the stream is there again at the next step
        restore(outside)


async def _advance_async(call: Call | None, step: Awaitable[Any]) -> Any:
    """Await one step of a stream inside its call."""
    if call is None:
        return await step
    outside = current()
    switch(call.context)
    try:
        return await step
    finally:
        call.context = current()
        restore(outside)


def _tell(
    after: After, call: Call | None, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> None:
    try:
        after(call, args, kwargs, result)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("observing a prediction")

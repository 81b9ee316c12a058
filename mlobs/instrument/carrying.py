"""Takes the current call along to other threads and processes. Edge: it patches executors.

`contextvars` are not carried into thread pools, so work done there would begin traces of its
own. `carry` wraps one function; `patch_executors`, which `init` calls, does the same for
everything handed to the executors of `concurrent.futures` while a decorated call is current.
asyncio's `to_thread` copies the context by itself, and `run_in_executor` submits to an executor.
"""

import functools
import inspect
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

from opentelemetry.context import Context

from mlobs import _guard
from mlobs.instrument.context import CALL_KEY, current, restore, switch
from mlobs.instrument.propagation import extract, inject
from mlobs.semconv.context import SESSION_KEY

F = TypeVar("F", bound=Callable[..., Any])


class Carried:
    """A function that runs inside the call that was current when it was wrapped.

    Pickled, it takes the trace's ids and what may travel of the session with it, as a request
    to another program would.
    """

    def __init__(self, function: Callable[..., Any], inside: Context) -> None:
        functools.update_wrapper(self, function, updated=())  # its own fields are not ours to have
        self._function = function
        self._inside = inside

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        outside = current()
        switch(self._inside)
        try:
            return self._function(*args, **kwargs)
        finally:
            restore(outside)

    def __reduce__(self) -> tuple[Any, ...]:
        outside = current()
        switch(self._inside)
        try:
            return _Sent, (self._function, inject())
        finally:
            restore(outside)


class _Sent:
    """A carried function in another process."""

    def __init__(self, function: Callable[..., Any], headers: dict[str, str]) -> None:
        self._function = function
        self._headers = headers

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with extract(self._headers):
            return self._function(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Sent, (self._function, self._headers)


def carry(function: F) -> F:
    """Return `function`, to be run elsewhere, as part of the call we are in now.

    For threads, callbacks, timers, process pools and queues: `Thread(target=mlobs.carry(work))`.
    Executors of `concurrent.futures` do it by themselves once mlobs is switched on.
    """
    inside = current()
    if not inspect.iscoroutinefunction(function):
        return Carried(function, inside)  # type: ignore[return-value] # called like the function

    async def carried(*args: Any, **kwargs: Any) -> Any:
        outside = current()
        switch(inside)
        try:
            return await function(*args, **kwargs)
        finally:
            restore(outside)

    return functools.update_wrapper(carried, function)  # type: ignore[return-value] # same signature


def patch_executors() -> None:
    """Make executors carry the current call into what is submitted to them. Safe to repeat."""
    for kind in (futures.ThreadPoolExecutor, futures.ProcessPoolExecutor):
        if not getattr(kind.submit, "__mlobs__", False):
            kind.submit = _carrying(kind.submit)  # type: ignore[method-assign]


def _carrying(submit: Callable[..., Any]) -> Any:
    """Return `submit` with the current call carried along, where there is one."""

    @functools.wraps(submit)
    def submitting(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        try:
            inside = current()
            if CALL_KEY in inside or SESSION_KEY in inside:
                fn = Carried(fn, inside)
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("carrying a call into an executor")
        return submit(self, fn, *args, **kwargs)

    submitting.__mlobs__ = True  # type: ignore[attr-defined]
    return submitting

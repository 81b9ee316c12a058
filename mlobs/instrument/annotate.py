"""What a program says about the call it is in: usage, attributes, sessions.

None of these raises into the program or does anything while mlobs is off.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from mlobs import _guard
from mlobs.instrument.calls import Call
from mlobs.instrument.context import Session, current, current_call, restore, switch, with_session
from mlobs.instrument.recorders import active, discover
from mlobs.instrument.sites import Site, Value
from mlobs.instrument.usage import Usage, read_usage
from mlobs.instrument.values import freeze
from mlobs.semconv import attributes as a
from mlobs.semconv import spans

F = TypeVar("F", bound=Callable[..., Any])


def usage(given: object) -> None:
    """Note how many tokens the current call used.

    Args:
        given: A provider's usage object, a dict of the same shape, `mlobs.Usage`, or None, which
            is ignored: providers send it with every chunk but the last.

    Within one call, counts are taken as cumulative, as providers stream them: the larger total
    of each side (input, output) stays.
    """
    call = current_call()
    if call is None or given is None:
        return
    try:
        new = read_usage(given)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("reading token usage")
        return
    old = call.usage or new
    inputs = new if new.input_total >= old.input_total else old
    outputs = new if new.output_total >= old.output_total else old
    call.usage = Usage(
        input=inputs.input,
        cached_read=inputs.cached_read,
        cached_write=inputs.cached_write,
        output=outputs.output,
        reasoning=outputs.reasoning,
    )


def set(attributes: Mapping[str, Value]) -> None:  # noqa: A001 # read as mlobs.set
    """Set attributes of the current call, such as `{"gen_ai.response.model": reply.model}`."""
    call = current_call()
    if call is None:
        return
    try:
        call.set_attributes(attributes)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("setting attributes")


class session:  # noqa: N801 # read as a verb: with mlobs.session(...)
    """All calls inside belong to one session: `with mlobs.session("42", user="ana"):`.

    Args:
        id: The conversation's or session's id, as your application knows it.
        user: For whom the calls are made.
        tags: Set on every call inside, as `mlobs.tag.NAME`.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 # the word users know it by
        *,
        user: str | None = None,
        tags: Mapping[str, str | bool | int | float] | None = None,
    ) -> None:
        self._session = Session(
            str(id), None if user is None else str(user), _frozen(tags, "opening a session")
        )

    def __enter__(self) -> None:
        self._outer = current()
        switch(with_session(self._session, self._outer))
        call = current_call()
        if call is not None and call.session is None:
            call.session = self._session  # the call that opens the session belongs to it

    def __exit__(self, *error: object) -> None:
        restore(self._outer)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        self.__exit__()


class span:  # noqa: N801 # read as a verb: with mlobs.span(...)
    """A part of a run that is not a function of its own: `with mlobs.span("parse"):`.

    Args:
        name: The span's name.
        attributes: Set on the span.
    """

    def __init__(self, name: str, attributes: Mapping[str, Value] | None = None) -> None:
        known = {a.KIND.name: spans.STEP.noun, **_frozen(attributes, "opening a span")}
        self._site = Site(spans.STEP, str(name), known)

    def __enter__(self) -> Self:
        self._recorder = active.recorder or discover()
        self._outer = current()
        self._call: Call | None = None
        if self._recorder is not None:
            self._call = self._recorder.start(self._site, self._outer)
        if self._call is not None:
            switch(self._call.context)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        restore(self._outer)
        if self._recorder is not None and self._call is not None:
            self._recorder.finish(self._call, error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def _frozen(given: object, doing: str) -> dict[str, Value]:
    """Return attributes as they are now; what is no mapping is noted and left out."""
    try:
        return {str(key): freeze(value) for key, value in given.items()} if given else {}  # type: ignore[attr-defined] # it may be anything
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed(doing)
        return {}


def carry(function: F) -> F:
    """Return `function`, to be run in another thread, as part of the call we are in now.

    `pool.submit(mlobs.carry(work), item)`; also for callbacks and thread targets.
    """
    inside = current()
    if inspect.iscoroutinefunction(function):

        async def carried_async(*args: Any, **kwargs: Any) -> Any:
            outside = current()
            switch(inside)
            try:
                return await function(*args, **kwargs)
            finally:
                restore(outside)

        return functools.update_wrapper(carried_async, function)  # type: ignore[return-value] # same signature

    def carried(*args: Any, **kwargs: Any) -> Any:
        outside = current()
        switch(inside)
        try:
            return function(*args, **kwargs)
        finally:
            restore(outside)

    return functools.update_wrapper(carried, function)  # type: ignore[return-value] # same signature

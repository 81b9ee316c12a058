"""What a program says about the call it is in: usage, attributes, hand-overs, blocks of their own.

None of these raises into the program or does anything while mlobs is off.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from mlobs import _guard
from mlobs.instrument.calls import Call
from mlobs.instrument.context import CALL_KEY, current, current_call, restore
from mlobs.instrument.recorders import active, discover
from mlobs.instrument.sites import Site, Value
from mlobs.instrument.values import frozen
from mlobs.semconv import attributes as a
from mlobs.semconv import spans
from mlobs.semconv.events import HANDOFF

TOLD_MAX = 64


def usage(given: object) -> None:
    """Note how many tokens the current call used.

    Args:
        given: A provider's usage object or whole answer, a dict of the same shape, `mlobs.Usage`, or
            None, which is ignored: providers send it with every chunk but the last.

    Within one call, counts are taken as cumulative, as providers stream them: the larger total
    of each side (input, output) stays.
    """
    call: Any = current().get(CALL_KEY)
    if call is None or given is None:
        return
    if given.__class__ is dict:
        given = given.copy()  # it may be used again
    if call.told is None:
        call.told = [given]
    elif len(call.told) < TOLD_MAX:
        call.told.append(given)
    else:
        call.told[-1] = given  # a stream that tells with every chunk tells most at its end


def set(attributes: Mapping[str, Value]) -> None:  # noqa: A001 # read as mlobs.set
    """Set attributes of the current call, such as `{"gen_ai.response.model": reply.model}`."""
    call: Any = current().get(CALL_KEY)
    if call is None:
        return
    try:
        call.set_attributes(attributes)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("setting attributes")


class span:  # noqa: N801 # read as a verb: with mlobs.span(...)
    """A part of a run that is not a function of its own: `with mlobs.span("parse"):`.

    Args:
        name: The span's name.
        attributes: Set on the span.
    """

    def __init__(self, name: str, attributes: Mapping[str, Value] | None = None) -> None:
        known = {a.KIND.name: spans.STEP.noun, **frozen(attributes, "opening a span")}
        self._site = Site(spans.STEP, str(name), known)

    def __enter__(self) -> Self:
        self._recorder = active.recorder or discover()
        self._outer = current()
        self._call: Call | None = None
        if self._recorder is not None:
            self._call = self._recorder.start(self._site, self._outer)
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


def handoff(to: str, reason: str | None = None) -> None:
    """Note that the agent we are in hands over to another, which need not be called from here.

    Args:
        to: The agent that goes on.
        reason: Why, in a few words.

    An agent called from within another says so by itself, as `mlobs.agent.caller`.
    """
    call = current_call()
    if call is None:
        return
    try:
        said = {
            a.HANDOFF_FROM.name: call.site.agent or call.agent,
            a.HANDOFF_TO.name: str(to),
            a.HANDOFF_REASON.name: reason,
        }
        call.add_event(HANDOFF.name, {key: value for key, value in said.items() if value is not None})
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("noting a hand-over")

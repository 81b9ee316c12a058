"""What a program says about the call it is in: usage, attributes, hand-overs, blocks of their own.

None of these raises into the program or does anything while mlobs is off. What is told outside any
call is lost, and said to be, once.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from mlobs.instrument.astray import tell_astray
from mlobs.instrument.content.redaction import redact_secrets
from mlobs.instrument.context import CALL_KEY, close_scope, current, current_call, open_scope
from mlobs.instrument.describe import without_secrets
from mlobs.instrument.recorders import active, discover
from mlobs.instrument.sites import Site, Value
from mlobs.instrument.usage import is_whole
from mlobs.instrument.values import as_text, frozen
from mlobs.semconv import attributes as a
from mlobs.semconv import spans
from mlobs.semconv.events import HANDOFF

TOLD_MAX = 64
UNREAD_MAX = 128  # while more calls wait, answers are read at once, and not kept for the export thread


def usage(given: object) -> None:
    """Note how many tokens the current call used.

    Args:
        given: A provider's usage object or whole answer, a dict of the same shape, `mlobs.Usage`, or
            None, which is ignored: providers send it with every chunk but the last.

    Within one call, counts are taken as cumulative, as providers stream them: the larger total
    of each side (input, output) stays.
    """
    call: Any = current().get(CALL_KEY)
    if given is None:
        return
    if call is None:
        tell_astray("usage")
        return
    if type(given) is dict:
        given = given.copy()  # it may be used again
    if call.told is None:
        call.told = [given]
    elif len(call.told) < TOLD_MAX:
        call.told.append(given)
    else:
        call.told[-1] = given  # a stream that tells with every chunk tells most at its end
    if len(active.waiting) > UNREAD_MAX and is_whole(given):
        call.counted = call.usage  # read now: answers by the thousand would fill the memory


def set(attributes: Mapping[str, Value]) -> None:  # noqa: A001 # read as mlobs.set
    """Set attributes of the current call, such as `{"gen_ai.response.model": reply.model}`."""
    call: Any = current().get(CALL_KEY)
    if call is None:
        tell_astray("set")
    else:
        call.set_attributes(attributes)


class span:  # noqa: N801 # read as a verb: with mlobs.span(...)
    """A part of a run that is not a function of its own: `with mlobs.span("parse"):`.

    Args:
        name: The span's name.
        attributes: Set on the span.
    """

    def __init__(self, name: str, attributes: Mapping[str, Value] | None = None) -> None:
        known = {a.KIND.name: spans.STEP.noun, **without_secrets(frozen(attributes, "opening a span"))}
        self._site = Site(spans.STEP, redact_secrets(as_text(name)), known)

    def __enter__(self) -> Self:
        recorder = active.recorder or discover()
        outer = current()
        call = recorder.start(self._site, outer) if recorder is not None else None
        self._last = recorder, call
        open_scope(self, outer, self._last)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        recorder, call = close_scope(self) or self._last  # closed elsewhere, the call ends all the same
        if recorder is not None and call is not None:
            recorder.finish(call, error)

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
        tell_astray("handoff")
        return
    said = {
        a.HANDOFF_FROM.name: call.site.agent or call.agent,
        a.HANDOFF_TO.name: as_text(to),
        a.HANDOFF_REASON.name: reason,
    }
    call.add_event(HANDOFF.name, {key: value for key, value in said.items() if value is not None})

"""The record of one call. Edge: it reads the clock and speaks OpenTelemetry's span interface.

A `Call` is a valid OpenTelemetry span, so `trace.get_current_span().set_attribute(...)` inside a
decorated function does what its author expects. It holds what only the caller knows; everything
that can be worked out later is worked out by the export thread.

Why slots for some fields and class attributes for the rest: the slots are what each call has,
and filling them costs a third of filling an instance's dictionary; what few calls have lives in
a dictionary that only those few calls get.
"""

import os
import random
import time
from collections.abc import Mapping
from traceback import walk_tb
from typing import Any, ClassVar

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Span, SpanContext, Status, StatusCode, TraceFlags

from mlobs import _guard
from mlobs.instrument.baggage import session_of
from mlobs.instrument.content.snapshots import weight
from mlobs.instrument.context import CALL_KEY, SPAN_KEY, Session
from mlobs.instrument.sites import Site, Value
from mlobs.instrument.usage import Usage, latest, read_tier, read_usage
from mlobs.instrument.values import CHARACTERS_MAX, as_text, freeze, frozen, legible, pairs
from mlobs.semconv import attributes as a
from mlobs.semconv.context import SESSION_KEY
from mlobs.semconv.events import EXCEPTION

FRAMES_MAX = 64
FAILURES_MAX = 8  # told of with another: causes, and the members of a group
MESSAGE_CHARACTERS_MAX = 8192
EVENTS_MAX = LINKS_MAX = 128
NO_STREAM, UNCOUNTED = -1, -2  # instead of a number of items
ATTRIBUTES_MAX = 256
TIME_NS_END = 1 << 63  # in 2262

# A generator of our own: a program that seeds `random` must not repeat its trace ids.
_ids = random.Random(os.urandom(32))  # noqa: S311 # ids want to be unique, not secret
os.register_at_fork(after_in_child=lambda: _ids.seed(os.urandom(32)))
_bits = _ids.getrandbits
_new = object.__new__
now_ns = time.perf_counter_ns  # monotonic: a clock that is set back makes no negative durations


class Failure:
    """An exception that left a call, without the frames that would keep its objects alive.

    With it the one it came from, and those of a group: `left` says how many more there may be.
    """

    __slots__ = ("caused", "earlier", "frames", "inside", "message", "type")

    def __init__(self, error: BaseException, left: list[int] | None = None) -> None:
        kind = type(error)
        self.type = (
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        )
        try:
            self.message = legible(str(error)[:MESSAGE_CHARACTERS_MAX])
        except Exception:  # noqa: BLE001 # a broken __str__ is the user's; its call goes on as before
            self.message = "<the exception's text could not be made>"
        frames = [(f.f_code.co_filename, line, f.f_code.co_name) for f, line in walk_tb(error.__traceback__)]
        self.frames = frames[-FRAMES_MAX:]
        self.inside: list[Failure] = []
        self.earlier: Failure | None = None
        self.caused = error.__cause__ is not None
        earlier = error.__cause__ if self.caused or error.__suppress_context__ else error.__context__
        members: Any = error.exceptions if issubclass(kind, BaseExceptionGroup) else ()  # type: ignore[attr-defined] # it is a group
        if members or earlier is not None:
            left = left or [FAILURES_MAX]
            self.inside = [Failure(one, left) for one in members if _take(left)]
            if earlier is not None and _take(left):
                self.earlier = Failure(earlier, left)


def _take(left: list[int]) -> bool:
    """Return whether there is room for another failure, and take it."""
    left[0] -= 1
    return left[0] >= 0


class Call(Span):
    """One call of a decorated function, from its begin to its end. Made by `begin`.

    Times are in nanoseconds of `now_ns`.
    """

    __slots__ = ("agent", "ended_ns", "parent_id", "session", "site", "span_id", "started_ns", "trace_id")

    site: Site
    trace_id: int
    span_id: int
    parent_id: int
    session: Session | None
    agent: str | None  # the agent or workflow that the call is made by
    started_ns: int
    ended_ns: int

    first_chunk_ns: int = 0
    last_chunk_ns: int = 0
    chunks: int = NO_STREAM
    items: list[object] | None = None
    arguments: object = None
    result: object = None
    state: str | None = None
    failure: Failure | None = None
    marked_failed: str | None = None
    thrown: BaseException | None = None
    told: list[object] | None = None  # what `mlobs.usage` was given, not yet read
    counted: Usage | None = None
    service_tier: str | None = None
    extra: dict[str, Value] | None = None
    events: list[tuple[str, int, Mapping[str, Any]]] | None = None
    links: list[tuple[SpanContext, Mapping[str, Value]]] | None = None
    dropped: dict[str, int] | None = None  # attributes, events and links that were too many
    name: str | None = None
    span: Span | None = None
    sampled: bool = True
    remote_parent: bool = False
    trace_state: Any = None

    flags: ClassVar[TraceFlags] = TraceFlags(TraceFlags.SAMPLED)

    def adopt(self, parent: Span | None, outer: Context) -> None:
        """Become the child of a span of another instrumentation, or a root."""
        above = parent.get_span_context() if parent is not None else INVALID_SPAN_CONTEXT
        if above.is_valid:
            self.trace_id, self.parent_id = above.trace_id, above.span_id
            if above.is_remote:
                self.remote_parent = True
            if above.trace_state:
                self.trace_state = above.trace_state
            if not above.trace_flags.sampled:
                self.sampled = False  # a sampler, if there is one, is asked afterwards
        else:
            self.trace_id, self.parent_id = _bits(128) or 1, 0
        above_ours: Any = outer.get(CALL_KEY)
        self.agent = None if above_ours is None else above_ours.site.agent or above_ours.agent
        self.session = outer.get(SESSION_KEY) or session_of(outer)  # type: ignore[assignment] # contexts hold objects of any type

    @property
    def usage(self) -> Usage | None:
        """Return the tokens used, reading what was told since the last time.

        Reading takes longer than all the rest of a call, so it is left to whoever asks: the
        export thread.
        """
        told = self.told
        if told is not None:
            counted = self.counted
            for given in told:
                try:
                    counted = latest(counted, read_usage(given))
                    self.service_tier = read_tier(given) or self.service_tier
                except Exception:  # noqa: BLE001 # never into the user's program
                    _guard.failed("reading token usage")
            self.counted = counted  # in this order: two threads that read at once find the same
            self.told = None
        return self.counted

    @usage.setter
    def usage(self, usage: Usage | None) -> None:
        self.told, self.counted = None, usage

    def weight(self) -> int:
        """Return about how many bytes the call holds, where they count."""
        held = weight(self.extra) + weight(self.events)
        if self.site.capture is not None:
            held += weight([self.arguments, self.result, *(self.items or ())])
        return held

    # OpenTelemetry's span interface.

    def get_span_context(self) -> SpanContext:
        """Return the ids, for propagators and for child spans of other instrumentations."""
        flags = self.flags if self.sampled else TraceFlags(TraceFlags.DEFAULT)
        return SpanContext(
            self.trace_id, self.span_id, is_remote=False, trace_flags=flags, trace_state=self.trace_state
        )

    def is_recording(self) -> bool:
        """Return whether attributes are still taken."""
        return self.sampled and not self.ended_ns

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute."""
        self._set(((key, value),))

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        self._set(attributes)

    def _set(self, given: Any) -> None:
        """Set what is in a mapping, or a tuple of pairs."""
        try:
            extra = self.extra
            if extra is None:
                extra = self.extra = {}
            if type(given) is not tuple:
                given = given.items() if type(given) is dict else pairs(given)
            for key, value in given:
                if type(value) is str and len(value) <= CHARACTERS_MAX and type(key) is str:
                    kept: Value = value
                else:
                    key, kept = as_text(key), freeze(value)
                if len(extra) < ATTRIBUTES_MAX or key in extra:
                    extra[key] = kept
                else:
                    self._drop("attributes")
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("setting attributes")

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        """Add an event; `timestamp` is in nanoseconds since 1970."""
        try:
            if self.events is None:
                self.events = []
                self.extra = self.extra or {}  # what is told of a call is weighed where there is such
            if len(self.events) >= EVENTS_MAX:
                self._drop("events")
            else:
                about = frozen(attributes, "adding an event")
                told = type(timestamp) is int and 0 < timestamp < TIME_NS_END
                self.events.append((as_text(name), timestamp if told else time.time_ns(), about))  # type: ignore[arg-type] # it is an int
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("adding an event")

    def add_link(self, context: SpanContext, attributes: Any = None) -> None:
        """Add a link to another span; one to nothing is left out."""
        try:
            if self.links is None:
                self.links = []
            if len(self.links) >= LINKS_MAX:
                self._drop("links")
            elif context.is_valid:
                self.links.append((context, frozen(attributes, "adding a link")))
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("adding a link")

    def _drop(self, what: str) -> None:
        self.dropped = self.dropped or {}
        self.dropped[what] = self.dropped.get(what, 0) + 1

    def update_name(self, name: str) -> None:
        """Change the span's name."""
        self.name = as_text(name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Mark the call as failed; other statuses are what a call has anyway."""
        whole = issubclass(type(status), Status)
        code: Any = status.status_code if whole else status  # type: ignore[union-attr] # it is a whole one
        if code is StatusCode.ERROR:
            text = status.description if whole else description  # type: ignore[union-attr]
            self.marked_failed = "" if text is None else as_text(text)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Any = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 # OpenTelemetry's signature
    ) -> None:
        """Add an event that describes an exception that did not leave the call."""
        try:
            failure = Failure(exception)
            about = {a.EXCEPTION_TYPE.name: failure.type, a.EXCEPTION_MESSAGE.name: failure.message}
            self.add_event(EXCEPTION.name, {**about, **dict(attributes or {})}, timestamp)
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("noting an exception")

    def end(self, end_time: int | None = None) -> None:
        """Do nothing: the call ends when the function does."""

    def __exit__(self, *error: object) -> None:
        """Do nothing: see `end`."""


def begin(site: Site, outer: Context) -> Call:
    """Return a new call of `site`, a child of what is current in `outer`. Its clock is not started.

    A function and not a constructor: it saves the second of two Python calls per decorated call.
    """
    call = _new(Call)
    call.site = site
    call.span_id = _bits(64) or 1
    call.started_ns = call.ended_ns = 0
    parent: Any = outer.get(SPAN_KEY)
    if not outer:
        call.trace_id = _bits(128) or 1
        call.parent_id = 0
        call.agent = call.session = None
    elif parent.__class__ is Call:
        call.trace_id = parent.trace_id
        call.parent_id = parent.span_id
        call.agent = parent.site.agent or parent.agent
        call.session = outer.get(SESSION_KEY) or parent.session  # type: ignore[assignment] # contexts hold objects of any type
        if not parent.sampled:
            call.sampled = False
        if parent.trace_state is not None:
            call.trace_state = parent.trace_state
    else:
        call.adopt(parent, outer)
    return call

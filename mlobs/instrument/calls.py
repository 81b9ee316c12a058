"""The record of one call. Edge: it reads the clock and speaks OpenTelemetry's span interface.

A `Call` is a valid OpenTelemetry span, so `trace.get_current_span().set_attribute(...)` inside a
decorated function does what its author expects. It holds what only the caller knows; everything
that can be worked out later is worked out by the export thread.
"""

import os
import random
import time
from collections.abc import Mapping
from traceback import walk_tb
from typing import Any, ClassVar

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Span, SpanContext, Status, StatusCode, TraceFlags

from mlobs.instrument.context import SESSION_KEY, SPAN_KEY, Session
from mlobs.instrument.sites import Site, Value
from mlobs.instrument.usage import Usage
from mlobs.instrument.values import freeze
from mlobs.semconv import attributes as a
from mlobs.semconv.events import EXCEPTION

FRAMES_MAX = 64
MESSAGE_CHARACTERS_MAX = 8192

# A generator of our own: a program that seeds `random` must not repeat its trace ids.
_ids = random.Random(os.urandom(32))  # noqa: S311 # ids want to be unique, not secret
os.register_at_fork(after_in_child=lambda: _ids.seed(os.urandom(32)))
now_ns = time.perf_counter_ns  # monotonic: a clock that is set back makes no negative durations


def new_span_id() -> int:
    """Return a random 64-bit id that is not zero."""
    return _ids.getrandbits(64) or 1


def new_trace_id() -> int:
    """Return a random 128-bit id that is not zero."""
    return _ids.getrandbits(128) or 1


class Failure:
    """An exception that left a call, without the frames that would keep its objects alive."""

    __slots__ = ("frames", "message", "type")

    def __init__(self, error: BaseException) -> None:
        kind = type(error)
        self.type = (
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        )
        try:
            self.message = str(error)[:MESSAGE_CHARACTERS_MAX]
        except Exception:  # noqa: BLE001 # a broken __str__ is the user's; its call goes on as before
            self.message = "<the exception's text could not be made>"
        frames = [(f.f_code.co_filename, line, f.f_code.co_name) for f, line in walk_tb(error.__traceback__)]
        self.frames = frames[-FRAMES_MAX:]


class Call(Span):
    """One call of a decorated function, from its begin to its end.

    Times are in nanoseconds of `now_ns`. `context` is the OpenTelemetry context inside the call;
    streams keep it up to date between two items.
    """

    ended_ns: int = 0
    first_chunk_ns: int = 0
    chunks: int = -1
    state: str | None = None
    failure: Failure | None = None
    marked_failed: str | None = None
    thrown: BaseException | None = None
    usage: Usage | None = None
    extra: dict[str, Value] | None = None
    events: list[tuple[str, int, Mapping[str, Any]]] | None = None
    name: str | None = None
    span: Span | None = None
    sampled: bool = True
    remote_parent: bool = False
    trace_state: Any = None
    context: Context

    site: Site
    trace_id: int
    span_id: int
    parent_id: int
    session: Session | None

    flags: ClassVar[TraceFlags] = TraceFlags(TraceFlags.SAMPLED)

    def __init__(self, site: Site, outer: Context) -> None:
        self.site = site
        parent: Any = outer.get(SPAN_KEY)
        self.span_id = new_span_id()
        if parent.__class__ is Call:
            self.trace_id = parent.trace_id
            self.parent_id = parent.span_id
            if not parent.sampled:
                self.sampled = False
            if parent.trace_state is not None:
                self.trace_state = parent.trace_state
        else:
            self._adopt(parent)
        self.session = outer.get(SESSION_KEY)  # type: ignore[assignment] # contexts hold objects of any type
        self.started_ns = now_ns()

    def _adopt(self, parent: Span | None) -> None:
        """Become the child of a span of another instrumentation, or a root."""
        above = parent.get_span_context() if parent is not None else INVALID_SPAN_CONTEXT
        if above.is_valid:
            self.trace_id, self.parent_id = above.trace_id, above.span_id
            self.remote_parent, self.trace_state = above.is_remote, above.trace_state
            self.sampled = above.trace_flags.sampled  # a sampler, if there is one, is asked afterwards
        else:
            self.trace_id, self.parent_id = new_trace_id(), 0

    def item(self) -> None:
        """Note that a stream handed out an item."""
        if self.chunks < 1:
            self.first_chunk_ns = now_ns()
            self.chunks = 0
        self.chunks += 1

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
        if self.extra is None:
            self.extra = {}
        self.extra[str(key)] = freeze(value)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        """Add an event; `timestamp` is in nanoseconds since 1970."""
        if self.events is None:
            self.events = []
        about = {str(key): freeze(value) for key, value in dict(attributes or {}).items()}
        self.events.append((name, timestamp or time.time_ns(), about))

    def update_name(self, name: str) -> None:
        """Change the span's name."""
        self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Mark the call as failed; other statuses are what a call has anyway."""
        code = status.status_code if isinstance(status, Status) else status
        if code is StatusCode.ERROR:
            text = status.description if isinstance(status, Status) else description
            self.marked_failed = text or ""

    def record_exception(
        self,
        exception: BaseException,
        attributes: Any = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 # OpenTelemetry's signature
    ) -> None:
        """Add an event that describes an exception that did not leave the call."""
        failure = Failure(exception)
        about = {a.EXCEPTION_TYPE.name: failure.type, a.EXCEPTION_MESSAGE.name: failure.message}
        self.add_event(EXCEPTION.name, {**about, **dict(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """Do nothing: the call ends when the function does."""

    def __exit__(self, *error: object) -> None:
        """Do nothing: see `end`."""

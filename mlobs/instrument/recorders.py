"""Who keeps the record of a call: our own exporter, or the process's TracerProvider. Edge.

A recorder starts a call and finishes it; neither ever raises. `active.recorder` is the one in
use, or None while mlobs is off.

Why `start` also makes the call current: the context lives in a local variable of the shell and
nowhere on the call, so that call and context form no cycle and are freed without the collector.
"""

import gc
import os
import sys
from collections.abc import Callable, Mapping, Sized
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from mlobs import _guard
from mlobs.instrument.calls import Call, Failure, begin, now_ns
from mlobs.instrument.content.policy import Defaults, defaults_of
from mlobs.instrument.content.redaction import Queries
from mlobs.instrument.context import CALL_KEY, SPAN_KEY, switch
from mlobs.instrument.describe import dynamic, exception, status_message, without_secrets
from mlobs.instrument.outbox import WEIGHED, Outbox
from mlobs.instrument.sites import Site, Value, settle
from mlobs.instrument.values import legible
from mlobs.semconv import attributes as a
from mlobs.semconv.events import EXCEPTION

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.sampling import Sampler


class Recorder(Protocol):
    """Starts and finishes calls."""

    def start(self, site: Site, outer: Context) -> Call | None:
        """Make a new call the current one and return it, or return None if it cannot be recorded."""

    def finish(self, call: Call, error: BaseException | None = None) -> None:
        """Take the call's end. `error` is what left the function, if anything did."""


class OwnRecorder:
    """Hands finished calls to our exporter.

    Args:
        outbox: Where finished calls wait.
        sampler: Asked for each call, unless every root is sampled.
        flush: Called when an outermost call has ended, where the process may be frozen right after.
    """

    def __init__(
        self,
        outbox: Outbox,
        sampler: "Sampler | None" = None,
        flush: Callable[[], object] | None = None,
    ) -> None:
        self._outbox = outbox
        self._sampler = sampler
        self._flush = flush

    def start(self, site: Site, outer: Context) -> Call | None:
        """Make a new call the current one and return it."""
        try:
            call = begin(site, outer)
            if self._sampler is not None:
                _ask(self._sampler, call, outer)
            if site.inner is None:
                switch(Context({**outer, SPAN_KEY: call, CALL_KEY: call}))
            else:
                switch(Context({**outer, SPAN_KEY: call, CALL_KEY: call, **site.inner(call)}))
            call.started_ns = now_ns()
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("starting a call")
            return None
        return call

    def finish(self, call: Call, error: BaseException | None = None) -> None:
        """Take the call's end."""
        try:
            call.ended_ns = now_ns()
            if error is not None:
                _note(call, error)
            if not call.sampled:
                return
            outbox = self._outbox
            capture = call.site.capture
            if capture is not None and not outbox.has_room_for_content():
                _shed(call)
            extra = call.extra
            if error is None and (extra is None or KEEP not in extra) and len(outbox.waiting) < outbox.room:
                outbox.waiting.append(call)
            else:
                outbox.offer(call, keep=_important(call))
            if (extra is not None or capture is not None) and not call.span_id % WEIGHED:
                outbox.weigh(call.weight())
            if self._flush is not None and (not call.parent_id or call.remote_parent):
                self._flush()
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("ending a call")


class TracerRecorder:
    """Makes an ordinary span of each call, with the tracer of the process's own provider.

    Args:
        tracer: Makes the spans.
        observe: Told of each finished call.
    """

    def __init__(self, tracer: Tracer, observe: Callable[[list[Call]], None] | None = None) -> None:
        self._tracer = tracer
        self._observe = observe

    def start(self, site: Site, outer: Context) -> Call | None:
        """Make a new call with a span of the provider the current one and return it."""
        try:
            span = self._tracer.start_span(
                site.name, context=outer, kind=_KINDS[site.row.kind], attributes=site.attributes
            )
            call = begin(site, outer)
            above = span.get_span_context()
            call.trace_id, call.span_id, call.span = above.trace_id, above.span_id, span
            inner = {} if site.inner is None else site.inner(call)
            switch(Context({**outer, SPAN_KEY: span, CALL_KEY: call, **inner}))
            call.started_ns = now_ns()
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("starting a call")
            return None
        return call

    def finish(self, call: Call, error: BaseException | None = None) -> None:
        """End the span with everything the call learnt."""
        span = call.span
        assert span is not None
        try:
            call.ended_ns = now_ns()
            if error is not None:
                _note(call, error)  # also where the span is not sampled: metrics count all calls
            if span.is_recording():
                span.set_attributes(_legible(dynamic(call, datetime.now(UTC).date())))
                for name, when_ns, about in call.events or ():
                    span.add_event(name, _legible(without_secrets(about)), when_ns)
                if call.failure is not None and error is not None and call.state is None:
                    span.add_event(EXCEPTION.name, _legible(exception(call.failure)))
                    span.set_status(Status(StatusCode.ERROR, status_message(call)))
            else:
                call.sampled = False  # nobody can follow an exemplar to it
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("describing a call")
        try:
            span.end()
            if self._observe is not None:
                self._observe([call])
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("ending a call")


KEEP = a.KEEP.name
_KINDS = {kind.name: kind for kind in SpanKind}


class Active:
    """The recorder in use, and the streams that are open."""

    recorder: Recorder | None = None
    closed: bool = False
    born_ns: int = 0  # when the process was forked; calls that were open then are its parent's
    waiting: Sized = ()  # finished calls that our exporter has not taken yet

    def __init__(self) -> None:
        self.streams: set[Call] = set()  # begun and not yet read to their end

    def renew(self) -> None:
        """Leave what is open to the parent, in a child that was forked."""
        self.streams.clear()
        self.born_ns = now_ns()


active = Active()
os.register_at_fork(after_in_child=active.renew)


def discover() -> Recorder | None:
    """Return a recorder for the provider the program has set by itself, or None if it has none.

    OpenTelemetry has no public way to ask whether a provider was set that does not also make
    one; a test watches that the name read here stays.
    """
    provider = trace._TRACER_PROVIDER  # noqa: SLF001
    if provider is None or active.closed:
        return None
    try:
        active.recorder = TracerRecorder(trace.get_tracer("mlobs", tracer_provider=provider))
    except Exception:  # noqa: BLE001 # the program's own provider, and never into the program
        _guard.failed("asking the TracerProvider for a tracer", "Your call went on; it is not recorded.")
        return None
    try:
        _settle()
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("reading MLOBS_CONTENT")
    return active.recorder


def _settle() -> None:
    """Let decorators record content as the environment says: without `init` nobody else does."""
    defaults = Defaults()
    if any(name.startswith(("MLOBS_", "OTEL_INSTRUMENTATION_GENAI_")) for name in os.environ):
        from mlobs.settings import SdkSettings, load  # pydantic costs 0.1 s

        defaults = defaults_of(load(SdkSettings))
    Queries.mode = defaults.mode
    settle(content=lambda policy: policy.resolved(defaults))


def end_open_calls() -> None:
    """End what is open, because the process ends: streams are abandoned, calls that still run cancelled."""
    streams = active.streams.copy()
    active.streams.clear()
    for call in [*streams, *_running(streams)]:
        if active.recorder is not None:
            call.state = "abandoned" if call in streams else "cancelled"
            active.recorder.finish(call)
        call.sampled = False  # whoever goes on with it does not end it a second time


def _running(streams: set[Call]) -> list[Call]:
    """Return the calls of this process that have begun and not ended.

    They are looked for among all objects, once: to be on a list while they run would cost every call.
    """
    found = [one for one in gc.get_objects() if type(one) is Call]  # `__class__` may be code of the program
    return [
        one for one in found if one.started_ns > active.born_ns and not one.ended_ns and one not in streams
    ]


def _shed(call: Call) -> None:
    """Drop the content of a call, and keep the call: prompts by the thousand would fill the memory."""
    call.arguments = call.result = call.items = None
    call.set_attribute(a.CONTENT_DROPPED.name, value=True)


def _legible(attributes: Mapping[str, Value]) -> dict[str, Value]:
    """Return attributes such that the exporters of others leave none out."""
    return {key: legible(value) if type(value) is str else value for key, value in attributes.items()}


def _important(call: Call) -> bool:
    """Return whether the call must not be crowded out: it failed, or somebody asked for it."""
    return call.failure is not None or (call.extra is not None and bool(call.extra.get(KEEP)))


def _note(call: Call, error: BaseException) -> None:
    """Write down how the call ended. Being cancelled or left is not an error."""
    asyncio: Any = sys.modules.get("asyncio")  # not imported for this: a program without it has no tasks
    trio: Any = sys.modules.get("trio")
    if (asyncio is not None and isinstance(error, asyncio.CancelledError)) or (
        trio is not None and isinstance(error, trio.Cancelled)
    ):
        # A loop that ends cancels the tasks in which it closes streams that nobody read to their end.
        call.state = "abandoned" if error is call.thrown else "cancelled"
    elif isinstance(error, GeneratorExit):
        call.state = "abandoned"
    else:
        call.failure = Failure(error)
    call.thrown = None  # its traceback would keep the stream's frames alive


def _ask(sampler: "Sampler", call: Call, outer: Context) -> None:
    result = sampler.should_sample(
        outer, call.trace_id, call.site.name, _KINDS[call.site.row.kind], call.site.attributes
    )
    sampled = bool(result.decision.is_sampled())  # type: ignore[no-untyped-call] # the SDK left it bare
    if sampled != call.sampled:
        call.sampled = sampled
    if result.trace_state is not None:
        call.trace_state = result.trace_state
    call.extra = {
        key: value for key, value in result.attributes.items() if key not in call.site.attributes
    } or None

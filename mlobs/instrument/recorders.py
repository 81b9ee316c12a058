"""Who keeps the record of a call: our own exporter, or the process's TracerProvider.

A recorder starts a call and finishes it; neither ever raises. `active.recorder` is the one in
use, or None while mlobs is off.
"""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from mlobs import _guard
from mlobs.instrument.calls import Call, Failure, now_ns
from mlobs.instrument.context import entered
from mlobs.instrument.describe import dynamic, status_message
from mlobs.instrument.sites import Site

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.sampling import Sampler


class Recorder(Protocol):
    """Starts and finishes calls."""

    def start(self, site: Site, outer: Context) -> Call | None:
        """Return a new call whose `context` is to be made current, or None if it cannot be recorded."""

    def finish(self, call: Call, error: BaseException | None = None) -> None:
        """Take the call's end. `error` is what left the function, if anything did."""


class OwnRecorder:
    """Hands finished calls to our exporter.

    Args:
        offer: Takes a finished call; must not block.
        sampler: Asked for each call, unless every root is sampled.
    """

    def __init__(self, offer: Callable[[Call], None], sampler: "Sampler | None") -> None:
        self._offer = offer
        self._sampler = sampler

    def start(self, site: Site, outer: Context) -> Call | None:
        """Return a new call."""
        try:
            call = Call(site, outer)
            if self._sampler is not None:
                _ask(self._sampler, call, outer)
            call.context = entered(call, call, outer)
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
            if call.sampled:
                self._offer(call)
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("ending a call")


class TracerRecorder:
    """Makes an ordinary span of each call, with the tracer of the process's own provider."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def start(self, site: Site, outer: Context) -> Call | None:
        """Return a new call with a span of the provider."""
        try:
            span = self._tracer.start_span(
                site.name, context=outer, kind=SpanKind[site.row.kind], attributes=site.attributes
            )
            call = Call(site, outer)
            above = span.get_span_context()
            call.trace_id, call.span_id, call.span = above.trace_id, above.span_id, span
            call.context = entered(call, span, outer)
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
            if span.is_recording():
                if error is not None:
                    _note(call, error)
                span.set_attributes(dynamic(call, datetime.now(UTC).date()))
                if call.failure is not None and error is not None and call.state is None:
                    span.record_exception(error)
                    span.set_status(Status(StatusCode.ERROR, status_message(call)))
            span.end()
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("ending a call")


class Active:
    """The recorder in use."""

    recorder: Recorder | None = None
    closed: bool = False


active = Active()


def discover() -> Recorder | None:
    """Return a recorder for the provider the program has set by itself, or None if it has none.

    OpenTelemetry has no public way to ask whether a provider was set that does not also make
    one; a test watches that the name read here stays.
    """
    provider = trace._TRACER_PROVIDER  # noqa: SLF001
    if provider is None or active.closed:
        return None
    active.recorder = TracerRecorder(trace.get_tracer("mlobs", tracer_provider=provider))
    return active.recorder


def _note(call: Call, error: BaseException) -> None:
    """Write down how the call ended. Being cancelled or left is not an error."""
    asyncio: Any = sys.modules.get("asyncio")  # not imported for this: a program without it has no tasks
    if asyncio is not None and isinstance(error, asyncio.CancelledError):
        # A loop that ends cancels the tasks in which it closes streams that nobody read to their end.
        call.state = "abandoned" if error is call.thrown else "cancelled"
    elif isinstance(error, GeneratorExit):
        call.state = "abandoned"
    else:
        call.failure = Failure(error)
    call.thrown = None  # its traceback would keep the stream's frames alive


def _ask(sampler: "Sampler", call: Call, outer: Context) -> None:
    result = sampler.should_sample(
        outer, call.trace_id, call.site.name, SpanKind[call.site.row.kind], call.site.attributes
    )
    call.sampled = bool(result.decision.is_sampled())  # type: ignore[no-untyped-call] # the SDK left it bare
    if result.trace_state is not None:
        call.trace_state = result.trace_state
    call.extra = {
        key: value for key, value in result.attributes.items() if key not in call.site.attributes
    } or None

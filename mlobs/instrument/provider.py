"""The TracerProvider that `init` installs, for the spans of everybody else. Edge: the OpenTelemetry SDK.

Spans of other instrumentations go into the same outbox as decorated calls, and leave in the same
requests: one queue with one bound, one retry, one count of losses, and a flush that keeps to its
timeout, which the SDK's own batch processor does not.

Where a program adds a span processor of its own, decorated calls must pass through it too, so
they become spans of this provider from then on, at the SDK's cost.
"""

from collections.abc import Callable

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import StatusCode

from mlobs.instrument.content.snapshots import weight
from mlobs.instrument.outbox import WEIGHED, Outbox
from mlobs.semconv import attributes as a


class Forwarding(SpanProcessor):
    """Hands the SDK's finished spans to our outbox.

    Args:
        outbox: Where they wait for export.
        flush: Delivers what waits within a number of seconds.
        flush_root: Called when an outermost span has ended, where the process may be frozen right after.
    """

    def __init__(
        self,
        outbox: Outbox,
        flush: Callable[[float], bool],
        flush_root: Callable[[], object] | None = None,
    ) -> None:
        self._outbox = outbox
        self._flush = flush
        self._flush_root = flush_root

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing: only finished spans are delivered."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a finished span."""
        if span.context is not None and span.context.trace_flags.sampled:
            failed = span.status.status_code is StatusCode.ERROR
            kept = span.attributes is not None and bool(span.attributes.get(a.KEEP.name))
            self._outbox.offer(span, keep=failed or kept)
            if not span.context.span_id % WEIGHED:
                self._outbox.weigh(_weight(span))
            if self._flush_root is not None and (span.parent is None or span.parent.is_remote):
                self._flush_root()

    def shutdown(self) -> None:
        """Do nothing: the exporter is shut down by `mlobs.shutdown`."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Deliver what waits."""
        return self._flush(timeout_millis / 1e3)


def _weight(span: ReadableSpan) -> int:
    """Return about how many bytes a span holds, where they count."""
    held = [span.attributes, *(event.attributes for event in span.events)]
    return sum(weight(list(one.values())) for one in held if one is not None)


class Provider(TracerProvider):
    """A TracerProvider that notices processors of the program.

    Args:
        resource: What describes the process.
        ours: Delivers spans.
        joined: Called when the program has added a processor of its own.
    """

    def __init__(self, resource: Resource, ours: SpanProcessor, joined: Callable[[], None]) -> None:
        super().__init__(resource=resource, shutdown_on_exit=False)
        super().add_span_processor(ours)
        self._joined = joined

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add a processor; from now on decorated calls pass through it as well."""
        super().add_span_processor(span_processor)
        self._joined()

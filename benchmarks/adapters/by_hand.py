"""Spans by hand: `start_as_current_span` as a decorator, as OpenTelemetry's documentation shows it."""

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

NOUNS = "agent workflow step tool llm embedding retrieval plan memory guardrail evaluator predict"


class ByHand:
    states = False
    nouns = NOUNS.split()

    def __init__(self, seen, provider=None):
        self._seen = seen
        self._kept = InMemorySpanExporter()
        self._provider = provider or TracerProvider()
        self._provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self._tracer = self._provider.get_tracer("by hand")

    def decorate(self, noun, function):
        return self._tracer.start_as_current_span(getattr(function, "__name__", "call"))(function)

    def clear(self):
        self._kept.clear()

    def name_of(self, span):
        """Return the decorated function's name."""
        return span.name

    def spans(self):
        return [
            self._seen(
                self.name_of(span),
                f"{span.context.span_id:016x}",
                f"{span.parent.span_id:016x}" if span.parent else "",
                f"{span.context.trace_id:032x}",
                "error" if span.status.status_code.name == "ERROR" else "ok",
                next(
                    (e.attributes.get("exception.type", "") for e in span.events if e.name == "exception"), ""
                ),
                span.start_time,
                span.end_time,
            )
            for span in self._kept.get_finished_spans()
        ]


def make(seen):
    return ByHand(seen)

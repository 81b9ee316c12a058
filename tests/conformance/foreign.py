"""mlobs in a TracerProvider of the program: its calls are ordinary spans of that provider."""

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import mlobs
from mlobs.semconv.spans import SPANS


class Foreign:
    states = True
    nouns = [row.noun for row in SPANS]  # noqa: RUF012 # nobody changes it

    def __init__(self, seen):
        self._seen = seen
        self._kept = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        trace.set_tracer_provider(provider)
        mlobs.init("foreign")

    def decorate(self, noun, function):
        return getattr(mlobs, noun)(function)

    def clear(self):
        self._kept.clear()

    def spans(self):
        return [
            self._seen(
                span.attributes["mlobs.name"],
                f"{span.context.span_id:016x}",
                f"{span.parent.span_id:016x}" if span.parent else "",
                f"{span.context.trace_id:032x}",
                span.attributes.get("mlobs.call.state", "ok" if span.status.is_unset else "error"),
                span.attributes.get("error.type", ""),
                span.start_time,
                span.end_time,
            )
            for span in self._kept.get_finished_spans()
            if span.instrumentation_scope.name == "mlobs"  # FastAPI makes spans of its own
        ]


def make(seen):
    return Foreign(seen)

"""The decorators of traceloop-sdk (OpenLLMetry)."""

import importlib.util
from pathlib import Path

from opentelemetry import trace
from traceloop.sdk import Traceloop
from traceloop.sdk import decorators as given

spec = importlib.util.spec_from_file_location("by_hand", Path(__file__).with_name("by_hand.py"))
by_hand = importlib.util.module_from_spec(spec)
spec.loader.exec_module(by_hand)

# It has no decorator for model calls; its general one is taken.
KINDS = {
    "agent": given.agent,
    "workflow": given.workflow,
    "step": given.task,
    "tool": given.tool,
    "llm": given.task,
}


class OpenLLMetry(by_hand.ByHand):
    nouns = list(KINDS)

    def __init__(self, seen):
        kept = by_hand.InMemorySpanExporter()
        Traceloop.init(
            app_name="conformance",
            exporter=kept,
            disable_batch=True,
            telemetry_enabled=False,
            instruments=set(),
        )
        super().__init__(seen, trace.get_tracer_provider())

    def decorate(self, noun, function):
        return KINDS[noun](name=getattr(function, "__name__", "call"))(function)

    def name_of(self, span):
        return span.attributes.get("traceloop.entity.name", span.name)


def make(seen):
    return OpenLLMetry(seen)

"""A program's SDK that sends to a gateway, and the spans that a sink has of it."""

import random

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator

from mlobs.semconv import attributes as a
from tests.collectors import tiers


class SameIds(IdGenerator):
    """Gives the same ids every time, so that the same traces are kept: chance fails no test."""

    def __init__(self):
        self._chance = random.Random(5)

    def generate_trace_id(self):
        return self._chance.getrandbits(128)

    def generate_span_id(self):
        return self._chance.getrandbits(64)


def provider(tier):
    """Return an SDK that sends to a gateway with its token."""
    made = TracerProvider(resource=Resource.create({a.SERVICE_NAME.name: "shop"}), id_generator=SameIds())
    exporter = OTLPSpanExporter(
        f"{tier.http}/v1/traces", headers={"authorization": f"Bearer {tiers.TOKEN}"}, timeout=60
    )
    made.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=100_000))
    return made


def weight(tracestate):
    """Return how many spans a kept one stands for, from `ot=th:...` of its tracestate."""
    for member in tracestate.split(","):
        for part in member.removeprefix("ot=").split(";") if member.startswith("ot=") else ():
            if part.startswith("th:"):
                rejected = int(part.removeprefix("th:").ljust(14, "0"), 16)
                return 2**56 / (2**56 - rejected)
    return 1.0


def arrived(receiver):
    """Return (name, trace id, tracestate) of every span a sink has."""
    found = []
    for path, body in list(receiver.bodies):
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found += [(one.name, one.trace_id, one.trace_state) for one in scope.spans]
    return found

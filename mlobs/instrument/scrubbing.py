"""Removes secrets from spans of other instrumentations before they leave. Edge: OpenTelemetry's messages.

Clients and frameworks put URLs with passwords, headers and exception texts on their spans.
"""

from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.instrument.content.redaction import redact_secrets


def scrub(request: ExportTraceServiceRequest) -> None:
    """Remove secrets from every text of every span, in place."""
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                _pairs(span.attributes)
                for event in span.events:
                    _pairs(event.attributes)
                for link in span.links:
                    _pairs(link.attributes)
                clean = redact_secrets(span.status.message)
                if clean != span.status.message:
                    span.status.message = clean


def _pairs(pairs: Iterable[Any]) -> None:
    for pair in pairs:
        _value(pair.value)


def _value(value: Any) -> None:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        clean = redact_secrets(value.string_value)
        if clean != value.string_value:
            value.string_value = clean
    elif kind == "array_value":
        for one in value.array_value.values:
            _value(one)
    elif kind == "kvlist_value":
        _pairs(value.kvlist_value.values)

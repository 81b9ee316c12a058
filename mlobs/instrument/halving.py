"""Splits a request that an endpoint found too large. Edge: protobuf messages of OpenTelemetry."""

from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def halves(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Return an ExportTraceServiceRequest as two with half the spans each, and how many these are."""
    whole = ExportTraceServiceRequest.FromString(body)
    spans = [
        (resource, scope, span)
        for resource in whole.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    middle = len(spans) // 2
    for part in (spans[:middle], spans[middle:]):
        half = ExportTraceServiceRequest()
        before: tuple[int, int] | None = None
        for resource, scope, span in part:
            if (id(resource), id(scope)) != before:
                into = half.resource_spans.add(resource=resource.resource, schema_url=resource.schema_url)
                within = into.scope_spans.add(scope=scope.scope, schema_url=scope.schema_url)
                before = (id(resource), id(scope))
            within.spans.append(span)
        yield half.SerializeToString(), len(part)

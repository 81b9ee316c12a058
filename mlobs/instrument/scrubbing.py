"""Writes spans of others, without secrets and what was typed into URLs. Edge: OpenTelemetry's messages.

Clients and frameworks put URLs with passwords, headers and exception texts on their spans.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, Status

from mlobs import _guard
from mlobs.instrument.content.redaction import redact_attribute


def written(spans: Sequence[ReadableSpan]) -> tuple[bytes, int]:
    """Return the request that carries `spans`, and how many it carries.

    One text that is not UTF-8, such as the name of a file in what was raised, makes OpenTelemetry refuse
    the whole batch. Then each span is written alone, with such characters replaced.
    """
    try:
        return _body(spans), len(spans)
    except Exception:  # noqa: BLE001 # whatever it is, it is found again below
        bodies = []
        for span in spans:
            try:
                bodies.append(_body([_legible(span)]))
            except Exception:  # noqa: BLE001 # one span that cannot be written must not cost the batch
                _guard.failed("encoding a span of another instrumentation", "That span is lost.")
        return b"".join(bodies), len(bodies)  # requests in a row are one: messages concatenate


def _body(spans: Sequence[ReadableSpan]) -> bytes:
    request = encode_spans(spans)
    scrub(request)
    return request.SerializeToString()


def _legible(span: ReadableSpan) -> ReadableSpan:
    """Return a copy of a span whose texts are all UTF-8."""
    said = span.status.description
    return ReadableSpan(
        _utf8(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_all_utf8(span.attributes),
        events=[Event(_utf8(one.name), _all_utf8(one.attributes), one.timestamp) for one in span.events],
        links=[Link(one.context, _all_utf8(one.attributes)) for one in span.links],
        kind=span.kind,
        status=Status(span.status.status_code, None if said is None else _utf8(said)),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _all_utf8(attributes: Any) -> dict[str, Any]:
    return {_utf8(key): _utf8(value) for key, value in (attributes or {}).items()}


def _utf8(value: Any) -> Any:
    """Return a text as UTF-8 can write it, also inside of a list; other values as they are."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return [_utf8(one) for one in value] if isinstance(value, list | tuple) else value


def scrub(request: ExportTraceServiceRequest) -> None:
    """Remove secrets from every text of every span, and from URLs what content may not have, in place."""
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                _text(span, "name")
                _text(span.status, "message")
                _pairs(span.attributes)
                for event in span.events:
                    _text(event, "name")
                    _pairs(event.attributes)
                for link in span.links:
                    _pairs(link.attributes)


def _text(holder: Any, field: str, key: str = "") -> None:
    said = getattr(holder, field)
    clean = redact_attribute(key, said)
    if clean != said:
        setattr(holder, field, clean)


def _pairs(pairs: Iterable[Any]) -> None:
    for pair in pairs:
        _value(pair.key, pair.value)


def _value(key: str, value: Any) -> None:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        _text(value, "string_value", key)
    elif kind == "array_value":
        for one in value.array_value.values:
            _value(key, one)
    elif kind == "kvlist_value":
        _pairs(value.kvlist_value.values)

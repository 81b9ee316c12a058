"""Spans of the store as OTLP again, to be sent to any backend.

The store keeps attributes as text. Those of the vocabulary get their kind back, numbers and truths; others
are sent as text.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from mlobs.semconv.attributes import ATTRIBUTES

KINDS = {name.lower(): number for name, number in (
    ("Unspecified", 0), ("Internal", 1), ("Server", 2), ("Client", 3), ("Producer", 4), ("Consumer", 5),
)}  # fmt: skip
CODES = {"Unset": 0, "Ok": 1, "Error": 2}
_READ: Mapping[str, Callable[[str], AnyValue]] = {
    "int": lambda text: AnyValue(int_value=int(text)),
    "double": lambda text: AnyValue(double_value=float(text)),
    "boolean": lambda text: AnyValue(bool_value={"true": True, "false": False}[text]),
}
_TYPES = {row.name: row.type for row in ATTRIBUTES}


def request(rows: Iterable[Mapping[str, Any]]) -> ExportTraceServiceRequest:
    """Return the request that sends rows of `exporting.spans_of`.

    Bodies one after the other are one larger request, as protobuf has it.
    """
    made = ExportTraceServiceRequest()
    resources: dict[tuple[Any, ...], ResourceSpans] = {}
    scopes: dict[tuple[Any, ...], ScopeSpans] = {}
    for row in rows:
        of_resource = tuple(sorted(row["ResourceAttributes"].items()))
        if of_resource not in resources:
            resource = resources[of_resource] = made.resource_spans.add()
            resource.resource.attributes.extend(_pairs(row["ResourceAttributes"]))
        of_scope = (of_resource, row["ScopeName"], row["ScopeVersion"])
        if of_scope not in scopes:
            scope = scopes[of_scope] = resources[of_resource].scope_spans.add()
            scope.scope.name, scope.scope.version = row["ScopeName"], row["ScopeVersion"]
        scopes[of_scope].spans.append(_span(row))
    return made


def _span(row: Mapping[str, Any]) -> Span:
    events = zip(row["EventNames"], row["EventTimesNs"], row["EventAttributes"], strict=True)
    links = zip(
        row["LinkTraceIds"], row["LinkSpanIds"], row["LinkTraceStates"], row["LinkAttributes"], strict=True
    )
    return Span(
        trace_id=bytes.fromhex(row["TraceId"]),
        span_id=bytes.fromhex(row["SpanId"]),
        parent_span_id=bytes.fromhex(row["ParentSpanId"]),
        trace_state=row["TraceState"],
        name=row["SpanName"],
        kind=KINDS.get(row["SpanKind"].lower(), 0),  # type: ignore[arg-type]  # protobuf's enums are numbers
        start_time_unix_nano=int(row["StartNs"]),
        end_time_unix_nano=int(row["StartNs"]) + int(row["DurationNs"]),
        attributes=_pairs(row["Attributes"]),
        status=_status(row),
        events=[
            Span.Event(name=name, time_unix_nano=int(time_ns), attributes=_pairs(attributes))
            for name, time_ns, attributes in events
        ],
        links=[
            Span.Link(
                trace_id=bytes.fromhex(trace_id),
                span_id=bytes.fromhex(span_id),
                trace_state=state,
                attributes=_pairs(attributes),
            )
            for trace_id, span_id, state, attributes in links
        ],
    )


def _status(row: Mapping[str, Any]) -> Status | None:
    """Return the status; None where the span has none, as most senders leave it out then."""
    code = CODES.get(row["StatusCode"], 0)
    if not code and not row["StatusMessage"]:
        return None
    return Status(code=code, message=row["StatusMessage"])  # type: ignore[arg-type]  # enums are numbers


def _pairs(attributes: Mapping[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(key, text)) for key, text in attributes.items()]


def _value(key: str, text: str) -> AnyValue:
    read = _READ.get(_TYPES.get(key, ""))
    if read is not None:
        try:
            return read(text)
        except (ValueError, KeyError):  # Somebody sent another kind under this name; it stays what it was.
            return AnyValue(string_value=text)
    return AnyValue(string_value=text)

"""What the engine reads is what OTLP says: field numbers, kinds, and values inside values."""

import json
import re
from importlib.resources import files

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1 import common_pb2 as common
from opentelemetry.proto.logs.v1 import logs_pb2 as logs
from opentelemetry.proto.metrics.v1 import metrics_pb2 as metrics
from opentelemetry.proto.resource.v1 import resource_pb2 as resource
from opentelemetry.proto.trace.v1 import trace_pb2 as trace

from mlobs.server.wire import DEPTH, MARK
from tests.server.otlp import post, span

OFFICIAL = {
    "ResourceSpans": trace.ResourceSpans,
    "ScopeSpans": trace.ScopeSpans,
    "Span": trace.Span,
    "SpanEvent": trace.Span.Event,
    "SpanLink": trace.Span.Link,
    "Status": trace.Status,
    "ResourceLogs": logs.ResourceLogs,
    "ScopeLogs": logs.ScopeLogs,
    "Log": logs.LogRecord,
    "ResourceMetrics": metrics.ResourceMetrics,
    "ScopeMetrics": metrics.ScopeMetrics,
    "Metric": metrics.Metric,
    "Gauge": metrics.Gauge,
    "Sum": metrics.Sum,
    "Histogram": metrics.Histogram,
    "NumberPoint": metrics.NumberDataPoint,
    "HistogramPoint": metrics.HistogramDataPoint,
    "Exemplar": metrics.Exemplar,
    "Resource": resource.Resource,
    "Scope": common.InstrumentationScope,
    "Pair": common.KeyValue,
    "Value": common.AnyValue,
    "Value1": common.AnyValue,
    "Value2": common.AnyValue,
}
SCALARS = {
    "string": 9, "bytes": 12, "bool": 8, "int32": 5, "uint32": 13, "int64": 3, "fixed64": 6,
    "sfixed64": 16, "fixed32": 7, "double": 1,
}  # fmt: skip
# Enums are read as the numbers they are on the wire.
SAME_ON_THE_WIRE = {(13, 14), (5, 14)}
ENDS = {"e", "z"}


def ours() -> dict[str, list[tuple[str, str, int]]]:
    """Return type, name and number of each field of our messages."""
    text = re.sub(r"//.*", "", (files("mlobs.server") / "otlp.proto").read_text())
    blocks = re.findall(r"message (\w+) \{((?:[^{}]|\{[^{}]*\})*)\}", text)
    return {
        name: [
            (kind, field, int(number)) for kind, field, number in re.findall(r"(\w+) (\w+) = (\d+);", body)
        ]
        for name, body in blocks
    }


@pytest.mark.parametrize("name", OFFICIAL)
def test_our_schema_is_a_part_of_otlp(name):
    """A wrong number reads another field, and nothing complains."""
    official = OFFICIAL[name].DESCRIPTOR.fields_by_number
    fields = [field for field in ours()[name] if field[1] not in ENDS]
    assert fields
    for kind, field, number in fields:
        assert number in official, f"{name}.{field} = {number} is not in OTLP"
        expected = official[number].type
        given = SCALARS.get(kind, 11)
        assert given == expected or (given, expected) in SAME_ON_THE_WIRE, f"{name}.{field}"


TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(['","e":0}', ']},"end":0}', '{"k":1,"t":"', "\\/", '\\"', ',"v":', "],", "k", "v", "n"]),
)
SCALAR_VALUES = st.one_of(
    TEXTS,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0.0, 0.5, -1.25, 1e30]),
    st.none(),
)


def values(depth: int) -> st.SearchStrategy[object]:
    if depth == 0:
        return SCALAR_VALUES
    inner = values(depth - 1)
    return st.one_of(inner, st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4))


NESTED = st.one_of(st.lists(values(DEPTH), max_size=4), st.dictionaries(TEXTS, values(DEPTH), max_size=4))


def fill(target: common.AnyValue, value: object) -> None:
    """Write a Python value the way SDKs do."""
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, list):
        target.array_value.SetInParent()
        for item in value:
            fill(target.array_value.values.add(), item)
    elif isinstance(value, dict):
        target.kvlist_value.SetInParent()
        for key, item in value.items():
            fill(target.kvlist_value.values.add(key=key).value, item)


def cut(value: object, depth: int = DEPTH) -> object:
    """Return what is left of a value: the mark where it lies too deep."""
    if not isinstance(value, list | dict):
        return value
    if depth == 0:
        return MARK
    if isinstance(value, list):
        return [cut(item, depth - 1) for item in value]
    return {key: cut(item, depth - 1) for key, item in value.items()}


@settings(max_examples=4, phases=[Phase.generate])
@given(st.lists(NESTED, min_size=20, max_size=40))
def test_nested_values_become_the_json_they_are(served, several):
    """Also when texts look like the pieces the conversion looks for."""
    request = ExportTraceServiceRequest()
    made = span(request, "nested")
    for number, value in enumerate(several):
        fill(made.attributes.add(key=str(number)).value, value)
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    [row] = served.store.query(
        "SELECT SpanAttributes AS found FROM otel_traces WHERE TraceId = {id:String}",
        {"id": made.trace_id.hex()},
    )
    assert [json.loads(row["found"][str(n)]) for n in range(len(several))] == [cut(v) for v in several]

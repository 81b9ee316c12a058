"""What the engine reads is what OTLP says: field numbers, kinds, and values inside values."""

import json
import re
from contextlib import nullcontext
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

from mlobs.server.framing import frame
from mlobs.server.staging import Stage
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
    "Exponential": metrics.ExponentialHistogram,
    "ExponentialPoint": metrics.ExponentialHistogramDataPoint,
    "Buckets": metrics.ExponentialHistogramDataPoint.Buckets,
    "Summary": metrics.Summary,
    "SummaryPoint": metrics.SummaryDataPoint,
    "Quantile": metrics.SummaryDataPoint.ValueAtQuantile,
    "Exemplar": metrics.Exemplar,
    "Resource": resource.Resource,
    "Scope": common.InstrumentationScope,
    "Pair": common.KeyValue,
    "Value": common.AnyValue,
}
SCALARS = {
    "string": 9, "bytes": 12, "bool": 8, "int32": 5, "uint32": 13, "int64": 3, "fixed64": 6,
    "sfixed64": 16, "sint32": 17, "uint64": 4, "fixed32": 7, "double": 1,
}  # fmt: skip
# Enums are read as the numbers they are on the wire, nested values as their bytes.
SAME_ON_THE_WIRE = {(13, 14), (5, 14), (12, 11)}
NOT_IN_OTLP = {("SummaryPoint", "exemplars")}


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
    fields = [field for field in ours()[name] if (name, field[1]) not in NOT_IN_OTLP]
    assert fields
    for kind, field, number in fields:
        assert number in official, f"{name}.{field} = {number} is not in OTLP"
        expected = official[number].type
        given = SCALARS.get(kind, 11)
        assert given == expected or (given, expected) in SAME_ON_THE_WIRE, f"{name}.{field}"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALAR_VALUES = st.one_of(
    TEXTS,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.none(),
)
NESTED = st.recursive(
    st.one_of(st.lists(SCALAR_VALUES, max_size=3), st.dictionaries(TEXTS, SCALAR_VALUES, max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=12,
)


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


def stored(served, request) -> list[dict[str, str]]:
    """Send spans, and return the attributes of each in the order they were sent."""
    spans = request.resource_spans[0].scope_spans[0].spans
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    rows = served.store.query(
        "SELECT SpanId AS id, mapConcat(SpanAttributes, Content) AS found FROM otel_traces "
        "WHERE TraceId IN splitByChar(',', {ids:String})",
        {"ids": ",".join(made.trace_id.hex() for made in spans)},
    )
    by_id = {row["id"]: row["found"] for row in rows}
    return [by_id[made.span_id.hex()] for made in spans]


@settings(max_examples=4, phases=[Phase.generate])
@given(st.lists(NESTED, min_size=20, max_size=40))
def test_nested_values_become_the_json_they_are(served, several):
    """At any depth; each different one is made once and looked up."""
    request = ExportTraceServiceRequest()
    made = span(request, "nested")
    for number, value in enumerate(several):
        fill(made.attributes.add(key=str(number)).value, value)
    [found] = stored(served, request)
    assert [json.loads(found[str(n)]) for n in range(len(several))] == several


@pytest.mark.slow
@settings(max_examples=4, phases=[Phase.generate])
@given(st.lists(st.floats(), min_size=20, max_size=40))
def test_numbers_become_the_text_they_are(served, several):
    """Also those whose exponent has three digits, which the engine writes wrong."""
    request = ExportTraceServiceRequest()
    made = span(request, "numbers")
    for number, value in enumerate([*several, 1e100, -2.5e-310]):
        made.attributes.add(key=str(number)).value.double_value = value
    [found] = stored(served, request)
    read = [float(found[str(n)]) for n in range(len(several) + 2)]
    assert list(map(repr, read)) == list(map(repr, [*several, 1e100, -2.5e-310]))


def test_the_same_bytes_are_a_list_in_one_place_and_a_map_in_another(served):
    """They are told apart by the field they came in."""
    request = ExportTraceServiceRequest()
    made = span(request, "alike")
    fill(made.attributes.add(key="list").value, ["abc"])
    fill(made.attributes.add(key="map").value, {"abc": None})
    [found] = stored(served, request)
    assert found == {"list": '["abc"]', "map": '{"abc":null}'}


def test_a_text_that_is_too_long_is_cut_between_characters(served, tmp_path):
    """One program's megabytes must not be everybody's."""
    request = ExportTraceServiceRequest()
    made = span(request, "long")
    fill(made.attributes.add(key="fits").value, "a" * 64)
    fill(made.attributes.add(key="cut").value, "a" + "é" * 64)
    fill(made.attributes.add(key="list").value, ["b" * 64])
    segment = tmp_path / "traces-00000000000000000011.sealed"
    segment.write_bytes(frame(request.SerializeToString()))
    Stage(served.store.connection(), "traces", nullcontext(), text_bytes_max=64).load(segment)
    [row] = served.store.query(
        "SELECT SpanAttributes AS found FROM otel_traces WHERE TraceId = {id:String}",
        {"id": made.trace_id.hex()},
    )
    assert row["found"] == {
        "fits": "a" * 64,
        "cut": "a" + "é" * 31 + "…",
        "list": '["' + "b" * 62 + "…",
    }


def test_what_models_read_and_wrote_is_kept_beside_the_other_attributes(served):
    """So that a question about those does not read it."""
    request = ExportTraceServiceRequest()
    made = span(request, "content")
    put = {"gen_ai.input.messages": "[]", "other": "short", "long": "x" * 2_000, "http.route": "/"}
    for key, value in put.items():
        fill(made.attributes.add(key=key).value, value)
    assert stored(served, request) == [put]
    [row] = served.store.query(
        "SELECT mapKeys(SpanAttributes) AS facts, mapKeys(Content) AS content FROM otel_traces "
        "WHERE TraceId = {id:String}",
        {"id": made.trace_id.hex()},
    )
    assert row == {"facts": ["other", "http.route"], "content": ["gen_ai.input.messages", "long"]}

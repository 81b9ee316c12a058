"""The hand-written protobuf says what the generated classes read."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.instrument import encode
from mlobs.instrument.calls import Failure, begin
from mlobs.instrument.context import Context
from mlobs.instrument.sites import Site
from mlobs.semconv import spans
from tests import sink as sinks

SCALARS = st.one_of(
    st.text(max_size=50),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=20),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=4))
CLEAN = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def clean(value):
    """Return what arrives: text that UTF-8 cannot hold is replaced."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return [clean(item) for item in value] if isinstance(value, list) else value


@given(
    CLEAN, st.dictionaries(CLEAN, VALUES, max_size=8), st.integers(0, 2**64 - 2**33), st.integers(0, 2**32)
)
def test_what_is_written_is_read_back(name, attributes, started_ns, took_ns):
    """Any attribute of any kind, any name, any time."""
    call = begin(Site(spans.LLM, name, {"static": "yes"}), Context())
    call.started_ns, call.ended_ns = started_ns, started_ns + took_ns
    call.set_attributes(attributes)
    body = encode.request([encode.span(call, 0, date(2026, 1, 1))], {"service.name": "s"}, "mlobs", "1")
    ExportTraceServiceRequest.FromString(body)
    [span] = sinks.read_spans(body)
    expected = {"static": "yes", **{key: clean(value) for key, value in attributes.items()}}
    assert (span.name, span.attributes) == (clean(name), expected)
    assert (span.start_ns, span.end_ns, span.kind) == (started_ns, started_ns + took_ns, 3)
    assert (span.trace_id, span.span_id) == (f"{call.trace_id:032x}", f"{call.span_id:016x}")
    assert (span.resource, span.scope, span.flags) == ({"service.name": "s"}, "mlobs", 0x101)


@given(
    st.recursive(VALUES | st.none(), lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3))
)
def test_anything_a_user_hands_over_can_be_written(value):
    """Never a crash; what OTLP has no type for becomes JSON."""
    sinks.AnyValue.FromString(encode.any_value(value))


def test_an_attribute_set_in_the_call_replaces_the_decorators():
    """Two values under one key would be read differently by every back end."""
    call = begin(Site(spans.LLM, "chat", {"model": "asked"}), Context())
    call.set_attribute("model", "answered")
    [span] = sinks.read_spans(encode.request([encode.span(call, 0, date(2026, 1, 1))], {}, "mlobs", "1"))
    assert span.attributes == {"model": "answered"}


def test_a_broken_str_of_an_exception_is_survived():
    """Its author never called it either."""

    class SilentError(Exception):
        def __str__(self):
            raise RuntimeError

    assert Failure(SilentError()).message == "<the exception's text could not be made>"

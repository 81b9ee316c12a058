"""OTLP in JSON is the same as OTLP in protobuf, or a sentence about where it is not."""

import base64
import json
import math
import re
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from mlobs.errors import PayloadError
from mlobs.server.receive.messages import REQUESTS
from mlobs.server.receive.notation import IDENTIFIERS, from_json, weight

TRACES = REQUESTS["traces"]


def spans(*fields: dict[str, Any]) -> bytes:
    """Return a request of traces in JSON."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(fields)}]}]}).encode()


def read(body: bytes, signal: str = "traces") -> Any:
    return REQUESTS[signal].FromString(from_json(REQUESTS[signal], body))


def outcome(body: bytes) -> str:
    """Return what became of a request: taken, or the sentence."""
    try:
        return "taken" if isinstance(from_json(TRACES, body), bytes) else "nothing"
    except PayloadError as refused:
        return str(refused)


def the_span(**fields: Any) -> Any:
    [found] = read(spans(fields)).resource_spans[0].scope_spans[0].spans
    return found


def value(**fields: Any) -> Any:
    return the_span(attributes=[{"key": "k", "value": fields}]).attributes[0].value


@st.composite
def filled(draw: st.DrawFn, descriptor: Descriptor, depth: int = 0) -> dict[str, Any]:
    """Draw keyword arguments for a generated class, whatever fields it has."""
    made: dict[str, Any] = {}
    for field in descriptor.fields:
        nested = field.message_type
        if draw(st.integers(0, 3)) == 0 or (nested and depth > 8):
            continue
        one = filled(nested, depth + 1) if nested else SCALARS[field.cpp_type](field)
        made[field.name] = draw(st.lists(one, max_size=2) if field.is_repeated else one)
    oneofs = {field.containing_oneof.name for field in descriptor.fields if field.containing_oneof}
    for name in oneofs:
        members = [field.name for field in descriptor.oneofs_by_name[name].fields if field.name in made]
        for member in members[1:]:
            del made[member]
    return made


def _bits(low: int, high: int) -> Any:
    return lambda _field: st.integers(low, high)


SCALARS: dict[int, Any] = {
    FieldDescriptor.CPPTYPE_INT32: _bits(-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.CPPTYPE_INT64: _bits(-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.CPPTYPE_UINT32: _bits(0, (1 << 32) - 1),
    FieldDescriptor.CPPTYPE_UINT64: _bits(0, (1 << 64) - 1),
    FieldDescriptor.CPPTYPE_ENUM: lambda field: st.sampled_from(
        [one.number for one in field.enum_type.values]
    ),
    FieldDescriptor.CPPTYPE_BOOL: lambda _field: st.booleans(),
    FieldDescriptor.CPPTYPE_DOUBLE: lambda _field: st.floats(allow_nan=False),
    FieldDescriptor.CPPTYPE_STRING: lambda field: (
        st.binary(max_size=12)
        if field.type == FieldDescriptor.TYPE_BYTES
        else st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    ),
}


def hexadecimal(node: Any) -> Any:
    """Turn what Google's JSON has for identifiers into what OTLP's has."""
    if isinstance(node, list):
        return [hexadecimal(item) for item in node]
    if not isinstance(node, dict):
        return node
    names = {*IDENTIFIERS, "traceId", "spanId", "parentSpanId"}
    return {
        key: base64.b64decode(item).hex() if key in names else hexadecimal(item) for key, item in node.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("signal", REQUESTS)
@pytest.mark.parametrize("names_as_declared", [False, True], ids=["camelCase", "snake_case"])
@given(data=st.data())
def test_json_of_any_request_becomes_the_same_protobuf(signal, names_as_declared, data):
    """Every field there is, found in the protobuf package, not in a list of ours."""
    request = REQUESTS[signal](**data.draw(filled(REQUESTS[signal].DESCRIPTOR)))
    tree = MessageToDict(
        request,
        preserving_proto_field_name=names_as_declared,
        use_integers_for_enums=data.draw(st.booleans()),
    )
    assert read(json.dumps(hexadecimal(tree)).encode(), signal) == request


def test_identifiers_are_hexadecimal_and_other_bytes_base64():
    """As the specification has it; Google's JSON has base64 for both."""
    found = the_span(traceId="5B8EFFF798038103D269B633813FC60C", spanId="eee19b7ec3c1b174", parentSpanId="")
    assert found.trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert (found.span_id.hex(), found.parent_span_id) == ("eee19b7ec3c1b174", b"")
    for text in ("-_8=", "+/8=", "-_8"):
        assert value(bytesValue=text).bytes_value == b"\xfb\xff"


@pytest.mark.parametrize("written", [1544712660300000000, "1544712660300000000"])
def test_whole_numbers_are_numbers_or_texts(written):
    """JavaScript cannot write the number."""
    assert the_span(startTimeUnixNano=written).start_time_unix_nano == 1544712660300000000
    assert value(intValue=written).int_value == 1544712660300000000
    assert value(intValue=3.0).int_value == 3


def test_enumerations_are_numbers_and_names_are_understood():
    """Also a number that a later version of OTLP has."""
    assert [the_span(kind=kind).kind for kind in (2, "SPAN_KIND_SERVER", 99)] == [2, 2, 99]


def test_what_is_no_number_is_one_in_quotes():
    """JSON has no other way to say it."""
    assert math.isnan(value(doubleValue="NaN").double_value)
    assert value(doubleValue="-Infinity").double_value == -math.inf
    assert value(doubleValue="1.5").double_value == 1.5


def test_fields_nobody_knows_and_nulls_are_skipped():
    """Newer senders send more."""
    found = the_span(
        name="kept", flags=None, profile={"id": [1, {"deep": None}]}, __proto__={"polluted": True}
    )
    assert found == type(found)(name="kept")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body (0 bytes) is not JSON: Expecting value"),
        (b"{", "is not JSON: Expecting property name"),
        (b"\xff{}", "is not JSON: 'utf-8' codec can't decode"),
        (b"\xef\xbb\xbf{}", "is not JSON: Unexpected UTF-8 BOM"),
        (b"[]", "is not an ExportTraceServiceRequest: at the body, an array came, an object was expected."),
        (b'{"resourceMetrics": []}', "has no field of an ExportTraceServiceRequest."),
        (b'{"resourceSpans": 5}', "at resourceSpans, 5 came, an array was expected."),
        (b'{"resourceSpans": [null]}', "at resourceSpans, null came, an object was expected."),
        (spans({"name": 5}), "at resourceSpans.scopeSpans.spans.name, 5 came, a text was expected."),
        (spans({"name": "\ud800"}), "spans.name, '\\ud800' came, a text without halves of characters was"),
        (spans({"traceId": "xyz"}), "spans.traceId, 'xyz' came, a hexadecimal identifier was expected."),
        (spans({"traceId": "ab cd"}), "a hexadecimal identifier was expected."),
        (spans({"traceId": 12}), "spans.traceId, 12 came, a hexadecimal identifier was expected."),
        (
            spans({"kind": "CLIENT"}),
            "spans.kind, 'CLIENT' came, a whole number from -2147483648 to 2147483647",
        ),
        (spans({"kind": True}), "spans.kind, true came, a whole number"),
        (spans({"startTimeUnixNano": -1}), "-1 came, a whole number from 0 to 18446744073709551615 was"),
        (spans({"startTimeUnixNano": 1.5}), "1.5 came, a whole number"),
        (spans({"startTimeUnixNano": "1e3"}), "'1e3' came, a whole number"),
        (spans({"attributes": [{"value": {"doubleValue": "x"}}]}), "'x' came, a number was expected."),
        (spans({"attributes": [{"value": {"doubleValue": 10**400}}]}), "came, a number was expected."),
        (spans({"attributes": [{"value": {"boolValue": "yes"}}]}), "'yes' came, true or false was expected."),
        (spans({"attributes": [{"value": {"bytesValue": "?"}}]}), "'?' came, a text of base64 was expected."),
        (b'{"resourceSpans": NaN}', 'NaN is not a number of JSON; "NaN" in quotes is understood.'),
        (spans({"flags": 0}).replace(b"0", b"1e999"), "inf came, a whole number from 0"),
        (b'{"resourceSpans": ' + b"1" * 5_000 + b"}", "is not JSON: Exceeds the limit"),
        (b'{"a": ' + b"[" * 10_000, "its values lie too deep inside each other."),
    ],
)
def test_what_is_not_otlp_is_refused_with_its_place_and_value(body, sentence):
    """The sentence of a hundred-kilobyte value is short, too."""
    with pytest.raises(PayloadError, match=re.escape(sentence)) as refused:
        from_json(TRACES, body)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("depth", [40, 47, 48, 49, 60, 95, 96, 97, 150, 10_000])
def test_values_inside_each_other_are_read_as_deep_as_protobuf_has_them(depth):
    """Deeper ones are refused by either parser, and neither runs out of stack."""
    inner = '{"stringValue":"x"}'
    for _ in range(depth):
        inner = f'{{"arrayValue":{{"values":[{inner}]}}}}'
    body = spans({"attributes": [{"key": "k", "value": "HERE"}]}).replace(b'"HERE"', inner.encode())
    said = outcome(body)
    assert said == "taken" if depth <= 40 else said == "taken" or "too deep" in said


def test_the_last_of_two_equal_keys_counts():
    """As everywhere else where JSON is read."""
    body = spans({"name": "x"}).replace(b'"name": "x"', b'"name": "one", "name": "two"')
    assert read(body).resource_spans[0].scope_spans[0].spans[0].name == "two"


KEYS = [
    "resourceSpans",
    "scopeSpans",
    "spans",
    "name",
    "traceId",
    "attributes",
    "key",
    "value",
    "arrayValue",
    "values",
    "kvlistValue",
    "intValue",
    "bytesValue",
    "kind",
    "__proto__",
]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS) | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=30,
)


@given(st.binary(max_size=300) | JSON_VALUES.map(lambda tree: json.dumps({"resourceSpans": tree}).encode()))
def test_no_json_raises_anything_else(body):
    """What is taken is a message, what is not gets a sentence."""
    said = outcome(body)
    assert said == "taken" or said.endswith(".")


def test_small_values_weigh_more_than_long_texts():
    """A tree of objects is what takes memory."""
    assert weight(b'"' + b"x" * 10_000 + b'"') == 30_006
    assert weight(b"[" + b"{}," * 10_000 + b"{}]") > 50 * 30_000

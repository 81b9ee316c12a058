"""A server under attack: each body is stored or refused with a sentence, and the server goes on.

A process of its own with the limits that users have, so that a crash is one, and a loader that
is stuck can be seen.
"""

import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.processes import server
from tests.server.otlp import post, span, wait_until
from tests.server.receiving import BODY_BYTES_MAX

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
JSON = "application/json"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `mlobs up`; afterwards, what it has to say about all that."""
    folder = tmp_path_factory.mktemp("attacked")
    with server(folder) as url:
        yield url
        request = ExportTraceServiceRequest()
        made = span(request, "after the storm")
        assert post(url, request.SerializeToString()).status_code == 200
        asked = f"{url}/api/traces/{made.trace_id.hex()}"
        found = wait_until(lambda: requests.get(asked, timeout=120).status_code == 200)
        # A segment that the engine refused is rewritten and tried again; meanwhile the server says so.
        ready = wait_until(lambda: requests.get(f"{url}/readyz", timeout=120).ok)
        aside = list((folder / "data" / "journal").glob("*.set-aside"))
        log = (folder / "server.log").read_text()
        assert (found, ready, aside) == (True, True, []), log
        assert "Traceback" not in log


def varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


def field(number: int, data: bytes) -> bytes:
    """Return a length-delimited field."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def request_of(fields: bytes) -> bytes:
    """Return a request of one span with these fields."""
    return field(1, field(2, field(2, fields)))


def a_span(**given_: object) -> bytes:
    """Return a request with a span made by the generated class, with these fields changed."""
    request = ExportTraceServiceRequest()
    made = span(request, "hostile")
    for name, value in given_.items():
        setattr(made, name, value)
    return request.SerializeToString()


def deep(levels: int) -> bytes:
    """Return a value in as many arrays."""
    value = field(1, b"x")
    for _ in range(levels):
        value = field(5, field(1, value))
    return value


def attribute(key: bytes, value: bytes = b"\x0a\x01x") -> bytes:
    return field(9, field(1, key) + field(2, value))


NAME = field(5, b"hostile")
PROTOBUF = {
    "an absurd length": b"\x0a\xff\xff\xff\xff\x0f",
    "a length of 64 bits": b"\x0a" + b"\xff" * 9 + b"\x01",
    "a varint without end": b"\x0a" + b"\xff" * 1_000,
    "a group without end": request_of(b"\x0b" * 1_000),
    "groups inside each other": request_of(b"\x0b" * 10_000 + b"\x0c" * 10_000),
    "field number 0": b"\x02\x00",
    "wire type 7": b"\x0f\x00",
    "wrong wire types": request_of(b"\x28\x01" + field(7, b"\x01") + b"\x0d\0\0\0\0"),
    "zeros": b"\0" * 100_000,
    "resources": b"\x0a\x00" * 1_000_000,
    "empty spans": field(1, field(2, b"\x12\x00" * 300_000)),
    "a million attributes": request_of(NAME + attribute(b"k") * 1_000_000),
    "a million empty attributes": request_of(NAME + b"\x4a\x00" * 1_000_000),
    "a key of a megabyte": request_of(NAME + attribute(b"k" * 1_000_000)),
    "a value of ten megabytes": request_of(NAME + attribute(b"k", field(1, b"v" * 10_000_000))),
    "a name of a megabyte": request_of(field(5, b"n" * 1_000_000)),
    "40 values inside each other": request_of(NAME + attribute(b"k", deep(40))),
    "10,000 values inside each other": request_of(NAME + attribute(b"k", deep(10_000))),
    "a name that is not UTF-8": request_of(field(5, b"\xff\xfe")),
    "a key that is not UTF-8": request_of(NAME + attribute(b"\xc0\x80")),
    "half a surrogate": request_of(field(5, b"\xed\xa0\x80")),
    "zero bytes in a name": request_of(field(5, b"a\0b")),
    "__proto__": request_of(NAME + attribute(b"__proto__") + attribute(b"constructor") + attribute(b"")),
    "a key of SQL": request_of(NAME + attribute(b"'; DROP TABLE otel_traces; --")),
    "one key a thousand times": request_of(NAME + attribute(b"same") * 1_000),
    "no identifiers": a_span(trace_id=b"", span_id=b""),
    "identifiers of zeros": a_span(trace_id=bytes(16), span_id=bytes(8), parent_span_id=bytes(8)),
    "short identifiers": a_span(trace_id=b"x", span_id=b"y", parent_span_id=b"z"),
    "long identifiers": a_span(trace_id=b"x" * 10_000, span_id=b"y" * 10_000),
    "a span that is its own parent": a_span(span_id=b"12345678", parent_span_id=b"12345678"),
    "1970": a_span(start_time_unix_nano=0, end_time_unix_nano=0),
    "2262": a_span(start_time_unix_nano=(1 << 63) - 1, end_time_unix_nano=1 << 63),
    "2554": a_span(start_time_unix_nano=(1 << 64) - 1, end_time_unix_nano=(1 << 64) - 1),
    "an end before the start": a_span(end_time_unix_nano=1),
    "a kind that does not exist": a_span(kind=2_000_000_000),
    "a negative kind": a_span(kind=-5),
}


def json_of(**given_: object) -> bytes:
    fields = {"traceId": "0a" * 16, "spanId": "0b" * 8, "name": "hostile", **given_}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}).encode()


def json_deep(levels: int) -> bytes:
    head, tail = json_of(attributes=[{"key": "k", "value": "HERE"}]).split(b'"HERE"')
    return head + b'{"arrayValue":{"values":[' * levels + b"{}" + b"]}}" * levels + tail


AS_JSON = {
    "arrays inside each other": b"[" * 1_000_000,
    "objects inside each other": b'{"resourceSpans":' * 100_000,
    "10,000 values inside each other": json_deep(10_000),
    "40 values inside each other": json_deep(40),
    "NaN": json_of(flags=float("nan")),
    "a number of a million digits": json_of().replace(b'"hostile"', b"1" * 1_000_000),
    "an exponent": json_of(flags=1).replace(b"1}", b"1e999999999}"),
    "equal keys": json_of().replace(b'"name"', b'"name": "first", "name"'),
    "half a surrogate": json_of(name="\ud800"),
    "an escaped zero": json_of(name="a\0b"),
    "not UTF-8": b'{"resourceSpans": [{"schemaUrl": "\xff"}]}',
    "UTF-16": json_of().decode().encode("utf-16"),
    "a million attributes": json_of(attributes=[{}] * 300_000),
    "a million of nothing": b'{"resourceSpans":[' + b"{}," * 2_000_000 + b"{}]}",
    "a key of a megabyte": json_of(attributes=[{"key": "k" * 1_000_000, "value": {"stringValue": ""}}]),
    "__proto__": json_of(__proto__={"polluted": True}, attributes=[{"key": "__proto__"}]),
    "identifiers of a wrong length": json_of(traceId="ab", spanId="cd" * 1_000),
    "identifiers that are none": json_of(traceId="z" * 32),
    "year 1": json_of(startTimeUnixNano="-62135596800000000000"),
    "year 3000": json_of(startTimeUnixNano="32503680000000000000"),
    "year 2554": json_of(startTimeUnixNano=str((1 << 64) - 1)),
    "a text where an array belongs": b'{"resourceSpans": "x"}',
    "a number alone": b"5",
    "nothing": b"",
}


@pytest.mark.parametrize("name", PROTOBUF)
def test_hostile_protobuf_is_stored_or_refused(attacked, name):
    """Named one by one; the fixture looks whether the server still works."""
    answer = post(attacked, PROTOBUF[name])
    assert answer.status_code in {200, 400, 413}, answer.content[:200]
    if answer.status_code != 200:
        assert answer.content


@pytest.mark.parametrize("name", AS_JSON)
def test_hostile_json_is_stored_or_refused(attacked, name):
    """The same for JSON."""
    answer = post(attacked, AS_JSON[name], Content_Type=JSON)
    assert answer.status_code in {200, 400, 413}, answer.content[:200]
    if answer.status_code != 200:
        assert answer.json()["message"].endswith(".")


def mangled(body: bytes, cut: int, flip: bytes) -> bytes:
    at = cut % len(body)
    return body[:at] + flip + body[at + len(flip) :]


REAL = {"application/x-protobuf": a_span(), JSON: json_of(startTimeUnixNano="1", kind=2)}


@settings(max_examples=300)
@given(
    kind=st.sampled_from([*REAL]),
    signal=st.sampled_from(["traces", "metrics", "logs"]),
    encoding=st.sampled_from(["", "gzip", "deflate", "zstd"]),
    body=st.binary(max_size=400),
)
def test_no_bytes_of_any_kind_break_the_server(attacked, kind, signal, encoding, body):
    """Any bytes, sent as anything."""
    answer = post(attacked, body, signal, Content_Type=kind, Content_Encoding=encoding)
    assert answer.status_code in {200, 400}


@settings(max_examples=300)
@given(
    kind=st.sampled_from([*REAL]),
    cut=st.integers(0, 1_000),
    flip=st.binary(min_size=1, max_size=4),
    whole=st.booleans(),
)
def test_no_damaged_body_breaks_the_server(attacked, kind, cut, flip, whole):
    """Cut short, or with some bytes changed: what the network and buggy senders do."""
    body = mangled(REAL[kind], cut, flip) if whole else REAL[kind][: cut % len(REAL[kind])]
    assert post(attacked, body, Content_Type=kind).status_code in {200, 400}


@settings(max_examples=100)
@given(
    headers=st.dictionaries(
        st.sampled_from(["Content-Type", "Content-Encoding", "Authorization", "Host", "Origin", "Accept"]),
        st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
        max_size=3,
    )
)
def test_no_headers_break_the_server(attacked, headers):
    """Whatever they say, the answer is one that is meant."""
    address = urlsplit(attacked).netloc
    connection = http.client.HTTPConnection(address, timeout=120)  # It sends what it is given.
    connection.putrequest("POST", "/v1/traces", skip_host=True, skip_accept_encoding=True)
    for name, text in {"Host": address, "Content-Length": "0", **headers}.items():
        connection.putheader(name, text)
    connection.endheaders()
    assert connection.getresponse().status in {200, 400, 403, 415}
    connection.close()


def test_what_is_refused_leaves_no_memory_behind(listening):
    """Of hundreds of refused requests, nothing is held."""
    for _ in range(100):
        for body in (b"junk", b"\0" * (BODY_BYTES_MAX + 1), b"[" * 1_000):
            post(listening.url, body)
            post(listening.url, body, Content_Type=JSON)
            post(listening.url, body, Content_Encoding="zstd")
    assert listening.memory.bytes == 0

"""What is stored is what was sent, and answers say it."""

import os
from datetime import UTC, datetime, timedelta

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from mlobs.semconv.attributes import ATTRIBUTES
from mlobs.server.tree import tree, walk
from tests.server.otlp import post, span


@pytest.fixture(scope="module")
def trace(served) -> str:
    """A trace of an agent with a failing tool and a streamed answer."""
    trace_id = os.urandom(16)
    request = ExportTraceServiceRequest()
    root = span(
        request,
        "invoke_agent desk",
        trace=trace_id,
        gen_ai__operation__name="invoke_agent",
        mlobs__kind="agent",
    )
    span(
        request,
        "execute_tool gate",
        trace=trace_id,
        parent=root.span_id,
        failed=True,
        error__type="OSError",
        gen_ai__operation__name="execute_tool",
        gen_ai__tool__name="gate",
        mlobs__kind="tool",
    )
    span(
        request,
        "chat m",
        trace=trace_id,
        parent=root.span_id,
        gen_ai__operation__name="chat",
        mlobs__kind="llm",
        gen_ai__usage__input_tokens=100,
        gen_ai__usage__output_tokens=7,
        mlobs__cost__usd=0.25,
        gen_ai__response__time_to_first_chunk=0.5,
        mlobs__call__state="abandoned",
    )
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    return trace_id.hex()


def test_one_trace_says_what_happened(served, trace):
    """With parents, states, tokens, cost and errors where they belong."""
    answer = requests.get(f"{served.url}/api/traces/{trace}", timeout=60).json()
    by_name = {span["name"]: span for span in answer["spans"]}
    root, tool, chat = (by_name[name] for name in ("invoke_agent desk", "execute_tool gate", "chat m"))
    assert (root["parent_span_id"], root["noun"], root["operation"]) == (None, "agent", "invoke_agent")
    assert tool["parent_span_id"] == chat["parent_span_id"] == root["span_id"]
    assert (tool["status"], tool["error_type"], tool["status_message"]) == ("Error", "OSError", "it broke")
    assert (chat["state"], chat["input_tokens"], chat["output_tokens"]) == ("abandoned", 100, 7)
    assert (chat["cost_usd"], chat["time_to_first_chunk_s"]) == (0.25, 0.5)
    assert root["input_tokens"] is None
    assert root["duration_ms"] == 1.0


def test_the_list_adds_up_a_trace(served, trace):
    """One row a trace, with filters that keep whole traces."""

    def listed(query):
        found = requests.get(f"{served.url}/api/traces?{query}", timeout=60).json()["traces"]
        return {row["trace_id"]: row for row in found}

    row = listed("limit=1000")[trace]
    assert (row["name"], row["service"], row["spans"], row["errors"]) == ("invoke_agent desk", "tests", 3, 1)
    assert (row["input_tokens"], row["output_tokens"], row["cost_usd"]) == (100, 7, 0.25)
    assert trace in listed("noun=tool&status=error&service=tests&limit=1000")
    assert trace not in listed("status=ok&limit=1000") | listed("noun=predict&limit=1000") | listed(
        "service=other"
    )


def test_the_page_of_traces_leads_to_every_trace(served, trace):
    """Whoever opens the address in a browser sees what there is."""
    page = requests.get(f"{served.url}/traces?limit=1000", timeout=60)
    assert page.status_code == 200
    assert f'href="/traces/{trace}">invoke_agent desk</a>' in page.text


def test_the_page_of_a_trace_shows_hostile_names_as_text(served):
    """Span names are attacker's input."""
    request = ExportTraceServiceRequest()
    made = span(request, "<script>alert(1)</script>")
    post(served.url, request.SerializeToString())
    served.drain()
    page = requests.get(f"{served.url}/traces/{made.trace_id.hex()}", timeout=60)
    assert page.status_code == 200
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text


VALUES = {
    "text": (AnyValue(string_value="a'b\\\t\"☃"), "a'b\\\t\"☃"),
    "empty": (AnyValue(string_value=""), ""),
    "true": (AnyValue(bool_value=True), "true"),
    "false": (AnyValue(bool_value=False), "false"),
    "zero": (AnyValue(int_value=0), "0"),
    "least": (AnyValue(int_value=-(2**63)), str(-(2**63))),
    "real": (AnyValue(double_value=0.1), "0.1"),
    "bytes": (AnyValue(bytes_value=b"\x00\xff"), "00ff"),
    "list": (
        AnyValue(array_value={"values": [AnyValue(string_value="a"), AnyValue(int_value=2)]}),
        '["a",2]',
    ),
    "none": (AnyValue(array_value={"values": []}), "[]"),
    "map": (
        AnyValue(kvlist_value={"values": [KeyValue(key='k"', value=AnyValue(bool_value=False))]}),
        '{"k\\"":false}',
    ),
    "deep": (
        AnyValue(
            array_value={
                "values": [
                    AnyValue(kvlist_value={"values": [KeyValue(key="a", value=AnyValue(double_value=0.5))]})
                ]
            }
        ),
        '[{"a":0.5}]',
    ),
}


def test_attributes_of_every_kind_survive(served):
    """Also the ones that look like nothing: false, zero and the empty text."""
    request = ExportTraceServiceRequest()
    made = span(request, "kinds")
    for key, (value, _) in VALUES.items():
        made.attributes.add(key=key).value.CopyFrom(value)
    event = made.events.add(name="happened", time_unix_nano=made.start_time_unix_nano)
    event.attributes.add(key="n").value.int_value = 3
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    [seen] = requests.get(f"{served.url}/api/traces/{made.trace_id.hex()}", timeout=60).json()["spans"]
    assert {
        key: text.replace(", ", ",").replace(": ", ":") if key in {"list", "map", "deep"} else text
        for key, text in seen["attributes"].items()
    } == {key: text for key, (_, text) in VALUES.items()}
    assert [(event["name"], event["attributes"]) for event in seen["events"]] == [("happened", {"n": "3"})]


def test_every_column_of_the_vocabulary_is_in_the_table(served):
    """Rules and metrics ask for these columns."""
    columns = {row["name"] for row in served.store.query("DESCRIBE otel_traces")}
    assert {row.column for row in ATTRIBUTES if row.column} <= columns


@pytest.mark.parametrize(
    "odd",
    [
        {"trace_id": b"abc"},
        {"trace_id": b"\0" * 16},
        {"span_id": b""},
        {"start_time_unix_nano": 0},
        {"start_time_unix_nano": 2**64 - 1},
        {"end_time_unix_nano": 1},
    ],
)
def test_odd_ids_and_times_are_stored_or_refused_and_stop_nothing(served, odd):
    """Clocks of year 1970, ids of three bytes: somebody sends them."""
    request = ExportTraceServiceRequest()
    made = span(request, "odd")
    for name, value in odd.items():
        setattr(made, name, value)
    assert post(served.url, request.SerializeToString()).status_code in {200, 400}
    served.drain()
    assert served.failures() == {}


def test_a_tree_tolerates_what_is_missing():
    """A run that is under way has children whose parents have not arrived."""
    spans = [
        {"span_id": "c", "parent_span_id": "b", "start_offset_ms": 2},
        {"span_id": "d", "parent_span_id": "lost", "start_offset_ms": 1},
        {"span_id": "b", "parent_span_id": None, "start_offset_ms": 0},
        {"span_id": "x", "parent_span_id": "y", "start_offset_ms": 3},
        {"span_id": "y", "parent_span_id": "x", "start_offset_ms": 4},
    ]
    shown = [(depth, node.span["span_id"], node.orphan) for depth, node in walk(tree(spans))]
    assert shown == [(0, "b", False), (1, "c", False), (0, "d", True), (0, "x", True), (1, "y", False)]


def test_a_clock_that_is_wrong_is_not_the_newest_for_ever(served):
    """Nor does a span without an end, or with one before its start, take longer than a lifetime."""
    since = datetime.now(UTC).isoformat()
    request = ExportTraceServiceRequest()
    odd, even = span(request, "year 2262"), span(request, "today")
    odd.start_time_unix_nano, odd.end_time_unix_nano = 2**63, 2**64 - 1
    old = span(request, "began in 1970")
    old.trace_id, old.start_time_unix_nano = even.trace_id, 1
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    asked = {"limit": "1000", "from": since}
    now = requests.get(f"{served.url}/api/traces", asked, timeout=60).json()
    assert even.trace_id.hex() in {row["trace_id"] for row in now["traces"]}
    assert odd.trace_id.hex() not in {row["trace_id"] for row in now["traces"]}
    assert now["spans_ahead_of_time"] >= 1
    whole = requests.get(f"{served.url}/api/traces?limit=1000&since=7d&to=2300-01-01", timeout=60).json()
    listed = now["traces"] + whole["traces"]
    assert odd.trace_id.hex() in {row["trace_id"] for row in listed}
    ten_years_ms = 315_576_000 * 1000
    assert all(0 <= row["duration_ms"] <= ten_years_ms for row in listed)
    for trace_id in (odd.trace_id.hex(), even.trace_id.hex()):
        answer = requests.get(f"{served.url}/api/traces/{trace_id}", timeout=60).json()
        assert all(0 <= one["duration_ms"] <= ten_years_ms for one in answer["spans"])


def test_spans_without_a_trace_id_are_counted(served):
    """They are in no trace; whoever sent them must be able to see that they came."""
    then = datetime.now(UTC) - timedelta(days=3)  # A minute in which there is nothing else.
    asked = {"from": then.isoformat(), "to": (then + timedelta(minutes=1)).isoformat()}

    def lost() -> int:
        served.drain()
        answer = requests.get(f"{served.url}/api/traces", asked, timeout=60).json()
        found: int = answer["spans_without_trace_id"]
        return found

    before, request = lost(), ExportTraceServiceRequest()
    made = span(request, "lost")
    made.trace_id, made.start_time_unix_nano = b"", int(then.timestamp() + 1) * 10**9
    assert post(served.url, request.SerializeToString()).status_code == 200
    assert lost() == before + 1


def test_a_limit_is_read_to_its_last_digit(served):
    """Leading zeros must not hide a number that is too large."""
    answer = requests.get(f"{served.url}/api/traces?limit={'0' * 19}100000", timeout=60)
    assert answer.status_code == 400


def test_a_span_without_an_id_is_nobodys_parent():
    """Roots have an empty parent id, which is not its id."""
    roots = tree(
        [
            {"span_id": "", "parent_span_id": None},
            {"span_id": "", "parent_span_id": "gone"},
            {"span_id": "a", "parent_span_id": None},
        ]
    )
    assert [len(root.children) for root in roots] == [0, 0, 0]

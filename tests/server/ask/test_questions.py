"""Sums, comparisons, errors, runs in progress, what can be asked for; and what is not."""

import math
import os

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.errors import QueryError
from mlobs.server.ask.cursors import Cursor, read_cursor, written
from mlobs.server.ask.ranges import DAY_NS, NS, NS_MAX, Range, length_ns, read_range
from tests.server.otlp import post, span

NOW_NS = 1_750_000_000 * NS


def test_spans_are_added_up_by_keys_and_attributes(ask, shop):
    """Counts, errors, quantiles, tokens and cost of each group."""
    filtered = f"service:{shop.service}"
    rows = {row["group"]["kind"]: row for row in ask("aggregate", q=filtered, by="kind")["rows"]}
    assert {kind: row["spans"] for kind, row in rows.items()} == {"agent": 3, "llm": 3, "tool": 3, "step": 1}
    assert rows["tool"]["error_ratio"] == pytest.approx(1 / 3)
    assert rows["llm"]["duration_ms"] == {"p50": 700, "p95": 700, "p99": 700}
    assert rows["llm"]["time_to_first_chunk_s"]["p50"] == pytest.approx(0.3)
    assert (rows["llm"]["tokens"], rows["llm"]["cost_usd"]) == (360, 1.0)
    assert (rows["tool"]["tokens"], rows["tool"]["cost_usd"], rows["tool"]["time_to_first_chunk_s"]) == (
        None,
    ) * 3
    tiers = ask("aggregate", q=f"{filtered} kind:llm", by="attr.shop.tier,model", order="tokens")["rows"]
    assert [(row["group"], row["spans"]) for row in tiers] == [
        ({"attr.shop.tier": "free", "model": "gpt-4o-mini"}, 2),
        ({"attr.shop.tier": "gold", "model": "gpt-4o-mini"}, 1),
    ]
    [whole] = ask("aggregate", q=filtered)["rows"]
    assert (whole["spans"], whole["traces"], whole["errors"], whole["group"]) == (10, 4, 1, {})
    [nothing] = ask("aggregate", q="service:none")["rows"]
    assert (nothing["spans"], nothing["error_ratio"], nothing["duration_ms"], nothing["cost_usd"]) == (
        0,
        None,
        None,
        None,
    )
    assert ask("aggregate", q="service:none", by="model")["rows"] == []


def test_steps_of_time_are_in_order(ask, shop):
    """For whoever draws a line."""
    rows = ask("aggregate", q=f"service:{shop.service} kind:agent", step="10m", by="status")["rows"]
    assert [row["spans"] for row in rows] == [1, 1, 1]
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert all(row["time"][15:] == "0:00.000000Z" for row in rows)


def test_two_filters_or_two_ranges_stand_side_by_side(ask, shop):
    """With what changed; a group that only one side has is shown too."""
    filtered = f"service:{shop.service} kind:llm"
    [row] = ask("compare", q=f"{filtered} cost>0.3", against_q=f"{filtered} cost<0.3")["rows"]
    assert (row["now"]["spans"], row["then"]["spans"], row["change"]["spans"]) == (1, 2, -1)
    assert row["change"]["duration_ms"] == {"p50": 0, "p95": 0, "p99": 0}
    before = {"against_from": shop.at(100), "against_to": shop.at(80)}
    answer = ask("compare", q=f"service:{shop.service}", by="kind", from_=shop.at(10), **before)
    rows = {row["group"]["kind"]: row for row in answer["rows"]}
    assert set(rows) == {"step", "agent", "llm", "tool"}
    assert (rows["step"]["then"], rows["step"]["change"]["spans"]) == (None, 1)
    assert (rows["llm"]["now"], rows["llm"]["change"]["spans"], rows["llm"]["change"]["cost_usd"]) == (
        None,
        -1,
        None,
    )
    previous = ask("compare", q=f"service:{shop.service}", from_=shop.at(46), to=shop.at(0))
    [row] = previous["rows"]
    assert (row["now"]["spans"], row["then"]["spans"]) == (4, 6)
    assert previous["then"]["to"] <= previous["now"]["from"]


def test_errors_have_an_example(ask, shop):
    """Whoever reads the table wants to see one."""
    [row] = ask("errors", q=f"service:{shop.service}")["errors"]
    assert (row["type"], row["name"], row["spans"], row["traces"]) == (
        "TimeoutError",
        "execute_tool gate",
        1,
        1,
    )
    assert (row["example_trace_id"], row["example_message"]) == (shop.ids["failed"], "it broke")


def test_a_trace_without_its_root_is_in_progress(ask, shop):
    """Spans are sent when they end, so the root comes last."""
    [row] = ask("running", q=f"service:{shop.service}")["traces"]
    assert (row["trace_id"], row["first_name"], row["spans"]) == (shop.ids["running"], "step one", 1)
    assert 250 < row["quiet_s"] < 3600


def test_what_can_be_asked_for_can_be_asked_for(ask, shop):
    """For completion: keys with what they mean, attributes with how often they are there, values."""
    answer = ask("attributes")
    assert {"key": "tool", "meaning": "the tool's name"} in answer["keys"]
    assert "attr.shop.tier" in {row["key"] for row in answer["attributes"]}
    assert "resource.service.name" in {row["key"] for row in answer["attributes"]}
    assert [row["key"] for row in ask("attributes", beginning="attr.shop")["attributes"]] == [
        "attr.shop.tier"
    ]
    assert shop.service in {row["value"] for row in ask("attributes", key="service", limit=1000)["values"]}
    assert {row["value"] for row in ask("attributes", key="attr.shop.tier")["values"]} == {"gold", "free"}
    assert [row["value"] for row in ask("attributes", key="attr.shop.tier", beginning="g")["values"]] == [
        "gold"
    ]


@pytest.mark.parametrize(
    ("path", "query", "sentence"),
    [
        ("traces", {"q": "modle:x"}, "did you mean model?"),
        ("traces", {"filter": "x"}, "The parameter 'filter' is not known here; there are q, service"),
        ("traces", {"since": "yesterday"}, "since='yesterday' came; a time such as 2026-05-01"),
        ("traces", {"since": "1h", "from": "2h"}, "since and from both came"),
        ("traces", {"from": "1h", "to": "2h"}, "The range is empty: it begins at 1h and ends at 2h."),
        ("traces", {"from": "1900-01-01"}, "The range is longer than 10 years"),
        ("traces", {"sort": "best"}, "sort='best' came; one of newest, slowest, dearest was expected."),
        ("traces", {"cursor": "x"}, "cursor='x' is not one that this server gave"),
        ("traces", {"limit": "0"}, "limit='0' came; a whole number from 1 to 1000 was expected."),
        ("aggregate", {"by": "modle"}, "Did you mean model?"),
        ("aggregate", {"by": "duration"}, "duration is an amount, and groups are made of text"),
        ("aggregate", {"by": "a,b,c,d"}, "by has 4 names; at most 3"),
        ("aggregate", {"step": "x"}, "step='x' came; a length of time such as 30s, 5m or 1h was expected."),
        ("aggregate", {"step": "1s"}, "makes more than 2,000 steps"),
        ("aggregate", {"order": "x"}, "order='x' came; one of spans, traces"),
        ("compare", {"against_q": "("}, "The filter ends too early"),
        ("attributes", {"key": "cost"}, "cost is an amount"),
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_asked_gets_one_sentence(ask, path, query, sentence):
    """What came, what was wanted, what to do."""
    answer = ask(path, **query)
    assert answer["status"] == 400
    assert sentence in answer["error"]
    assert "\n" not in answer["error"]


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_gets_one_sentence(text):
    """Nothing else is raised, and what is read is within what the table holds."""
    try:
        within = read_range({"from": text}, NOW_NS)
    except QueryError:
        return
    assert 0 <= within.since_ns < within.until_ns <= NS_MAX


@pytest.mark.parametrize(
    ("given", "since_ns", "until_ns"),
    [
        ({}, NOW_NS - DAY_NS, NOW_NS + DAY_NS),
        ({"since": "15m"}, NOW_NS - 900 * NS, NOW_NS + DAY_NS),
        ({"since_s": "60"}, NOW_NS - 60 * NS, NOW_NS + DAY_NS),
        ({"from": "-2h", "to": "-1h"}, NOW_NS - 7200 * NS, NOW_NS - 3600 * NS),
        ({"from": "2025-06-15", "to": "2025-06-15T15:00:00Z"}, 1_749_945_600 * NS, 1_749_999_600 * NS),
        ({"from": "2025-06-15T14:00:00+02:00", "to": "now"}, 1_749_988_800 * NS, NOW_NS),
        ({"from": "2025-06-15T14:00:00 02:00", "to": "now"}, 1_749_988_800 * NS, NOW_NS),
        ({"from": "2025-06-15", "to": "9999-12-31"}, 1_749_945_600 * NS, NS_MAX),
    ],
)
def test_a_range_is_read(given, since_ns, until_ns):
    """A plus in a URL that nobody escaped is a space."""
    found = read_range(given, NOW_NS)
    assert (found.since_ns, found.until_ns) == (since_ns, until_ns)


def test_lengths_are_positive():
    """A step of nothing has no end."""
    assert length_ns("step", "5m") == 300 * NS
    with pytest.raises(QueryError):
        length_ns("step", "0s")


@given(
    st.integers(0, NS_MAX),
    st.tuples(st.just("dearest"), st.floats(allow_nan=False, allow_infinity=False))
    | st.tuples(st.just("newest"), st.integers(0, NS_MAX))
    | st.tuples(st.just("slowest"), st.integers(0, 2**64 - 1)),
    st.text(max_size=40),
)
def test_a_cursor_is_read_as_it_was_written(since_ns, ranked, last):
    """Also when ids are not what ours are."""
    sort, rank = ranked
    cursor = Cursor(sort, Range(since_ns, NS_MAX, NS_MAX), rank, last)
    assert read_cursor(written(cursor), sort) == cursor


@given(st.text(max_size=80) | st.text("abcdefghijklmnopqrstuvwxyzABCDEF0123456789-_=", max_size=80))
def test_any_other_word_is_no_cursor(word):
    """Cursors come from outside."""
    with pytest.raises(QueryError):
        read_cursor(word, "newest")


@pytest.mark.slow
def test_a_number_that_is_none_does_not_take_the_sums_of_others_away(served, ask):
    """Nor the answer itself: JSON has no word for it."""
    service = f"none-{os.urandom(4).hex()}"
    request = ExportTraceServiceRequest()
    call = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "m"}
    told = {"user__id": service, "session__id": service}
    for odd in (math.nan, math.inf, -math.inf):
        trace = os.urandom(16)
        for number in (odd, 0.25):
            span(
                request, "chat", trace=trace, mlobs__cost__usd=number,
                gen_ai__response__time_to_first_chunk=number, gen_ai__usage__input_tokens=2**63 - 1,
                gen_ai__usage__output_tokens=2**63 - 1, **call, **told,
            )  # fmt: skip
    request.resource_spans[0].resource.attributes[0].value.string_value = service
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    [row] = ask("aggregate", q=f"service:{service}")["rows"]
    assert (row["spans"], row["cost_usd"]) == (6, 0.75)
    assert set(row["time_to_first_chunk_s"].values()) == {0.25}
    assert row["tokens"] == 2**63 - 1
    assert "rows" in ask("compare", q=f"service:{service}", against_q="service:nobody")
    assert [one["cost_usd"] for one in ask("traces", q=f"service:{service}")["traces"]] == [0.25] * 3
    [session] = ask("sessions", q=f"service:{service}")["sessions"]
    assert session["cost_usd"] == 0.75
    page = requests.get(
        f"{served.url}/sessions?q=user:{service}", headers={"Accept": "text/html"}, timeout=30
    )
    assert "$0.75" in page.text

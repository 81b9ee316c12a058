"""Lists of traces and sessions: what a filter finds, and pages that nothing is missing from."""

import base64
import os
from datetime import UTC, datetime, timedelta

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.errors import QueryError
from mlobs.server.ask.compiling import condition, of_spans
from mlobs.server.ask.parsing import parse
from mlobs.server.ask.ranges import read_range
from tests.examples import examples
from tests.server.ask.hostile import FILTERS
from tests.server.ask.trees import TREES
from tests.server.otlp import post, span

ALL = {"fine", "failed", "rare", "running"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ALL),
        ("tool:gate", {"fine", "failed", "rare"}),
        ("tool:gate status:error", {"failed"}),
        ("kind:llm status:error", set()),
        ("{kind:llm} {status:error}", {"failed"}),
        ("-{status:error}", {"fine", "rare", "running"}),
        ("{kind:agent} -{status:error}", {"fine", "rare"}),
        ("status:error OR agent:agent-rare", {"failed", "rare"}),
        ("agent:agent-*", {"fine", "failed", "rare"}),
        ("agent:*-FINE", set()),
        ("agent:*", {"fine", "failed", "rare"}),
        ("model:gpt-4o", {"fine", "failed", "rare"}),
        ("model:gpt-4o-mini duration>500ms", {"fine", "failed", "rare"}),
        ("model:gpt-4o-mini duration>1s", set()),
        ("duration>1s", {"fine", "failed", "rare"}),
        ("cost>0.3", {"failed"}),
        ("kind:llm -cost>0.3", {"fine", "rare"}),
        ("cost>$0.1 cost<=$0.25", {"fine", "rare"}),
        ("tokens>=120", {"fine", "failed", "rare"}),
        ("tokens>120", set()),
        ("ttfc>200ms", {"fine", "failed", "rare"}),
        ("error:TimeoutError", {"failed"}),
        ("attr.shop.tier:gold", {"failed"}),
        ("attr.shop.tier:*", {"fine", "failed", "rare"}),
        ("attr.gen_ai.usage.input_tokens>=100", {"fine", "failed", "rare"}),
        ("attr.gen_ai.input.messages:*parcel*", {"fine"}),
        ("attr.gen_ai.input.messages:*", {"fine", "failed", "rare"}),
        ('name:"invoke_agent f*"', {"fine", "failed"}),
        ("name:*_*t*gate", {"fine", "failed", "rare"}),
        ('message:"it broke"', {"failed"}),
        ("quetzalcoatl", {"rare"}),
        ("QUETZALCOATL", {"rare"}),
        ('"my parcel"', {"fine"}),
        ('"parcel my"', set()),
        ('"refund now"', {"failed"}),
        ('"naïve"', {"rare"}),
        ('"100% _sure_"', {"rare"}),
        ('"it broke"', {"failed"}),
        ('"refund" status:error', {"failed"}),
        ('"refund" kind:agent', {"failed"}),
        ('-"refund"', {"fine", "rare", "running"}),
        ("kind:agent -(status:error OR quetzalcoatl)", {"fine", "failed"}),
        ("nowhere", set()),
    ],
)  # fmt: skip
def test_a_filter_finds_the_traces_that_it_describes(found, text, names):
    """One span has the terms side by side; braces, text and sessions are of the whole trace."""
    assert found(text) == names


def test_sessions_and_users_are_facts_of_the_whole_trace(found, shop):
    """They are on the root only, and the failed call is another span."""
    assert found(f"session:{shop.service}-session-1 status:error") == {"failed"}
    assert found(f"user:{shop.service}-ana kind:llm") == {"fine", "failed", "rare"}
    assert found(f"session:{shop.service}-session-*") == {"fine", "failed", "rare"}


def test_the_older_parameters_still_say_what_they_said(ask, shop):
    """Scripts use them, and a star in them is a star."""
    listed = ask("traces", service=shop.service, noun="agent", status="error")["traces"]
    assert [row["trace_id"] for row in listed] == [shop.ids["failed"]]
    assert ask("traces", service="*")["traces"] == []
    assert len(ask("traces", service=shop.service, since_s=7200)["traces"]) == 4


def test_ranges_are_what_they_say(ask, shop):
    """The end is included, an open end is now."""

    def names(**query):
        rows = ask("traces", q=f"service:{shop.service}", **query)["traces"]
        return [name for row in rows for name, one in shop.ids.items() if one == row["trace_id"]]

    assert names() == ["running", "rare", "failed", "fine"]
    assert names(since=shop.ago(45)) == ["running", "rare"]
    assert names(**{"from": shop.ago(100), "to": shop.ago(45)}) == ["failed", "fine"]
    assert names(**{"from": f"-{shop.ago(100)}", "to": f"-{shop.ago(70)}"}) == ["fine"]


def test_traces_are_sorted_as_asked(ask, shop):
    """By the span that comes first in that order."""
    filtered = f"service:{shop.service}"
    dearest = ask("traces", q=filtered, sort="dearest")["traces"]
    assert dearest[0]["trace_id"] == shop.ids["failed"]
    assert shop.ids["running"] not in {row["trace_id"] for row in dearest}
    # Agents tell no cost, and what they called does; so it is for what stands in braces.
    for agents in (f"{filtered} kind:agent", f"{{{filtered} agent:agent-f*}}"):
        dearest = ask("traces", q=agents, sort="dearest", limit=1)
        assert [row["trace_id"] for row in dearest["traces"]] == [shop.ids["failed"]]
        following = ask("traces", q=agents, sort="dearest", limit=1, cursor=dearest["next"])
        assert following["traces"][0]["cost_usd"] == 0.25
    slowest = ask("traces", q=filtered, sort="slowest")["traces"]
    assert slowest[-1]["trace_id"] == shop.ids["running"]
    assert [row["finished"] for row in slowest] == [True, True, True, False]


@pytest.mark.parametrize(
    "rank",
    ["NaN", "Infinity", "-1", "1.5", "true", "null", '"1"', 2**64, "1e400", pytest.param(10**400, id="long")],
)
@pytest.mark.parametrize("sort", ["newest", "slowest", "dearest"])
def test_a_cursor_that_nobody_gave_is_refused_in_a_sentence(served, sort, rank):
    """Also on the page, which does not take the store for busy then."""
    text = f'[1, "{sort}", 0, 9, 9, {rank}, "x"]'
    given = {"sort": sort, "cursor": base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")}
    if sort == "dearest" and rank in {"-1", "1.5", 2**64}:
        return  # A price like any other.
    refused = requests.get(f"{served.url}/api/traces", params=given, timeout=30)
    assert (refused.status_code, refused.json()["error"][-62:]) == (
        400,
        "is not one that this server gave; leave it out to see the first page."[-62:],
    )
    page = requests.get(f"{served.url}/traces", params=given, headers={"Accept": "text/html"}, timeout=30)
    assert page.status_code == 400


@pytest.mark.parametrize(
    ("sort", "fact"),
    [
        # As the engine writes it, it reads a number that is next to it.
        ("dearest", {"mlobs__cost__usd": 0.002877}),
        ("dearest", {"mlobs__cost__usd": float("inf")}),
        ("slowest", {"took_ns": 10**18}),
    ],
)
@pytest.mark.parametrize("filtered", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_pages_go_on_behind_any_number(served, ask, sort, fact, filtered):
    """Those of one price are not lost between two pages; what no price can be is in none of them."""
    service, begin = f"ranks-{os.urandom(4).hex()}", datetime.now(UTC).isoformat()
    request = ExportTraceServiceRequest()
    sent = {span(request, "chat", gen_ai__operation__name="chat", **fact).trace_id.hex() for _ in range(4)}
    request.resource_spans[0].resource.attributes[0].value.string_value = service
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    query = {"from_": begin, **({"q": f"service:{service}"} if filtered else {})}
    seen, cursor = [], ""
    while cursor is not None:
        page = ask("traces", sort=sort, limit=1, **query, **({"cursor": cursor} if cursor else {}))
        seen += [row["trace_id"] for row in page["traces"] if row["trace_id"] in sent]
        cursor = page["next"]
    assert len(seen) == len(set(seen))
    assert set(seen) == (set() if fact.get("mlobs__cost__usd") == float("inf") else sent)


@pytest.mark.parametrize("filtered", [True, False])
def test_what_no_price_can_be_hides_no_price_of_its_trace(served, ask, filtered):
    service, begin = f"prices-{os.urandom(4).hex()}", datetime.now(UTC).isoformat()
    request = ExportTraceServiceRequest()
    trace = os.urandom(16)
    for cost in (float("inf"), 0.25, -1.0):
        span(request, "chat", trace=trace, gen_ai__operation__name="chat", mlobs__cost__usd=cost)
    request.resource_spans[0].resource.attributes[0].value.string_value = service
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    # Whole minutes come from sums.
    query = {"from_": begin[:17] + "00Z", "to": (datetime.now(UTC) + timedelta(minutes=2)).isoformat()}
    page = ask(
        "traces", sort="dearest", limit=200, **query, **({"q": f"service:{service}"} if filtered else {})
    )
    assert trace.hex() in [row["trace_id"] for row in page["traces"]]


@pytest.mark.parametrize(
    "sort", ["newest", *(pytest.param(sort, marks=pytest.mark.slow) for sort in ("slowest", "dearest"))]
)
def test_pages_have_every_trace_once_while_others_arrive(served, ask, sort):
    """With many spans of the same rank, and new traces between two pages."""
    service = f"pages-{os.urandom(4).hex()}"

    def send(count):
        request = ExportTraceServiceRequest()
        ids = []
        for _ in range(count):
            trace = os.urandom(16)
            for number in range(3):
                made = span(request, "one", trace=trace, mlobs__cost__usd=0.125, took_ns=5 + number % 2)
                ids.append(made.trace_id.hex())
        request.resource_spans[0].resource.attributes[0].value.string_value = service
        assert post(served.url, request.SerializeToString()).status_code == 200
        served.drain()
        return set(ids)

    sent = send(23)
    seen, cursor = [], ""
    while cursor is not None:
        page = ask(
            "traces", q=f"service:{service}", sort=sort, limit=5, **({"cursor": cursor} if cursor else {})
        )
        seen += [row["trace_id"] for row in page["traces"]]
        cursor = page["next"]
        if len(seen) == 10 and sort == "newest":
            send(3)
    assert len(seen) == len(set(seen))
    assert set(seen) == sent


def test_sessions_add_up_their_traces(ask, shop):
    """Also the spans that do not carry the session themselves."""
    rows = ask("sessions", q=f"service:{shop.service}")["sessions"]
    assert [row["session_id"] for row in rows] == [f"{shop.service}-session-{n}" for n in (2, 1)]
    [_, first] = rows
    assert (first["traces"], first["spans"], first["errors"]) == (2, 6, 1)
    assert (first["input_tokens"], first["cost_usd"], first["user"]) == (200, 0.75, f"{shop.service}-ana")
    assert first["agents"] == ["agent-failed", "agent-fine"]
    one = ask(f"sessions/{shop.service}-session-1")
    assert one["session"] == first
    assert [row["trace_id"] for row in one["traces"]] == [shop.ids["failed"], shop.ids["fine"]]
    assert "No session" in ask("sessions/nothing")["error"]


@pytest.mark.parametrize("text", FILTERS, ids=lambda text: repr(text[:30]))
def test_hostile_filters_get_an_answer_or_one_sentence(served, text):
    """Whatever is bound, the statement runs."""
    try:
        tree = parse(text)
    except QueryError:
        return
    for made in (condition(tree), of_spans(tree)):
        _count(served, made)


@settings(
    max_examples=examples(40),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(TREES)
def test_every_filter_can_be_run(served, tree):
    """The statement of any tree is one that the engine takes."""
    _count(served, condition(tree))
    _count(served, of_spans(tree))


def _count(served, made):
    within = read_range({"since": "1h"}, 1_700_000_000 * 10**9)
    statement = f"SELECT count() AS spans FROM otel_traces WHERE {made.sql}"
    assert served.store.query(statement, {**made.params, **within.params()})[0]["spans"] >= 0

"""What used to be answered in part, or with nothing, is refused with a sentence."""

import os

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.server.ask.keys import in_content
from mlobs.server.client import Client
from tests.server.otlp import post, span

LONG = "x" * 2_000


@pytest.fixture(scope="module")
def long(served) -> str:
    """The service of three spans: an attribute of 2,000 bytes, a short one, and none."""
    service, request = f"long-{os.urandom(4).hex()}", ExportTraceServiceRequest()
    for name, note in (("long", {"note": LONG}), ("short", {"note": "n"}), ("none", {})):
        span(request, name, trace=os.urandom(16), **note)
    request.resource_spans[0].resource.attributes[0].value.string_value = service
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    return service


@pytest.mark.parametrize(
    ("term", "names"),
    [
        (f"attr.note:{LONG}", {"long"}),
        ("attr.note:x*", {"long"}),
        ("attr.note:n", {"short"}),
        ("attr.note:*", {"long", "short"}),
        ('attr.note:""', {"none"}),
        ("attr.note!=n", {"long", "none"}),
    ],
)
def test_an_attribute_is_found_however_long_its_value_is(ask, long, term, names):
    """Long texts are kept with the content."""
    assert {row["name"] for row in ask("traces", q=f"service:{long} {term}")["traces"]} == names


def test_groups_have_the_values_that_are_long(ask, long):
    rows = ask("aggregate", q=f"service:{long}", by="attr.note", measures="errors")["rows"]
    assert {row["group"]["attr.note"] for row in rows} == {LONG, "n", None}


def test_an_attribute_of_a_dialects_content_is_looked_for_where_it_is():
    assert in_content("gen_ai.input.messages")
    assert in_content("llm.input_messages.0.message.content")
    assert not in_content("note")


def test_lists_of_names_are_one_parameter(served, shop):
    with Client(served.url) as client:
        for by in (["model", "user"], ("model", "user"), "model,user"):
            rows = client.aggregate(f"service:{shop.service} kind:llm", by=by, measures=["usage", "errors"])
            assert set(rows[0]["group"]) == {"model", "user"}
        assert set(client.costs(f"service:{shop.service}", by=["model", "user"])["rows"][0]["group"]) == {
            "model",
            "user",
        }


@pytest.mark.parametrize("path", ["aggregate", "cost", "traces"])
def test_a_parameter_that_comes_twice_is_refused(served, path):
    name = "q" if path == "traces" else "by"
    answer = requests.get(f"{served.url}/api/{path}?{name}=tool&{name}=user", timeout=30)
    assert answer.status_code == 400
    assert f"The parameter '{name}' came 2 times" in answer.json()["error"]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"q": "kind:tol"}, "'tol' is no kind of call"),
        ({"q": "kind:tol"}, "Did you mean tool?"),
        ({"noun": "agnet"}, "Did you mean agent?"),
        ({"q": "trace:xyz"}, "'xyz' is no trace id; 32 hex digits"),
        ({"q": "span:4bf92f3577b34da6a"}, "is no span id; 16 hex digits"),
        ({"since": "2999-01-01"}, "lies in the future"),
    ],
)
def test_what_can_find_nothing_is_refused(ask, asked, sentence):
    assert sentence in ask("traces", **asked)["error"]


def test_finished_runs_do_not_take_the_places_of_running_ones(served, ask):
    """Their roots began before the range, and their last spans are newer than the running one's."""
    service, request = f"runs-{os.urandom(4).hex()}", ExportTraceServiceRequest()
    ids = {}
    for name, minutes in (("running", 9), ("finished", 1)):
        for number in range(3 if name == "finished" else 1):
            trace = os.urandom(16)
            ids[trace.hex()] = name
            made = [span(request, "late", trace=trace, parent=b"12345678")]
            made[0].start_time_unix_nano -= minutes * 60 * 10**9 + number
            if name == "finished":
                made.append(span(request, "root", trace=trace))
                made[1].start_time_unix_nano -= 60 * 60 * 10**9
            for one in made:
                one.end_time_unix_nano = one.start_time_unix_nano + 1000
    request.resource_spans[0].resource.attributes[0].value.string_value = service
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    rows = ask("running", q=f"service:{service}", since="15m", limit=1)["traces"]
    assert [ids[row["trace_id"]] for row in rows] == ["running"]


def test_a_trace_of_more_spans_than_are_shown_says_so(served, monkeypatch):
    trace, request = os.urandom(16), ExportTraceServiceRequest()
    for number in range(5):
        span(request, f"s{number}", trace=trace)
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    monkeypatch.setattr("mlobs.server.pages.trace.routes.SPANS_MAX", 3)
    page = requests.get(f"{served.url}/traces/{trace.hex()}", timeout=30).text
    assert "3 of 5 spans are shown" in page
    assert page.count('<a class="row') == 3
    answer = requests.get(f"{served.url}/api/traces/{trace.hex()}?limit=4", timeout=30).json()
    assert (answer["truncated"], answer["spans_stored"], len(answer["spans"])) == (True, 5, 4)


def test_a_model_without_a_price_cannot_stand_in_for_others(ask):
    assert "no price of it is known" in ask("cost", as_model="no-such-model")["error"]
    assert "total" in ask("cost", as_model="openai/gpt-4o-mini")

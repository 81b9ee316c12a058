"""What pages count apart: predictions from requests and model calls, and calls that failed at once."""

import os
import re

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.server.otlp import long_ago, post, span

BROWSER = {"Accept": "text/html,application/xhtml+xml"}
MIXED, ALONE, SESSION = "told-apart", "only-a-model", "a session of history and words"
SYSTEM = '{"role":"system","parts":[{"type":"text","content":"You are a shop."}]}'
PERSON = '{"role":"user","parts":[{"type":"text","content":"Where is it?"}]}'


def both() -> tuple[ExportTraceServiceRequest, ExportTraceServiceRequest]:
    """Four requests with a call each, of which one is refused by the model; and predictions by themselves."""
    llm = {
        "mlobs__kind": "llm", "gen_ai__operation__name": "chat", "gen_ai__provider__name": "openai",
        "gen_ai__request__model": "gpt-4o-mini",
    }  # fmt: skip
    mixed, alone = ExportTraceServiceRequest(), ExportTraceServiceRequest()
    for number in range(4):
        trace = os.urandom(16)
        root = span(
            mixed, "invoke_agent desk", trace=trace, took_ns=10**9, mlobs__kind="agent", session__id=SESSION,
            gen_ai__input__messages=f"[{SYSTEM}]",
        )  # fmt: skip
        below = {"trace": trace, "parent": root.span_id, **llm}
        if number:
            span(
                mixed, "chat gpt-4o-mini", **below, gen_ai__usage__input_tokens=1000,
                gen_ai__usage__output_tokens=10, mlobs__cost__usd=0.001,
                gen_ai__input__messages=f"[{SYSTEM},{PERSON}]",
            )  # fmt: skip
        else:
            span(mixed, "chat gpt-4o-mini", **below, failed=True, error__type="RateLimitError")
    for request, service in ((mixed, MIXED), (alone, ALONE)):
        for _ in range(200):
            span(request, "predict churn", took_ns=1_000, mlobs__kind="predict", mlobs__model__name="churn")
        request.resource_spans[0].resource.attributes[0].value.string_value = service
    return mixed, alone


def send(served, *made: ExportTraceServiceRequest) -> None:
    for request in made:
        assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()


@pytest.fixture(scope="module", autouse=True)
def sent(served) -> None:
    send(served, *both())


def text(served, path: str) -> str:
    page = requests.get(f"{served.url}{path}", headers=BROWSER, timeout=60).text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.mark.slow
def test_predictions_outside_of_requests_are_told_beside_them(served):
    page = text(served, f"/?service={MIXED}")
    assert re.search(r"Requests 4 .* 200 predictions outside of requests are not among them", page)
    assert re.search(r"Latency, p95 1\.\d+ s p50", page)


def test_where_there_are_only_predictions_they_are_the_requests(served):
    page = text(served, f"/?service={ALONE}")
    assert re.search(r"Requests 200 ", page)
    assert "outside of requests" not in page


def test_each_service_is_listed_by_its_requests_or_else_its_predictions(served):
    """Only those with most are listed, so in a range of its own."""
    made = both()
    within = long_ago(*made)
    send(served, *made)
    page = text(served, f"/?{within}")
    assert re.search(rf"{MIXED} 4 ", page)
    assert re.search(rf"{ALONE} 200 ", page)


def test_calls_of_models_are_added_up_without_predictions(served):
    page = text(served, f"/models?service={MIXED}")
    assert re.search(r"Calls 4 ", page)
    assert re.search(r"Failed 25 % 1 call ", page)
    assert re.search(
        r"A thousand calls \$0\.75 ", page
    )  # As the page of costs: a refused call costs nothing.
    assert re.search(r"Predictions 200 ", page)


@pytest.mark.parametrize("path", [f"/?service={MIXED}", f"/models?service={MIXED}"])
def test_a_call_that_was_refused_at_once_lacks_no_cost(served, path):
    assert "no cost" not in text(served, path)


def test_a_call_that_was_refused_at_once_need_not_tell_tokens(served):
    row = text(served, "/setup").partition(f" {MIXED} ")[2].partition(" OTEL_RESOURCE_ATTRIBUTES")[0]
    assert "It tells no version" in row
    assert "tell no tokens" not in row


def test_a_session_begins_with_a_persons_words_where_the_run_was_given_instructions(served):
    page = text(served, "/sessions?q=session:%22a%20session*%22")
    assert "Where is it?" in page
    assert "You are a shop" not in page

"""Each number of the overview leads to a list that has just as much: all links of the page are followed."""

import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from lxml import html
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.server.pages.amounts import NONE, count, money, ratio
from tests.server.otlp import long_ago, post, span

BROWSER = {"Accept": "text/html,application/xhtml+xml"}
DESK, GUESSES = "leading-desk", "leading-guesses"
LLM = {
    "mlobs__kind": "llm", "gen_ai__operation__name": "chat", "gen_ai__provider__name": "openai",
    "gen_ai__request__model": "gpt-4o-mini",
}  # fmt: skip
PREDICT = {"mlobs__kind": "predict", "mlobs__model__name": "churn"}
USED = {
    "gen_ai__usage__input_tokens": 1000, "gen_ai__usage__output_tokens": 10, "mlobs__cost__usd": 0.25,
    "gen_ai__response__time_to_first_chunk": 0.5,
}  # fmt: skip
AMOUNT = r"[0-9][0-9.,]*[kMG]?"


def one_request(request: ExportTraceServiceRequest, number: int) -> None:
    """Add a run: an agent that tells of its model and tokens too, what it called, and what is below it."""
    trace = os.urandom(16)
    agent = {"mlobs__kind": "agent", "gen_ai__operation__name": "invoke_agent", "gen_ai__agent__name": "a"}
    said = {"gen_ai__request__model": "gpt-4o-mini", "gen_ai__usage__input_tokens": 1000}
    root = span(
        request, "invoke_agent a", trace=trace, took_ns=(number + 1) * 10**9, failed=number == 1, **agent,
        **said,
    )  # fmt: skip
    below: dict[str, Any] = {"trace": trace, "parent": root.span_id}
    answered = {"gen_ai__response__model": "gpt-4o-mini-2024-07-18", "gen_ai__agent__name": "a"}
    if number % 3:
        span(request, "chat", took_ns=10**8, **below, **LLM, **USED, **answered)
        span(request, "chat", took_ns=10**8, **below, **LLM, **USED, **answered)
    else:  # Refused before anything was answered: counted by the model that was asked for.
        span(request, "chat", **below, **LLM, failed=True, error__type="RateLimitError")
    embeds = {"mlobs__kind": "embedding", "gen_ai__operation__name": "embeddings"}
    span(request, "embed", **below, **embeds, gen_ai__request__model="embedder", **USED)
    span(request, "execute_tool t", **below, mlobs__kind="tool", gen_ai__tool__name="t", failed=number == 2)
    span(request, "step", **below, mlobs__kind="step", gen_ai__tool__name="t")
    span(request, "predict churn", **below, **PREDICT)


@pytest.fixture(scope="module")
def sent(served) -> str:
    """Send what the pages show, and return the words of a range without what other tests sent."""
    desk, guesses = ExportTraceServiceRequest(), ExportTraceServiceRequest()
    for number in range(7):
        one_request(desk, number)
    for request, service in ((desk, DESK), (guesses, GUESSES)):
        for number in range(30):
            span(request, "predict churn", took_ns=1_000_000, failed=number == 3, **PREDICT)
        request.resource_spans[0].resource.attributes[0].value.string_value = service
    within = long_ago(desk, guesses)
    for request in (desk, guesses):
        assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    return within


def leads(served, path: str) -> Iterator[tuple[str, str, dict[str, str], str]]:
    """Yield each link to traces on a page: where it is, its text, what it asks, and the row's question."""
    answer = requests.get(f"{served.url}{path}", headers=BROWSER, timeout=120)
    assert answer.status_code == 200
    page = html.fromstring(answer.text)
    for box in page.xpath("//dl[@class='figures']/div | //tr[@data-row]"):
        where = box.get("data-row") or box.xpath("string(dt)")
        links = [
            (" ".join(link.text_content().split()), dict(parse_qsl(urlsplit(link.get("href")).query)))
            for link in box.xpath(".//a[starts-with(@href, '/traces?')]")
        ]
        whole = min((asked["q"] for _, asked in links), key=len, default="")
        yield from ((where, text, asked, whole) for text, asked in links)


def sums(served, asked: dict[str, str]) -> dict[str, Any]:
    """Return what the spans come to that a question finds."""
    params = {name: text for name, text in asked.items() if name != "sort"}
    answer = requests.get(f"{served.url}/api/aggregate", params=params, timeout=120)
    assert answer.status_code == 200, answer.text
    rows = answer.json()["rows"]
    return rows[0] if rows else {"spans": 0}


def listed(served, asked: dict[str, str]) -> int:
    """Return how many traces a list has, over all its pages."""
    found, cursor = 0, {}
    while True:
        answer = requests.get(f"{served.url}/api/traces", params={**asked, **cursor}, timeout=120).json()
        found += len(answer["traces"])
        if not answer["next"]:
            return found
        cursor = {"cursor": answer["next"]}


def agrees(served, text: str, asked: dict[str, str], whole: str) -> bool:
    """Return whether a number is that of the spans behind it, by what kind of number it is."""
    found = sums(served, asked)
    if text == NONE:
        return found["spans"] == 0
    if re.fullmatch(rf"\${AMOUNT}", text):
        return text == money(found["cost_usd"])
    if text.endswith("%"):
        every = sums(served, {**asked, "q": asked["q"].replace("status:error", "").strip()})
        return text == ratio(found["spans"] / every["spans"])
    if "tokens>0" in asked["q"]:
        return text == count(found["input_tokens"] + found["output_tokens"])
    number = re.fullmatch(rf"({AMOUNT})( spans?| predictions?)?", text)
    if number is not None:
        return number[1] == count(found["spans"])
    # How long something took: of the same spans, the slowest.
    return asked["q"].startswith(whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "where"),
    [(f"&service={DESK}", ""), (f"&service={GUESSES}", ""), ("", "service ")],
)
def test_every_number_of_the_overview_is_that_of_the_traces_behind_it(served, sent, asked, where):
    followed = []
    for place, text, leading, whole in leads(served, f"/?{sent}{asked}"):
        if place.startswith(where):
            assert agrees(served, text, leading, whole), f"{place}: {text} leads to {leading}"
            followed.append((place, text, leading["q"]))
    assert len(followed) >= (10 if not where else 8), followed


def test_requests_lead_to_as_many_traces(served, sent):
    """Those of predictions alone are not among them, and lead to their own list."""
    found = {
        (place, text): listed(served, asked)
        for place, text, asked, _ in leads(served, f"/?{sent}&service={DESK}")
        if place == "Requests"
    }
    assert found == {("Requests", "7"): 7, ("Requests", "30 predictions"): 30}
    alone = [
        (text, listed(served, asked))
        for place, text, asked, _ in leads(served, f"/?{sent}&service={GUESSES}")
        if place == "Requests"
    ]
    assert alone == [("30", 30)]


def test_a_model_that_was_asked_for_and_not_answered_leads_to_those_calls_only(served, sent):
    rows = {
        place: listed(served, asked)
        for place, text, asked, _ in leads(served, f"/?{sent}&service={DESK}")
        if place.startswith("model gpt") and re.fullmatch("[0-9]+", text)
    }
    assert rows == {"model gpt-4o-mini": 3, "model gpt-4o-mini-2024-07-18": 4}

"""What every page answers with, asked as a browser asks."""

import os
import re
from html import unescape

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.server.engine import EngineError
from mlobs.server.pages.traces.view import marked
from tests.server.otlp import post, span

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def trace(served) -> tuple[str, str]:
    """A trace with a word of its own, and its span."""
    request = ExportTraceServiceRequest()
    made = span(
        request, "invoke_agent <i>", mlobs__kind="agent", gen_ai__agent__name="desk",
        mlobs__input='{"question": "Where is it?"}', session__id="s 1", user__id="a*b",
    )  # fmt: skip
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    return made.trace_id.hex(), made.span_id.hex()


def get(served, path: str, **headers: str) -> requests.Response:
    return requests.get(f"{served.url}{path}", headers={**BROWSER, **headers}, timeout=30)


@pytest.mark.parametrize("path", ["/", "/traces", "/login", "/traces/nothing", "/traces?q=(", "/nowhere"])
def test_every_page_tells_browsers_to_load_nothing_from_elsewhere(served, path):
    answer = get(served, path)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "frame-ancestors 'none'" in policy
    assert (answer.headers["X-Content-Type-Options"], answer.headers["Referrer-Policy"]) == (
        "nosniff",
        "no-referrer",
    )
    assert re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", answer.text) is None


def test_files_are_kept_for_ever_under_the_hash_of_what_they_hold(served):
    page = get(served, "/traces").text
    [sheet] = re.findall(r'href="(/static/[0-9a-f]{12}/page\.css)"', page)
    assert get(served, sheet).headers["Cache-Control"] == "public, max-age=31536000, immutable"
    old = re.sub("[0-9a-f]{12}", "0" * 12, sheet)
    assert get(served, old).headers["Cache-Control"] == "no-cache"
    assert get(served, "/static/x/..%2f__init__.py").status_code == 404


def test_pages_and_their_files_come_compressed_to_who_can_read_that(served, trace):
    """And alike to who cannot; what is in between is told that the two differ."""
    sheet = re.findall(r'href="(/static/[0-9a-f]{12}/page\.css)"', get(served, "/traces").text)[0]
    for path in ("/setup", f"/traces/{trace[0]}", sheet):
        packed = get(served, path, **{"Accept-Encoding": "br, gzip;q=0.5"})
        plain = get(served, path, **{"Accept-Encoding": "gzip;q=0"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert int(packed.headers["Content-Length"]) < len(packed.content) / 2
        assert "Content-Encoding" not in plain.headers
        assert len(plain.content) == int(plain.headers["Content-Length"])
        assert "Accept-Encoding" in packed.headers["Vary"]
        assert "Accept-Encoding" in plain.headers["Vary"]
        if path == sheet:
            assert packed.content == plain.content


def test_a_part_of_a_page_says_its_status_beside(served):
    """A script asks for it on purpose: a browser is not to report a failure."""
    answer = get(served, "/traces?q=sttus:error", **{"X-Part": "live"})
    assert (answer.status_code, answer.headers["X-Status"]) == (200, "400")
    assert "<html" not in answer.text
    assert "did you mean status?" in answer.text


def test_a_question_that_cannot_be_read_is_shown_with_the_place(served):
    answer = get(served, "/traces?q=service:x+sttus:error")
    assert answer.status_code == 400
    assert "<pre>service:x <mark>sttus:error</mark></pre>" in answer.text
    assert 'value="service:x sttus:error"' in answer.text


@pytest.mark.parametrize(
    "path", ["/traces?since=never", "/?since=never", "/traces?nonsense=1", "/?from=2&to=1"]
)
def test_what_cannot_be_asked_is_a_page_that_says_so(served, path):
    answer = get(served, path)
    assert answer.status_code == 400
    assert "<h1" in answer.text


def test_an_unknown_trace_says_what_to_look_at(served):
    for path in (
        "/traces/ffff",
        "/traces/%3Cb%3E",
        "/traces/ffff/spans/aaaa",
        f"/traces/{'f' * 32}?view=agents",
    ):
        answer = get(served, path)
        assert answer.status_code == 404
        assert "mlobs doctor" in answer.text
        assert "<b>" not in answer.text


def test_a_list_leads_to_traces_and_to_those_of_a_session_and_user(served, trace):
    text = get(served, "/traces?q=agent:desk&columns=session,user").text
    assert f'href="/traces/{trace[0]}">invoke_agent &lt;i&gt;</a>' in text
    assert "Where is it?" in text
    assert "q=session%3A%22s+1%22" in text
    assert "q=user%3A%22a%5C%2Ab%22" in text


def test_the_whole_text_of_an_attribute_is_text_that_runs_nothing(served, trace):
    base = f"/traces/{trace[0]}/spans/{trace[1]}/text?key="
    answer = get(served, f"{base}mlobs.input")
    assert answer.text == '{"question": "Where is it?"}'
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    assert get(served, f"{base}none").status_code == 404


@pytest.mark.parametrize("view", ["", "conversation", "agents", "logs", "nonsense"])
def test_every_view_of_a_trace_answers(served, trace, view):
    answer = get(served, f"/traces/{trace[0]}?view={view}&span={trace[1]}")
    assert answer.status_code == 200
    assert "invoke_agent &lt;i&gt;" in answer.text


def test_tokens_and_cost_of_a_trace_name_only_the_models_they_are_of(served):
    request = ExportTraceServiceRequest()
    root = span(request, "run", mlobs__kind="agent", gen_ai__agent__name="desk")
    for model, more in (("counted", {"gen_ai__usage__input_tokens": 7}), ("silent", {})):
        made = span(request, "chat", gen_ai__operation__name="chat", gen_ai__request__model=model, **more)
        made.trace_id, made.parent_span_id = root.trace_id, root.span_id
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    page = get(served, f"/traces/{root.trace_id.hex()}").text
    [tokens] = re.findall(r"<dt>Tokens</dt>.*?</div>", page, re.DOTALL)
    [cost] = re.findall(r"<dt>Cost</dt>.*?</div>", page, re.DOTALL)
    assert "counted" in tokens
    assert "silent" not in tokens
    assert "desk" not in cost


def test_a_store_that_does_not_answer_is_a_page_that_asks_again(served, monkeypatch):
    def busy(*_: object) -> None:
        raise EngineError("Code: 241. DB::Exception: Memory limit exceeded")

    monkeypatch.setattr("mlobs.server.pages.overview.routes.begun", busy)
    answer = get(served, "/")
    assert answer.status_code == 503
    assert 'data-live="5" data-recover' in answer.text
    assert "Memory limit exceeded" in answer.text


def test_programs_are_answered_in_json_as_before(served):
    answer = requests.get(f"{served.url}/nowhere", timeout=30)
    assert answer.json()["status"] == 404


def test_after_the_form_a_browser_stays_on_this_server(served):
    for wanted, led in (
        ("/traces?q=a", "/traces?q=a"),
        ("//x.example", "/"),
        ("https://x.example", "/"),
        ("/\\x", "/"),
    ):
        given = {"token": os.urandom(4).hex(), "next": wanted}
        answer = requests.post(f"{served.url}/login", data=given, allow_redirects=False, timeout=30)
        assert (answer.status_code, answer.headers["Location"]) == (303, led)


def test_a_form_that_is_none_of_ours_is_answered_by_the_page(served):
    """Whoever has no token may send it."""
    for form, status in (
        ({f"field{number}": "x" for number in range(99)}, 400),
        ({"token": "x" * 9_000}, 413),
    ):
        answer = requests.post(f"{served.url}/login", data=form, allow_redirects=False, timeout=30)
        assert (answer.status_code, "<form" in answer.text) == (status, True)


def test_another_site_cannot_sign_anybody_in_or_out(served):
    for path in ("/login", "/logout"):
        answer = requests.post(f"{served.url}{path}", headers={"Sec-Fetch-Site": "cross-site"}, timeout=30)
        assert answer.status_code == 403


def test_the_place_of_the_trouble_is_the_one_that_the_refusal_says(served):
    """The words of a refusal are those of `ask`: when they change, this does."""
    answer = requests.get(f"{served.url}/api/traces", params={"q": "a duration>x"}, timeout=30).json()
    assert marked("a duration>x", answer["error"]) == ("a ", "duration>x", "")


def test_the_overview_says_who_looks_after_an_alert_and_where_rules_are_evaluated(served, monkeypatch):
    alert = {
        "source": "mlobs",
        "fingerprint": "f",
        "rule": "MlobsSlow",
        "summary": "It is slow.",
        "silence": {"who": "ann", "why": "a deploy", "until": "2026-05-01T12:00:00Z"},
        "taken": {"who": "bob", "note": ""},
    }
    said = {"firing": [alert], "pending": [], "rules": [{"rule": "MlobsSlow"}], "elsewhere": 7}
    monkeypatch.setitem(served.tells, "alerts", lambda: said)
    page = get(served, "/").text
    assert "silenced by ann until" in page
    assert "taken by bob" in page
    assert "1 rule evaluated here, 7 in Prometheus only" in page


@pytest.mark.slow
def test_the_page_of_a_service_has_its_tools_which_lead_to_their_traces(served):
    service, request = f"shop {os.urandom(4).hex()}", ExportTraceServiceRequest()
    for number in range(40):
        span(
            request, "execute_tool refund", gen_ai__operation__name="execute_tool",
            gen_ai__tool__name="<refund>" if number < 30 else "look up", failed=number < 3,
            took_ns=(number + 1) * 10**8,
        )  # fmt: skip
    request.resource_spans[0].resource.attributes[0].value.string_value = service
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    page = requests.get(f"{served.url}/", params={"service": service}, headers=BROWSER, timeout=30).text
    rows = re.findall(r'<tr data-row="tool [^"]*">.*?</tr>', page, re.DOTALL)
    cells = [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[dh].*?</t[dh]>", row, re.DOTALL)]
        for row in rows
    ]
    assert cells == [
        ["&lt;refund&gt;", "30", "10 %", "1.52 s", "2.91 s"],
        ["look up", "10", "\N{EN DASH}", "3.51 s", "4.12 s"],
    ]
    [failing] = re.findall(r'class="bad" href="(/traces\?[^"]*)"', rows[0])
    found = get(served, unescape(failing)).text
    assert len(re.findall(r"<tr data-row=", found)) == 3
    assert "Tools" not in get(served, "/").text

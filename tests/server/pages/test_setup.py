"""The page of setup: what arrives, why something does not, and lines that work when they are pasted."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import mlobs
from mlobs.semconv import metrics as m
from mlobs.server.pages.setup.arrivals import services
from mlobs.server.pages.setup.refusals import MEANINGS, UNKNOWN, received, refused
from mlobs.server.pages.setup.snippets import SNIPPETS, filled, prompt
from tests.server.otlp import post, span, wait_until

BROWSER = {"Accept": "text/html,application/xhtml+xml"}
SERVER = Path(mlobs.__file__).parent / "server"
NOW_S = 1_000_000
ROW = {
    "service": "shop", "last_s": NOW_S - 90, "spans": 300, "roots": 30, "calls": 100,
    "nameless": 0, "uncounted": 0, "unpriced": 0,
}  # fmt: skip
LOOKED = {
    "service": "shop", "spans": 300, "scopes": ["mlobs"], "languages": ["python", ""], "versioned": 1,
    "sessions": 1, "content": 1, "last_ns": (NOW_S - 77) * 10**9,
}  # fmt: skip


def one(row=ROW, recent=(), others=(), sample=(LOOKED,), programs=()):
    return services([row], recent, others, sample, programs, NOW_S, {"since": "24h"})[0]


def test_a_service_that_tells_all_lacks_nothing():
    found = one(recent=[{**ROW, "spans": 30}])
    assert (found["findings"], found["quiet"], found["per_minute"]) == ([], False, 2.0)
    assert found["languages"] == ["python"]


def test_what_calls_leave_out_is_told_with_its_traces():
    found = one({**ROW, "nameless": 40, "uncounted": 1, "unpriced": 50})
    assert [(finding.text[:14], finding.mark) for finding in found["findings"]] == [
        ("40 of 100 mode", "warn"),
        ("50 of 100 mode", ""),
    ]
    assert "-model" in found["findings"][0].address


def test_the_last_span_is_told_by_the_second_where_it_was_looked_at():
    at = "1970-01-12T13:45:23.000Z"  # 77 seconds before; its minute began 90 seconds before.
    assert one()["last"] == at
    assert one(sample=[])["last"] == "1970-01-12T13:45:10.000Z"


def test_a_service_that_stopped_is_quiet():
    assert one({**ROW, "last_s": NOW_S - 3600})["quiet"]
    assert not one({**ROW, "last_s": NOW_S - 3600}, recent=[{**ROW, "last_s": NOW_S - 60}])["quiet"]


def test_what_programs_lost_comes_first():
    lost = {
        "metric": m.SDK_DROPPED.name, "service": "shop", "counter": 12.0,
        "labels": {"mlobs_dropped_reason": "queue full"},
    }  # fmt: skip
    [finding] = one(programs=[lost])["findings"]
    assert (finding.text, finding.mark) == ("12 spans were lost in the program: queue full.", "bad")


def test_a_service_that_sends_no_spans_is_shown_too():
    sent = {"service": "quiet-one", "signal": "logs", "last_ns": 5}
    found = services([], [], [sent], [], [], NOW_S, {})
    assert [(row["name"], bool(row["logs"])) for row in found] == [("quiet-one", True)]
    assert "No span of it came" in found[0]["findings"][0].text


def test_refusals_are_listed_most_first_with_what_to_do():
    series = [
        (m.SERVER_REFUSED, ("traces", "no_token"), 2.0),
        (m.SERVER_REFUSED, ("api", "made up"), 5.0),
        (m.SERVER_RECEIVED, ("traces",), 7.0),
    ]
    assert [(row["reason"], row["count"]) for row in refused(series)] == [("made up", 5), ("no_token", 2)]
    assert refused(series)[0]["meaning"] == UNKNOWN
    assert received(series)[0]["requests"] == 7


def test_every_reason_that_a_request_is_refused_for_is_explained():
    told = set()
    for file in SERVER.rglob("*.py"):
        text = file.read_text()
        told |= set(re.findall(r'RefusedError\(\s*[0-9]{3},\s*"([a-z_]+)"', text))
        told |= set(re.findall(r'\.refuse\("([a-z_]+)"\)', text))
    assert len(told) > 10
    assert told - MEANINGS.keys() == set()


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda one: one.name)
def test_lines_to_paste_can_be_read_by_what_they_are_for(snippet):
    for asks in (False, True):
        text = filled(snippet, "http://here:4318", asks=asks)
        assert "@" not in re.sub(r"@(mlobs|app|opentelemetry)", "", text)
        assert "http://here:4318" in text
        if snippet.language == "python":
            compile(text, snippet.name, "exec")
        elif snippet.language == "yaml":
            sender = yaml.safe_load(text)["exporters"]["otlphttp/mlobs"]
            assert sender == {
                "endpoint": "http://here:4318",
                **({"headers": {"authorization": "Bearer TOKEN"}} if asks else {}),
            }
        else:
            subprocess.run(["/bin/sh", "-n"], input=text, text=True, check=True)
            assert ("Bearer%20TOKEN" in text) is asks


def test_names_in_the_lines_and_in_the_prompt_are_there():
    texts = [one.code + one.note for one in SNIPPETS] + [prompt("http://here", asks=True)]
    for text in texts:
        names = set(re.findall(r"\bmlobs\.([a-z_]+)\b", text))
        assert names <= set(mlobs.__all__)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["python", "fastapi", "openai", "anthropic", "langchain"])
def test_pasted_lines_arrive(served, name):
    """Those of clients are run as far as their first question, which nobody answers here."""
    snippet = next(one for one in SNIPPETS if one.name == name)
    service = f"pasted-{name}-{os.urandom(3).hex()}"
    text = re.sub(r'mlobs\.init\("[^"]+"', f'mlobs.init("{service}"', filled(snippet, served.url, asks=False))
    more = {
        "fastapi": "\nfrom fastapi.testclient import TestClient\n"
        "TestClient(app).post('/ask', params={'question': 'x'})\n",
        "openai": "\ntry:\n    answer('x')\nexcept Exception as error:\n    print(repr(error))\n",
        "anthropic": "\ntry:\n    answer('x')\nexcept Exception as error:\n    print(repr(error))\n",
    }
    if name == "langchain":
        text = text.replace("    agent.invoke", "    try:\n        agent.invoke")
        text += "\n    except Exception as error:\n        print(repr(error))\n"
    nobody = "http://127.0.0.1:9"
    run = subprocess.run(
        [sys.executable, "-c", f"{text}{more.get(name, '')}\nmlobs.flush(60)"],
        env={
            **os.environ, "OPENAI_API_KEY": "none", "ANTHROPIC_API_KEY": "none", "OPENAI_BASE_URL": nobody,
            "ANTHROPIC_BASE_URL": nobody, "OPENAI_MAX_RETRIES": "0",
        },
        capture_output=True,
        text=True,
        timeout=400,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    asked = f"{served.url}/api/traces?q=service:{service}"
    assert wait_until(lambda: bool(requests.get(asked, timeout=30).json()["traces"])), run.stderr


def test_the_page_says_what_arrives_what_is_refused_and_how(served):
    request = ExportTraceServiceRequest()
    span(request, "chat", mlobs__kind="llm", gen_ai__operation__name="chat")
    request.resource_spans[0].resource.attributes[0].value.string_value = "careless <i>"
    assert post(served.url, request.SerializeToString()).status_code == 200
    assert post(served.url, b"nonsense").status_code == 400
    served.drain()
    page = requests.get(f"{served.url}/setup", headers=BROWSER, timeout=60).text
    assert "careless &lt;i&gt;" in page
    assert "1 of 1 model calls name no model" in page
    assert "traces, not_otlp" in page
    assert f"mlobs.init(&#34;my-service&#34;, endpoint=&#34;{served.url}&#34;)" in page


def test_a_framework_nobody_knows_is_refused(served):
    answer = requests.get(f"{served.url}/setup?for=cobol", headers=BROWSER, timeout=60)
    assert answer.status_code == 400
    assert "one of python, fastapi, openai" in answer.text

"""What each trace of a session was asked and answered, and the pages of sessions and users."""

import json
import os
import re
import time

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.server.pages.previews import words
from mlobs.server.pages.sessions.conversation import turns
from mlobs.server.pages.sessions.view import listed
from tests.server.otlp import post, span

TRACE = {
    "trace_id": "t", "start_ns": 10**9, "end_ns": 3 * 10**9, "name": "ask", "finished": 1, "spans": 3,
    "errors": 0, "failed": 0, "error_type": "", "message": "", "calls": 1, "tools": 0, "user": "u",
    "services": [], "agents": [], "input_tokens": 7, "output_tokens": None, "cost_usd": None,
}  # fmt: skip
BROWSER = {"Accept": "text/html,application/xhtml+xml"}


def pairs(**content: object) -> list[tuple[str, str, int]]:
    """Return the content of a span; names have `__` for dots."""
    texts = {
        name.replace("__", "."): value if isinstance(value, str) else json.dumps(value)
        for name, value in content.items()
    }
    return [(name, text, len(text)) for name, text in texts.items()]


def content(outer: object = (), first: object = (), last: object = ()) -> dict[str, object]:
    return {
        "trace_id": "t", "outer_span": "o", "outer_content": outer, "first_span": "f", "first_content": first,
        "last_span": "l", "last_content": last,
    }  # fmt: skip


def said(text: str, role: str = "user") -> dict[str, object]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def spoken(told: dict[str, object]) -> tuple[list[str], list[str]]:
    [turn] = turns([TRACE], [told], [])
    return tuple(
        [part.text for line in turn[side] for part in line.message.parts] for side in ("asked", "answered")
    )


def test_what_was_said_in_earlier_traces_is_not_said_again():
    history = [said("be brief", "system"), said("one"), said("two", "assistant"), said("three"), said("four")]
    told = content(
        first=pairs(gen_ai__input__messages=history),
        last=pairs(gen_ai__output__messages=[said("five", "assistant")]),
    )
    assert spoken(told) == (["three", "four"], ["five"])


def test_the_program_is_believed_before_the_prompt_it_made():
    told = content(
        outer=pairs(mlobs__input={"question": "Why?", "order": 7}, mlobs__output='"Because."'),
        first=pairs(gen_ai__input__messages=[said("You are asked: Why? Think in steps.")]),
        last=pairs(gen_ai__output__messages=[said("{'thought': 1}", "assistant")]),
    )
    assert spoken(told) == (["Why?"], ["Because."])


def test_data_without_words_is_no_question():
    told = content(
        outer=pairs(mlobs__input={"row": {"a": 1, "b": 2}}),
        first=pairs(gen_ai__input__messages=[said("Is it so?")]),
    )
    assert spoken(told) == (["Is it so?"], [])
    assert words('{"row": {"a": 1, "b": 2}}') is None


def test_calls_of_tools_and_thoughts_are_not_answers():
    answer = {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "hm"},
            {"type": "tool_call", "id": "1", "name": "look", "arguments": {}},
            {"type": "text", "content": "Here."},
        ],
    }
    assert spoken(content(last=pairs(gen_ai__output__messages=[answer])))[1] == ["Here."]


def test_pictures_stay_beside_the_words_of_the_program():
    picture = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGk="}
    message = {"role": "user", "parts": [{"type": "text", "content": "prompt"}, picture]}
    told = content(
        outer=pairs(mlobs__input={"question": "What is it?"}),
        first=pairs(gen_ai__input__messages=[message]),
    )
    [turn] = turns([TRACE], [told], [])
    assert [(line.span_id, part.kind) for line in turn["asked"] for part in line.message.parts] == [
        ("o", "text"),
        ("f", "medium"),
    ]


def test_what_nobody_answered_is_not_said_twice():
    later = {**TRACE, "trace_id": "u", "start_ns": 5 * 10**9}
    first = content(first=pairs(gen_ai__input__messages=[said("one")]))
    second = content(first=pairs(gen_ai__input__messages=[said("one"), said("two")])) | {"trace_id": "u"}
    again = content(first=pairs(gen_ai__input__messages=[said("one")])) | {"trace_id": "u"}
    for after, texts in ((second, ["two"]), (again, ["one"])):
        found = turns([later, TRACE], [first, after], [])[1]["asked"]
        assert [part.text for line in found for part in line.message.parts] == texts


def test_a_trace_without_content_is_a_turn_all_the_same():
    [turn] = turns([TRACE], [], [])
    assert (turn["asked"], turn["answered"], turn["tokens"], turn["took_ms"]) == ([], [], 7, 2000.0)


def test_the_first_turn_comes_first():
    later = {**TRACE, "trace_id": "u", "start_ns": 5 * 10**9}
    assert [one["trace_id"] for one in turns([later, TRACE], [], [])] == ["t", "u"]


def test_bars_are_shares_of_the_dearest_and_what_is_unknown_is_none():
    row = {"id": "a", "start_ns": 0, "end_ns": 1, "input_tokens": None, "output_tokens": None}
    first, second = listed([{**row, "cost_usd": 2.0}, {**row, "id": "b", "cost_usd": None}], [])
    assert (first["share"], second["share"], second["tokens"]) == (1.0, 0, None)


@pytest.fixture(scope="module")
def told(served) -> str:
    """A session of two traces, of which one failed, with a name that needs care."""
    name = f"s/1 <i>&{os.urandom(4).hex()}"
    for number in range(2):
        request, trace = ExportTraceServiceRequest(), os.urandom(16)
        root = span(
            request, "ask", trace=trace, failed=bool(number), session__id=name, user__id="<b>ana",
            mlobs__kind="agent", mlobs__input=json.dumps({"question": f"question {number} <script>"}),
        )  # fmt: skip
        span(
            request, "chat", trace=trace, parent=root.span_id, mlobs__kind="llm",
            gen_ai__operation__name="chat", gen_ai__request__model="gpt-4o",
            gen_ai__usage__input_tokens=10, gen_ai__usage__output_tokens=5,
            mlobs__cost__usd=0.25,
        )  # fmt: skip
        assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    return name


def get(served, path: str, **params: str) -> requests.Response:
    return requests.get(f"{served.url}{path}", params=params, headers=BROWSER, timeout=60)


def test_a_session_is_found_with_the_sums_of_all_spans_of_its_traces(served, told):
    page = get(served, "/sessions", q="user:*ana").text
    assert "s/1 &lt;i&gt;&amp;" in page
    assert "question 0 &lt;script&gt;" in page
    row = re.search(rf'<tr data-row="s/1 [^"]*{told[-8:]}".*?</tr>', page, re.DOTALL)[0]
    cells = [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
    assert cells[4:6] == ["2", "1"]
    assert cells[7:9] == ["30", "$0.50"]


@pytest.mark.parametrize("sort", ["newest", "dearest", "failing", "longest"])
@pytest.mark.parametrize("path", ["/sessions", "/users"])
def test_lists_are_sorted_by_what_they_say(served, told, path, sort):
    answer = get(served, path, sort=sort, q="model:gpt-4o")
    assert answer.status_code == 200
    assert "&lt;b&gt;ana" in answer.text


def test_a_session_is_a_conversation_whose_turns_lead_to_their_traces(served, told):
    page = get(served, "/session", id=told).text
    assert page.index("question 0") < page.index("question 1")
    assert len(set(re.findall(r'class="turn-head"><a href="/traces/([0-9a-f]{32})', page))) == 2
    assert "it broke" in page
    assert "<script>" not in page.replace('<script type="module"', "").replace("<script src", "")


@pytest.mark.slow
def test_a_score_that_was_given_after_the_call_is_shown(served, told):
    """Of the session and the user that it says; of a score without them nobody knows whose it is."""
    given = (("after-session", {"session.id": told}), ("after-user", {"user.id": "<b>ana"}), ("astray", {}))
    records = [
        {
            "timeUnixNano": str(time.time_ns()),
            "eventName": "gen_ai.evaluation.result",
            "attributes": [
                {"key": key, "value": {"stringValue": value}}
                for key, value in {"gen_ai.evaluation.name": name, **said}.items()
            ]
            + [{"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 0.25}}],
        }
        for name, said in given
    ]
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()
    assert post(served.url, body, "logs", Content_Type="application/json").status_code == 200
    served.drain()
    session, user = get(served, "/session", id=told).text, get(served, "/user", id="<b>ana").text
    assert "after-session" in session
    assert "after-session" in get(served, "/sessions", q="user:*ana").text
    assert "after-user" in user
    assert "after-user" not in session
    assert "astray" not in session + user


def test_a_user_has_their_sessions(served, told):
    page = get(served, "/user", id="<b>ana").text
    assert "s/1 &lt;i&gt;&amp;" in page
    assert "$0.50" in page


@pytest.mark.parametrize(
    ("path", "params", "status", "sentence"),
    [
        ("/session", {}, 400, "No id came"),
        ("/user", {}, 400, "No id came"),
        ("/session", {"id": "nobody"}, 404, "No span of the session"),
        ("/user", {"id": "nobody"}, 404, "No span of the user"),
        ("/sessions", {"q": "sttus:error"}, 400, "did you mean status?"),
        ("/sessions", {"sort": "best"}, 400, "one of newest, dearest, failing, longest was expected"),
        ("/sessions", {"cursor": "x"}, 400, "cursor"),
        ("/users", {"colour": "red"}, 400, "is not known here"),
        ("/session", {"id": "a", "before": "-1"}, 400, "a whole number"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_sentence(served, path, params, status, sentence):
    answer = get(served, path, **params)
    assert answer.status_code == status
    assert sentence in answer.text

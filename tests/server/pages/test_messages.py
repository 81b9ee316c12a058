"""Messages are read whichever way they were written, and shown once."""

import json
from base64 import b64encode

import pytest

from mlobs.server.pages.previews import preview
from mlobs.server.pages.trace.media import medium_of
from mlobs.server.pages.trace.messages import said
from mlobs.server.pages.trace.talk import conversation


def pairs(**texts: object) -> list[tuple[str, str, int]]:
    found = {
        key.replace("__", "."): one if isinstance(one, str) else json.dumps(one) for key, one in texts.items()
    }
    return [(key, text, len(text)) for key, text in found.items()]


def told(content) -> list[tuple[str, str, str]]:
    found = said(content)
    return [(one.role, part.kind, part.text) for one in (*found.before, *found.after) for part in one.parts]


ARGUMENTS = '{"a":1}'
PART = {"type": "tool_call", "id": "c1", "name": "look", "arguments": ARGUMENTS}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
SHAPES = {
    "conventions": pairs(
        gen_ai__input__messages=[{"role": "user", "parts": [{"type": "text", "content": "hi"}]}],
        gen_ai__output__messages=[
            {"role": "assistant", "parts": [PART]}
        ],
    ),
    "a provider's": pairs(
        langfuse__observation__input=[{"role": "user", "content": "hi"}],
        langfuse__observation__output={"role": "assistant", "content": None, "tool_calls": [CALL]},
    ),
    "an attribute for each member": pairs(
        gen_ai__prompt__0__role="user",
        gen_ai__prompt__0__content="hi",
        gen_ai__completion__0__role="assistant",
        gen_ai__completion__0__tool_calls__0__name="look",
        gen_ai__completion__0__tool_calls__0__arguments=ARGUMENTS,
    ),
    "the same with messages": pairs(**{
        "llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "hi",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "look",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"a":1}',
    }),
}  # fmt: skip


@pytest.mark.parametrize("content", SHAPES.values(), ids=SHAPES)
def test_a_question_and_a_call_are_read_in_every_dialect(content):
    assert told(content) == [("user", "text", "hi"), ("assistant", "call", '{"a":1}')]


@pytest.mark.parametrize(
    "text", ["plain", '{"broken', "[1, 2]", "null", '{"a": {}}', "[]", '[{"parts": 3}]', "[[]]"]
)
def test_what_is_no_message_is_shown_as_it_is_and_never_fails(text):
    told(pairs(gen_ai__input__messages=text))


def test_what_was_cut_is_left_to_be_shown_as_text():
    assert said([("gen_ai.input.messages", '[{"role":"us', 4_000_000)]).keys == frozenset()


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ({"type": "blob", "mime_type": "image/png", "content": "aaaa"}, "image"),
        ({"type": "blob", "mime_type": "IMAGE/PNG; x=y", "content": "aaaa"}, "image"),
        ({"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,aaaa"}}, "image"),
        ({"type": "input_audio", "input_audio": {"data": "aaaa", "format": "wav"}}, "audio"),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "aaaa"}}, "image"),
        ({"type": "blob", "mime_type": "image/svg+xml", "content": "aaaa"}, ""),
        ({"type": "blob", "mime_type": "text/html", "content": "aaaa"}, ""),
        ({"type": "image_url", "image_url": "data:text/html;base64,aaaa"}, ""),
        ({"type": "blob", "mime_type": 7, "content": ["x"]}, ""),
    ],
)
def test_only_pictures_and_sound_are_shown(part, shown):
    assert medium_of(part).shown == shown


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "file:///etc/passwd", "//x", "http://", "https://[", "data:,x"]
)
def test_only_links_to_the_web_may_be_followed(link):
    assert medium_of({"type": "uri", "uri": link}).outside == ""


def test_what_is_no_base64_has_no_bytes():
    assert medium_of({"type": "blob", "mime_type": "image/png", "content": "a"}).decoded() is None
    whole = b64encode(b"png").decode()
    assert medium_of({"type": "blob", "mime_type": "image/png", "content": whole}).decoded() == b"png"


def row(noun: str, content, **given) -> dict:
    return {
        "span_id": "s", "name": noun, "noun": noun, "tool": "look", "agent": "", "is_root": 0, "start_ns": 0,
        "failed": 0, "error_type": "", "message": "", "call_id": "", "content": content, **given,
    }  # fmt: skip


def test_what_was_said_before_is_not_said_again():
    question = {"role": "user", "content": "hi"}
    answer = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    last = [{"role": "assistant", "content": "there"}]
    result = {"role": "tool", "tool_call_id": "c1", "content": "found"}
    rows = [
        row("agent", pairs(mlobs__input={"q": "hi"})),
        row("llm", pairs(gen_ai__input__messages=[question], gen_ai__output__messages=[answer])),
        row(
            "tool",
            pairs(gen_ai__tool__call__arguments='{"a": 1}', gen_ai__tool__call__result="found"),
            call_id="c1",
        ),
        row("llm", pairs(gen_ai__input__messages=[question, answer, result], gen_ai__output__messages=last)),
    ]
    turns = [
        (turn.message.role, part.kind, part.text)
        for turn in conversation(rows)
        for part in turn.message.parts
    ]
    assert turns == [
        ("user", "text", "hi"),
        ("assistant", "call", '{"a":1}'),
        ("tool", "result", "found"),
        ("assistant", "text", "there"),
    ]


def test_what_a_tool_gave_is_shown_once_also_where_only_the_message_has_an_id():
    asked = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    told = {"role": "tool", "tool_call_id": "c1", "content": '{"day": "Tuesday"}'}
    other = {"role": "tool", "tool_call_id": "c2", "content": "none"}
    rows = [
        row("llm", pairs(gen_ai__output__messages=[asked])),
        row(
            "tool",
            pairs(gen_ai__tool__call__arguments='{"a": 1}', gen_ai__tool__call__result='{"day":"Tuesday"}'),
        ),
        row("llm", pairs(gen_ai__input__messages=[asked, told, other])),
        row("llm", pairs(gen_ai__input__messages=[asked, told, other])),
    ]
    found = [part.text for turn in conversation(rows) for part in turn.message.parts if part.kind == "result"]
    assert found == ['{"day":"Tuesday"}', "none"]


def test_a_tool_that_ran_again_is_shown_again_with_its_failure():
    call = row("tool", pairs(gen_ai__tool__call__arguments='{"a":1}'), failed=1, error_type="E", message="no")
    asked = row("llm", pairs(gen_ai__output__messages=[{"role": "assistant", "tool_calls": [CALL]}]))
    turns = conversation([asked, call, {**call, "span_id": "t"}])
    assert [(turn.failed, turn.error) for turn in turns] == [(False, ""), (True, "E: no"), (True, "E: no")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"question": "Where?"}', "Where?"),
        ('[{"role":"system","content":"be"},{"role":"user","content":"Where?"}]', "Where?"),
        ('[{"role":"user","parts":[{"type":"text","content":"Whe', "Whe"),
        ("two\n lines", "two lines"),
        ("", ""),
        ('{"a": 1, "b": 2}', '{"a": 1, "b": 2}'),
    ],
)
def test_a_preview_is_what_a_person_would_know_it_by(text, words):
    assert preview(text) == words

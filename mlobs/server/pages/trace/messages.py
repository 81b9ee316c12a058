"""What models were sent and answered, as messages of parts, whichever way it was written.

The conventions write a list of messages with a role and parts; providers' clients a role and a content,
with calls of tools beside it; older dialects an attribute for each member (`gen_ai.prompt.0.content`). What
is none of these is shown as it is.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from mlobs.semconv import attributes as a
from mlobs.semconv.dialects import DIALECTS
from mlobs.server.pages.documents import document
from mlobs.server.pages.trace.media import Medium, medium_of

Pairs = Sequence[tuple[str, str, int]]  # Key, text as far as it was read, characters there are.
ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "developer": "system", "function": "tool"}
KNOWN_ROLES = {"system", "user", "assistant", "tool"}
MESSAGES_MAX = 500
_INDEXED = re.compile(r"^(.*?)\.([0-9]{1,4})\.(?:message\.)?(.+)$")
_BEGINNINGS = {
    a.INPUT_MESSAGES: ("gen_ai.prompt", "llm.input_messages", "llm.prompts"),
    a.OUTPUT_MESSAGES: ("gen_ai.completion", "llm.output_messages", "llm.choices"),
}


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message.

    Attributes:
        kind: text, reasoning, call, result, medium or other.
        text: What it says; of a call its arguments, of a result what came.
        name: Of the tool.
        id: That ties a call and its result.
        medium: The picture or sound.
    """

    kind: str
    text: str = ""
    name: str = ""
    id: str = ""
    medium: Medium | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What one side said.

    Attributes:
        role: system, user, assistant or tool.
        parts: In order.
        finish: How an answer ended, where it says.
        key: The attribute that holds it; empty where several do.
    """

    role: str
    parts: tuple[Part, ...] = field(default_factory=tuple)
    finish: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What a call was given and gave.

    Attributes:
        before: Instructions and messages that it was given.
        after: Messages that it gave.
        keys: The attributes that are told by these.
    """

    before: tuple[Message, ...]
    after: tuple[Message, ...]
    keys: frozenset[str]


def said(content: Pairs) -> Said:
    """Return the messages of a span's content. What was cut, and is no JSON any more, is shown as text."""
    texts = {key: text for key, text, characters in content if len(text) == characters}
    media = _Numbers()
    used: set[str] = set()

    def read(row: Any, role: str) -> tuple[Message, ...]:
        for key in content_keys(row):
            if key in texts and (found := _messages(texts[key], role, media)):
                used.add(key)
                return tuple(replace(one, key=key) for one in found)
        flat, keys = _unflattened(texts, row)
        used.update(keys)
        return tuple(_message(one, role, media) for one in flat)

    system = read(a.SYSTEM_INSTRUCTIONS, "system")
    before = read(a.INPUT_MESSAGES, "user")
    after = read(a.OUTPUT_MESSAGES, "assistant")
    return Said((*system, *before), after, frozenset(used))


def content_keys(row: Any) -> tuple[str, ...]:
    """Return the attributes that hold one kind of content, in any dialect."""
    others = (key for one in DIALECTS for key in one.content.get(row, ()) if not key.endswith("."))
    return tuple(dict.fromkeys((row.name, *others)))


class _Numbers:
    """Numbers the media of a span, which their addresses need."""

    def __init__(self) -> None:
        self._next = 0

    def next(self) -> int:
        self._next += 1
        return self._next - 1


def _messages(text: str, role: str, media: _Numbers) -> tuple[Message, ...]:
    if not text.lstrip().startswith(("[", "{")):
        return (Message(role, (Part("text", text),)),) if text.strip() else ()
    try:
        value = document(text)
    except ValueError:
        return (Message(role, (Part("text", text),)),)
    if isinstance(value, Mapping):
        for name in ("messages", "input", "output", "choices"):
            if isinstance(value.get(name), list):
                value = value[name]
                break
    listed = value if isinstance(value, list) else [value]
    if listed and all(isinstance(one, Mapping) and "type" in one and "role" not in one for one in listed):
        return (Message(role, tuple(_parts(listed, media))),)  # Parts without a message around them.
    return tuple(_message(one, role, media) for one in listed[:MESSAGES_MAX])


def _message(one: Any, role: str, media: _Numbers) -> Message:
    if not isinstance(one, Mapping):
        return Message(role, (Part("text", one if isinstance(one, str) else _json(one)),))
    inner = one.get("message")
    if isinstance(inner, Mapping):
        one = {**inner, "finish_reason": one.get("finish_reason", "")}
    came = str(one.get("role", role))
    who = ROLES.get(came, came)
    parts: list[Part] = []
    thoughts = (one.get(name) for name in ("reasoning_content", "reasoning"))
    parts += [Part("reasoning", text) for text in thoughts if isinstance(text, str) and text]
    body = one.get("parts", one.get("content", one.get("text")))
    parts += _parts(body if isinstance(body, list) else [] if body is None else [body], media)
    calls = one.get("tool_calls")
    parts += [_call(call) for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []
    if who == "tool" and one.get("tool_call_id"):
        parts = [
            Part("result", part.text, id=str(one["tool_call_id"])) if part.kind == "text" else part
            for part in parts
        ]
    if not parts and not {"role", "content", "parts"} & one.keys():
        parts = [Part("other", _json(one))]
    finish = one.get("finish_reason")
    return Message(
        who if who in KNOWN_ROLES else "user", tuple(parts), finish if isinstance(finish, str) else ""
    )


def _parts(values: Sequence[Any], media: _Numbers) -> Iterator[Part]:
    for one in values:
        if isinstance(one, str):
            yield Part("text", one)
            continue
        if not isinstance(one, Mapping):
            yield Part("other", _json(one))
            continue
        kind = str(one.get("type", ""))
        if kind in {"tool_call", "tool_use", "function_call", "server_tool_call"}:
            yield _call(one)
        elif kind in {
            "tool_call_response",
            "tool_result",
            "function_call_output",
            "server_tool_call_response",
        }:
            given = one.get("response", one.get("result", one.get("content", one.get("output"))))
            name = str(one.get("id") or one.get("tool_use_id") or one.get("call_id") or "")
            yield Part("result", given if isinstance(given, str) else _json(given), id=name)
        elif kind in {"reasoning", "thinking"}:
            text = one.get("content", one.get("thinking", one.get("text", "")))
            yield Part("reasoning", text if isinstance(text, str) else _json(text))
        elif found := medium_of(one):
            yield Part("medium", medium=found.numbered(media.next()))
        elif isinstance(text := one.get("content", one.get("text")), str):
            yield Part("text", text)
        else:
            yield Part("other", _json(one))


def _call(one: Mapping[str, Any]) -> Part:
    function = one.get("function")
    inner = function if isinstance(function, Mapping) else one
    given = inner.get("arguments", inner.get("input", inner.get("args")))
    text = given if isinstance(given, str) else "" if given is None else _json(given)
    name = str(one.get("id") or one.get("call_id") or "")
    return Part("call", text, name=str(inner.get("name", "")), id=name)


def _unflattened(texts: Mapping[str, str], row: Any) -> tuple[list[dict[str, Any]], set[str]]:
    """Return the messages that are an attribute for each member, and the attributes they were in."""
    found: dict[int, dict[str, Any]] = {}
    keys: set[str] = set()
    for key in sorted(texts):
        match = _INDEXED.match(key)
        if match is None or match[1] not in _BEGINNINGS.get(row, ()):
            continue
        keys.add(key)
        _put(found.setdefault(int(match[2]), {}), match[3], texts[key])
    return [found[place] for place in sorted(found)][:MESSAGES_MAX], keys


def _put(message: dict[str, Any], name: str, text: str) -> None:
    call = re.match(
        r"(?:tool_calls|message\.tool_calls)\.([0-9]{1,3})\.(?:tool_call\.)?(?:function\.)?(\w+)$", name
    )
    if call:
        calls = message.setdefault("tool_calls", [])
        while len(calls) <= min(int(call[1]), 99):
            calls.append({})
        calls[min(int(call[1]), 99)][call[2]] = text
    elif name in {"role", "content", "finish_reason", "tool_call_id"}:
        message[name] = text
    elif name.endswith(".text"):
        message["content"] = f"{message.get('content', '')}{text}"
    else:
        message.setdefault("content", "")


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()

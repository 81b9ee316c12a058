"""The first words of what a call was given: enough to know a trace by."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from mlobs.server.pages.documents import document

CHARACTERS = 160
_STRING = re.compile(r'"(?:content|text|input|query|question|prompt|message|q)"\s*:\s*"((?:[^"\\]|\\.)+)')
_ROLE = re.compile(r'"role"\s*:\s*"([a-z]+)"')
NO_PERSON = frozenset({"system", "developer"})
_SPACE = re.compile(r"\s+")


def preview(text: str) -> str:
    r"""Return the words in a text, which may be JSON that was cut.

    >>> preview('[{"role":"user","parts":[{"type":"text","content":"Where is\nmy parcel?"}]}]')
    'Where is my parcel?'
    >>> preview('{"question": "Why is the sk'), preview("plain"), preview('{"a": 1}')
    ('Why is the sk', 'plain', '{"a": 1}')

    What a system tells a model is nobody's words:

    >>> preview('[{"role":"system","content":"A shop."}]'), preview('[{"role":"system","content":"A sh')
    ('', '')
    """
    said = _said(text)
    return _SPACE.sub(" ", said).strip()[:CHARACTERS]


def words(text: str) -> str | None:
    """Return all that a person or a model says in a text; None where it is data without words.

    >>> words('{"question": "Why?", "order": 7}'), words('"Because."'), words('{"a": 1}')
    ('Why?', 'Because.', None)
    """
    if not text.lstrip().startswith(("{", "[", '"')):
        return text.strip() or None
    try:
        value = document(text)
    except ValueError:
        return None
    return value.strip() or None if isinstance(value, str) else next(iter(_last_words(value)), None)


def _said(text: str) -> str:
    if not text.lstrip().startswith(("{", "[", '"')):
        return text
    try:
        value = document(text)
    except ValueError:
        return _said_in_part(text)
    if isinstance(value, str):
        return value
    return next(iter(_last_words(value)), "" if _is_instruction(value) else text)


def _said_in_part(text: str) -> str:
    """Return the last words in JSON that was cut; those of instructions are none."""
    found = _STRING.findall(text)
    roles = set(_ROLE.findall(text))
    if roles and roles <= NO_PERSON:
        return ""
    return _unescaped(found[-1]) if found else text


def _is_instruction(value: Any) -> bool:
    """Return whether a value holds messages, and only such that instruct a model."""
    messages = value if isinstance(value, list) else [value]
    roles = {str(one.get("role")) if isinstance(one, Mapping) else "" for one in messages}
    return bool(roles) and roles <= NO_PERSON


def _last_words(value: Any) -> Iterable[str]:
    """Yield the words of the last message of a person, or those of the only argument."""
    if isinstance(value, list):
        people = [one for one in value if isinstance(one, Mapping) and one.get("role") == "user"]
        others = [one for one in value if not _is_instruction(one)]
        for one in reversed(people or others[-1:]):
            yield from _words(one)
    elif isinstance(value, Mapping) and not _is_instruction(value):
        yield from _words(value)


def _words(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _words(one)
    elif isinstance(value, Mapping):
        for name in (
            "content",
            "text",
            "parts",
            "input",
            "query",
            "question",
            "prompt",
            "message",
            "messages",
            "q",
        ):
            if name in value:
                yield from _words(value[name])
        if len(value) == 1:
            yield from (one for one in value.values() if isinstance(one, str))


def _unescaped(text: str) -> str:
    try:
        return str(orjson.loads(f'"{text}"'))
    except orjson.JSONDecodeError:
        return text

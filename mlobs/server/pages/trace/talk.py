"""The messages of a whole trace as one conversation.

Each call of a model is sent what was said before it, so what was shown once is not shown again: a message
of a call is new if it comes more often than it was shown. Calls of tools stand where they ran, unless the
messages have them; what they gave is shown once, also where only a message has the id of the call.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlobs.semconv import attributes as a
from mlobs.server.pages.trace.detail import pretty
from mlobs.server.pages.trace.messages import Message, Part, content_keys, said

SHOWN_MAX = 400


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said, and the span that knows.

    Attributes:
        message: What was said.
        span_id: Of the call.
        name: Of the call's span.
        start_ns: When the call began.
        failed: Whether the call failed.
        error: Why.
    """

    message: Message
    span_id: str
    name: str
    start_ns: int
    failed: bool = False
    error: str = ""


def conversation(rows: Sequence[Mapping[str, Any]]) -> list[Turn]:
    """Return the turns of a trace; `rows` are those of `queries/page_contents.sql`."""
    turns: list[Turn] = []
    shown: Counter[tuple[str, ...]] = Counter()
    called: Counter[tuple[str, str]] = Counter()  # What models asked for, and no tool has run yet.
    came: Counter[str] = Counter()  # What tools gave under no id, and no model was told yet.
    model_calls = any(row["noun"] == "llm" for row in rows)
    for row in rows:
        if len(turns) >= SHOWN_MAX:
            break
        if row["noun"] == "tool":
            found = _tool(row)
        elif row["noun"] == "llm" or not model_calls:
            told = said(row["content"])
            found = [*told.before, *told.after] or _plain(row)
        else:
            continue
        mine: Counter[tuple[str, ...]] = Counter()
        for message in found:
            new = []
            for part in message.parts:
                key = _key(message.role, part)
                mine[key] += 1
                if mine[key] <= shown[key]:
                    continue
                shown[key] = mine[key]
                words = pretty(part.text)
                asked = (part.name, words)
                if part.kind == "call" and row["noun"] == "tool" and called[asked]:
                    called[asked] -= 1
                    continue
                if part.kind == "call" and row["noun"] != "tool":
                    called[asked] += 1
                if part.kind == "result" and row["noun"] != "tool" and came[words]:
                    came[words] -= 1
                    continue
                if part.kind == "result" and row["noun"] == "tool" and not part.id:
                    came[words] += 1
                new.append(part)
            if new:
                turns.append(_turn(row, replace(message, parts=tuple(new))))
        if row["failed"]:
            turns.append(_turn(row, Message("tool" if row["noun"] == "tool" else "assistant"), failed=True))
    return turns


def _turn(row: Mapping[str, Any], message: Message, *, failed: bool = False) -> Turn:
    error = ": ".join(text for text in (row["error_type"], row["message"]) if text) if failed else ""
    return Turn(message, row["span_id"], row["name"], row["start_ns"], failed, error)


def _tool(row: Mapping[str, Any]) -> list[Message]:
    texts = {key: text for key, text, _ in row["content"]}
    given, came = (_first(texts, kind) for kind in (a.TOOL_ARGUMENTS, a.TOOL_RESULT))
    given = _first(texts, a.INPUT) if given is None else given
    came = _first(texts, a.OUTPUT) if came is None else came
    found = []
    if given is not None:
        found.append(
            Message("assistant", (Part("call", given, name=row["tool"] or row["name"], id=row["call_id"]),))
        )
    if came is not None:
        found.append(Message("tool", (Part("result", came, name=row["tool"], id=row["call_id"]),)))
    return found


def _plain(row: Mapping[str, Any]) -> list[Message]:
    texts = {key: text for key, text, _ in row["content"]}
    given, came = texts.get(a.INPUT.name), texts.get(a.OUTPUT.name)
    return [
        Message(role, (Part("text", text),))
        for role, text in (("user", given), ("assistant", came))
        if text is not None
    ]


def _first(texts: Mapping[str, str], row: Any) -> str | None:
    return next((texts[key] for key in content_keys(row) if key in texts), None)


def _key(role: str, part: Part) -> tuple[str, ...]:
    """Return what a part is recognised by; calls and results by the id that ties them, if they have one."""
    if part.kind in {"call", "result"} and part.id:
        return (part.kind, part.id)
    if part.medium is not None:
        return (
            "medium",
            part.medium.type,
            part.medium.data[:64],
            str(len(part.medium.data)),
            part.medium.link,
        )
    return (role, part.kind, part.name, part.text)

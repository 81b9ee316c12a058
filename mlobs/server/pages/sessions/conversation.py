"""What each trace of a session was asked and answered: data in, data out.

What a person said is what the program was given, where it tells that in words; else the last thing that a
person says in the first call of a model, as what comes before was said in earlier traces. What was answered
is what the program gave back, else what the last call of a model gave.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlobs.semconv import attributes as a
from mlobs.server.canonical import OTHER
from mlobs.server.pages.amounts import stamp
from mlobs.server.pages.previews import words
from mlobs.server.pages.sessions.view import added
from mlobs.server.pages.trace.messages import Message, Pairs, Part, content_keys, said

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One message, and the span that knows it."""

    message: Message
    span_id: str


def turns(rows: Sequence[Row], contents: Sequence[Row], scores: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the turns of a session, the first one first.

    Args:
        rows: Of `queries/page_session.sql`, the newest first.
        contents: Of `queries/page_turns.sql`.
        scores: Of `queries/page_turn_scores.sql`.
    """
    told = {row["trace_id"]: row for row in contents}
    judged: dict[str, list[Row]] = {}
    for score in scores:
        judged.setdefault(score["trace_id"], []).append(score)
    found: list[dict[str, Any]] = []
    before: list[Message] = []
    for row in reversed(rows):
        spoken = _spoken(told.get(row["trace_id"]))
        asked = [line.message for line in spoken["asked"]]
        # What nobody answered is sent again with what is said next.
        again = len(before) if len(asked) > len(before) and _same(asked[: len(before)], before) else 0
        before = asked
        found.append(
            {
                **row,
                "started": stamp(row["start_ns"]),
                "took_ms": max(0, row["end_ns"] - row["start_ns"]) / 1e6,
                "tokens": added(row["input_tokens"], row["output_tokens"]),
                "error": ": ".join(text for text in (_type(row), row["message"]) if text),
                "scores": judged.get(row["trace_id"], []),
                "asked": spoken["asked"][again:],
                "answered": spoken["answered"],
            }
        )
    return found


def _type(row: Row) -> str:
    """Return the type of an error where it says something."""
    name: str = row["error_type"]
    return "" if name == OTHER else name


def _same(some: Sequence[Message], others: Sequence[Message]) -> bool:
    return [one.parts for one in some] == [one.parts for one in others]


def _spoken(row: Row | None) -> dict[str, list[Line]]:
    if row is None:
        return {"asked": [], "answered": []}
    first, last = said(_pairs(row["first_content"])), said(_pairs(row["last_content"]))
    asked = [Line(one, row["first_span"]) for one in _last_of_person(first.before)]
    answered = [Line(shown, row["last_span"]) for one in last.after if (shown := _said_aloud(one))]
    given, came = (_words(row["outer_content"], kind) for kind in (a.INPUT, a.OUTPUT))
    if given is not None:
        media = _media(asked)
        asked = [Line(Message("user", (Part("text", given),)), row["outer_span"]), *media]
    if came is not None:
        answered = [Line(Message("assistant", (Part("text", came),)), row["outer_span"]), *_media(answered)]
    return {"asked": asked, "answered": answered}


def _last_of_person(messages: Sequence[Message]) -> list[Message]:
    """Return what a person says at the end of the messages that a call was given."""
    found: list[Message] = []
    for one in reversed(messages):
        if one.role == "user" and (shown := _said_aloud(one)):
            found.append(shown)
        elif found or one.role != "system":
            break
    return found[::-1]


def _said_aloud(message: Message) -> Message | None:
    """Return a message without calls of tools, results and thoughts; None if nothing is left."""
    parts = tuple(part for part in message.parts if part.kind in {"text", "medium", "other"} and _has(part))
    return Message(message.role, parts, message.finish, message.key) if parts else None


def _has(part: Part) -> bool:
    return part.medium is not None or bool(part.text.strip())


def _media(lines: Sequence[Line]) -> list[Line]:
    found = []
    for one in lines:
        parts = tuple(part for part in one.message.parts if part.medium is not None)
        if parts:
            found.append(Line(Message(one.message.role, parts), one.span_id))
    return found


def _words(content: Sequence[Sequence[Any]], kind: Any) -> str | None:
    texts = {key: text for key, text, characters in content if len(text) == characters}
    text = next((texts[key] for key in content_keys(kind) if key in texts), None)
    return None if text is None else words(text)


def _pairs(content: Sequence[Sequence[Any]]) -> Pairs:
    return [(key, text, characters) for key, text, characters in content]

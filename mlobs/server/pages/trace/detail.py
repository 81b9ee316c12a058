"""One span, shaped for its template: facts, what it was given and gave, attributes, events, logs, scores.

Whatever is long is cut with how much there is of it, and where all of it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from mlobs.semconv import attributes as a
from mlobs.server.canonical import OTHER
from mlobs.server.pages.amounts import count, duration, money, stamp
from mlobs.server.pages.documents import document
from mlobs.server.pages.trace.messages import Said, content_keys, said

PAIRS_MAX, EVENTS_MAX, LOGS_MAX, SCORES_MAX = 200, 50, 100, 100
READ_CHARACTERS = 1_100_000  # Of a text, so that pictures in messages are whole.
SHOWN_CHARACTERS = 8_000
TITLES = {
    a.TOOL_ARGUMENTS: "Called with",
    a.TOOL_RESULT: "Returned",
    a.INPUT: "Given",
    a.OUTPUT: "Returned",
    a.RETRIEVAL_QUERY: "Searched for",
    a.RETRIEVAL_DOCUMENTS: "Found",
    a.MEMORY_QUERY: "Looked up",
    a.MEMORY_RECORDS: "Remembered",
    a.TOOL_DEFINITIONS: "Tools",
    a.SYSTEM_INSTRUCTIONS: "Instructions",
    a.INPUT_MESSAGES: "Input",
    a.OUTPUT_MESSAGES: "Output",
}


@dataclass(frozen=True, slots=True)
class Long:
    """A text as far as it is shown.

    Attributes:
        key: The attribute.
        title: What it is called.
        text: As far as it is shown.
        characters: How many there are.
    """

    key: str
    title: str
    text: str
    characters: int

    @property
    def missing(self) -> int:
        """How many characters are not shown."""
        return max(0, self.characters - len(self.text))


def shaped(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a span for its template; `row` is that of `queries/page_span.sql`."""
    content = [tuple(one) for one in row["content"]]
    told = said(content)
    return {
        **row,
        "title": row["name"] or "(no name)",
        "error_title": "error" if row["error_type"] in {"", OTHER} else row["error_type"],
        "started": stamp(row["start_ns"]),
        "facts": _facts(row),
        "said": told,
        "texts": _texts(content, told),
        "attributes": [(key, text) for key, text in row["attributes"]],
        "attributes_left": row["attribute_count"] - len(row["attributes"]),
        "content_left": row["content_count"] - len(content),
        "events": [
            {"name": name, "at": stamp(time_ns), "pairs": [_pair(*pair) for pair in pairs]}
            for name, time_ns, pairs in zip(
                row["event_names"], row["event_times_ns"], row["event_attributes"], strict=True
            )
        ],
        "events_left": row["event_count"] - len(row["event_names"]),
    }


def log(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a log record for its template; `row` is one of `queries/page_logs.sql`."""
    return {
        **row,
        "at": stamp(row["time_ns"]),
        "body": Long("", "", row["body"], row["body_length"]),
        "pairs": [_pair(*pair) for pair in row["attributes"]],
        "mark": "bad" if row["severity_number"] >= 17 else "warn" if row["severity_number"] >= 13 else "",
    }


def score(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a score for its template; `row` is one of `queries/page_scores.sql`."""
    return {**row, "at": stamp(row["time_ns"])}


def pretty(text: str) -> str:
    """Return JSON with a line for each member, anything else as it is.

    >>> print(pretty('{"a":1}'))
    {
      "a": 1
    }
    """
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return orjson.dumps(document(text), option=orjson.OPT_INDENT_2).decode()
    except ValueError:
        return text


def _facts(row: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return what there is to say of a span: what, how much, and the key to ask for it."""
    rate = None
    if row["output_tokens"] and row["duration_ns"] and row["noun"] == "llm":
        rate = f"{row['output_tokens'] / (row['duration_ns'] / 1e9):.0f} a second"
    found = (
        ("Took", duration(row["duration_ns"] / 1e6), ""),
        ("Service", row["service"], "service"),
        ("Kind", row["noun"] or row["operation"] or row["kind"], ""),
        ("Model", row["model"], "model"),
        ("Agent", row["agent"], "agent"),
        ("Tool", row["tool"], "tool"),
        ("Function", row["given_name"], ""),
        ("Ended", row["state"], "state"),
        ("First chunk", None if row["first_chunk_s"] is None else duration(row["first_chunk_s"] * 1000), ""),
        ("Input tokens", _count(row["input_tokens"]), ""),
        ("of them cached", _count(row["cached_tokens"]), ""),
        ("Output tokens", _count(row["output_tokens"]), ""),
        ("of them reasoning", _count(row["reasoning_tokens"]), ""),
        ("Output", rate, ""),
        ("Cost", None if row["cost_usd"] is None else money(row["cost_usd"]), ""),
        ("Session", row["session"], "session"),
        ("User", row["user"], "user"),
        ("Instrumentation", " ".join(filter(None, (row["scope"], row["scope_version"], row["dialect"]))), ""),
    )
    return [(title, value, key) for title, value, key in found if value]


def _count(number: int | None) -> str | None:
    return None if number is None else count(number)


def _texts(content: Sequence[Any], told: Said) -> list[Long]:
    by_key = {key: row for row in TITLES for key in content_keys(row)}
    order = {row: place for place, row in enumerate(TITLES)}
    found = []
    for key, text, characters in content:
        if key not in told.keys:
            row = by_key.get(key)
            title = TITLES[row] if row is not None else key
            shown = pretty(text) if len(text) == characters else text
            whole = len(shown) if len(text) == characters else characters
            found.append(
                (
                    order.get(row, len(order)) if row else len(order),
                    Long(key, title, shown[:SHOWN_CHARACTERS], whole),
                )
            )
    return [long for _, long in sorted(found, key=lambda one: (one[0], one[1].key))]


def _pair(key: str, text: str, characters: int) -> Long:
    return Long(key, key, text[:SHOWN_CHARACTERS], characters)

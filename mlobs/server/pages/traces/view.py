"""Shapes a page of traces for its template: data in, data out."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mlobs.semconv import attributes as a
from mlobs.server.ask.ranges import NS
from mlobs.server.engine import Value
from mlobs.server.pages.links import address
from mlobs.server.pages.previews import preview
from mlobs.server.pages.trace.messages import content_keys

Row = Mapping[str, Any]
PATH = "/traces"
AROUND_NS = 3600 * NS
# What many ask, and what it is in the language of questions.
QUICK = {"agent runs": "{kind:agent}", "failed": "status:error"}
OR = "OR"
TEXT_CHARACTERS = 3_000
# A trace whose root has not come is still in progress for so long after its last span ended.
QUIET_SECONDS = 900
BEGINNINGS = tuple(
    dict.fromkeys(
        (
            a.INPUT.name,
            a.INPUT_MESSAGES.name,
            a.TOOL_ARGUMENTS.name,
            *content_keys(a.INPUT_MESSAGES),
            "gen_ai.prompt.0.content",
            "llm.input_messages.0.message.content",
        )
    )
)
_PLACE = re.compile(r"^At character ([0-9]+) of the filter, ")


def quick(question: str, given: Mapping[str, object]) -> list[dict[str, object]]:
    """Return what is asked often, each with the address that adds it to a question or takes it out."""
    found = []
    for title, term in QUICK.items():
        words = question.split()
        at = words.index(term) if term in words else None
        chosen = at is not None and OR not in words[max(0, at - 1) : at + 2]
        rest = " ".join(word for word in words if word != term) if chosen else question
        whole = f"({rest})" if OR in words and not chosen else rest
        asked = whole if chosen else f"{whole} {term}".strip()
        found.append({"title": title, "address": address(PATH, {**given, "q": asked}), "chosen": chosen})
    return found


def asked_facts(traces: Sequence[Row]) -> dict[str, Value]:
    """Return the parameters of `queries/page_traces.sql` for some rows of the list."""
    begins = [_ns(row["started"]) for row in traces]
    ends = [begin + int(row["duration_ms"] * 1e6) for begin, row in zip(begins, traces, strict=True)]
    return {
        "ids": json.dumps([row["trace_id"] for row in traces]),
        "since_ns": max(0, min(begins) - AROUND_NS),
        "until_ns": min(2**63 - 1, max(ends) + AROUND_NS),
        "keys": ",".join(BEGINNINGS),
        "characters": TEXT_CHARACTERS,
    }


def rows(traces: Sequence[Row], facts: Sequence[Row], now_ns: int) -> list[dict[str, Any]]:
    """Return the rows of the table: those of the list, each with who took part and how it begins."""
    by_id = {one["trace_id"]: one for one in facts}
    return [_row(trace, by_id.get(trace["trace_id"], {}), now_ns) for trace in traces]


def place(sentence: str) -> int | None:
    """Return where in a question the trouble is that a refusal tells of, from 0; None if it says none.

    >>> place("At character 5 of the filter, 'x': a key was expected.")
    4
    """
    found = _PLACE.match(sentence)
    return int(found[1]) - 1 if found else None


def marked(question: str, sentence: str) -> tuple[str, str, str] | None:
    """Return a question in three: what is well, what is not as far as a space, and the rest."""
    at = place(sentence)
    if at is None or at >= len(question):
        return None
    end = next((end for end in range(at + 1, len(question)) if question[end].isspace()), len(question))
    return question[:at], question[at:end], question[end:]


def state(trace: Row, now_ns: int) -> str:
    """Return "running" for a trace whose first span is still to come, "rootless" if it is not awaited."""
    quiet_s = (now_ns - _ns(trace["started"])) / NS - trace["duration_ms"] / 1000
    return "" if trace["finished"] else "running" if quiet_s < QUIET_SECONDS else "rootless"


def _row(trace: Row, facts: Row, now_ns: int) -> dict[str, Any]:
    tokens = [count for count in (trace["input_tokens"], trace["output_tokens"]) if count is not None]
    return {
        **trace,
        "state": state(trace, now_ns),
        "models": facts.get("models", []),
        "agents": facts.get("agents", []),
        "session": facts.get("session") or facts.get("conversation") or "",
        "user": facts.get("user", ""),
        "preview": preview(facts.get("beginning", "")),
        "tokens": sum(tokens) if tokens else None,
    }


def _ns(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1e6) * 1000

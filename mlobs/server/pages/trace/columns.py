"""The rows of a tree as the script takes them: a column each, words by their place in a list.

A row of its own for each of 50,000 spans would be three times as large.
"""

from collections.abc import Sequence
from typing import Any

import orjson
from markupsafe import Markup

from mlobs.server.pages.rendering import clean
from mlobs.server.pages.trace.fold import Folded, Line

FAILED, FIRST, ORPHAN, PARENT, CANCELLED, ABANDONED = 1, 2, 4, 8, 16, 32
_STATES = {"cancelled": CANCELLED, "abandoned": ABANDONED}


class _Words:
    """Numbers words in the order they come."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def place(self, word: str) -> int:
        return self._places.setdefault(word, len(self._places))

    @property
    def listed(self) -> list[str]:
        return [clean(word) for word in self._places]


def columns(folded: Folded) -> dict[str, Any]:
    """Return the rows of a tree by column."""
    titles, nouns, services, facts = _Words(), _Words(), _Words(), _Words()
    lines = folded.lines
    return {
        "length_ms": (folded.last_ns - folded.first_ns) / 1e6,
        "depth": [line.depth for line in lines],
        "title": [titles.place(line.title) for line in lines],
        "noun": [nouns.place(line.noun) for line in lines],
        "service": [services.place(line.service) for line in lines],
        "facts": [facts.place(line.facts) for line in lines],
        "start": [round(line.start_ms, 3) for line in lines],
        "took": [round(line.took_ms, 3) for line in lines],
        "count": [line.count for line in lines],
        "flags": list(map(_flags, lines)),
        "id": " ".join(line.span_id or "-" for line in lines),
        "titles": titles.listed,
        "nouns": nouns.listed,
        "services": services.listed,
        "allFacts": facts.listed,
    }


def embedded(folded: Folded) -> Markup:
    """Return the columns as JSON in the text of an element."""
    text = orjson.dumps(columns(folded)).decode()
    return Markup(text.replace("&", "&amp;").replace("<", "&lt;"))  # noqa: S704 # escaped here


def shown(lines: Sequence[Line]) -> list[Line]:
    """Return the rows that are seen at first: not those below a row of several."""
    found: list[Line] = []
    below: int | None = None
    for line in lines:
        if below is not None and line.depth > below:
            continue
        below = line.depth if line.count else None
        found.append(line)
    return found


def _flags(line: Line) -> int:
    return (
        FAILED * line.failed
        | FIRST * line.first
        | ORPHAN * line.orphan
        | PARENT * line.parent
        | _STATES.get(line.state, 0)
    )

"""Annotations: when something began, and for how long it went on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlobs.dashboards.preview.frames import named, number
from mlobs.dashboards.preview.spans import Span

MARKS_MAX = 200


@dataclass(frozen=True, slots=True)
class Mark:
    """One annotation on every graph."""

    name: str
    title: str
    colour: str
    begin_s: float
    end_s: float


def marks(
    note: Mapping[str, Any], matrix: Sequence[Mapping[str, Any]], step_s: float, span: Span
) -> list[Mark]:
    """Return the marks of an annotation: one for every unbroken run of a series above zero.

    Args:
        note: The annotation, in a dashboard's form.
        matrix: What Prometheus answered.
        step_s: Seconds between two points.
        span: What is shown; a mark outside of it is none.
    """
    name, colour = str(note.get("name", "")), str(note.get("iconColor", "blue"))
    found: list[Mark] = []
    for series in matrix:
        title = named(series["metric"], str(note.get("titleFormat") or ""))
        points = [(float(at), number(value)) for at, value in series.get("values", ())]
        if note.get("useValueForTime"):
            moments = {value / 1000 for _, value in points if value}
            found += [Mark(name, title, colour, at, at) for at in moments]
            continue
        begin = end = None
        for at, value in [*points, (float("inf"), 0.0)]:
            if value and begin is not None and end is not None and at - end <= step_s * 1.5:
                end = at
                continue
            if begin is not None and end is not None:
                found.append(Mark(name, title, colour, begin, end))
            begin = end = at if value else None
    inside = [mark for mark in found if span.begin_s <= mark.end_s and mark.begin_s <= span.end_s]
    return sorted(inside, key=lambda mark: mark.begin_s)[:MARKS_MAX]

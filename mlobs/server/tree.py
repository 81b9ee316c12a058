"""Spans of one trace as a tree.

Takes the spans as the API gives them. A span whose parent is not there is a root of its own,
marked as an orphan; so is one span of a circle of parents. Nothing here recurses, so a trace
may be as deep as it likes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from mlobs.semconv.attributes import NAME

Span = Mapping[str, Any]


@dataclass(slots=True)
class Node:
    """A span and what it called, in order of their starts."""

    span: Span
    orphan: bool = False
    children: list["Node"] = field(default_factory=list)


def tree(spans: Sequence[Span]) -> list[Node]:
    """Return the roots of `spans`, each with all its descendants.

    >>> [root] = tree([{"span_id": "b", "parent_span_id": "a"}, {"span_id": "a", "parent_span_id": ""}])
    >>> root.span["span_id"], [child.span["span_id"] for child in root.children]
    ('a', ['b'])
    """
    nodes = [Node(span) for span in sorted(spans, key=lambda span: span.get("start_offset_ms") or 0)]
    by_id: dict[str, Node] = {}
    for node in nodes:
        if node.span["span_id"]:
            by_id.setdefault(node.span["span_id"], node)
    roots = []
    for node in nodes:
        parent = by_id.get(node.span["parent_span_id"] or "")
        if parent is None or parent is node:
            node.orphan = bool(node.span["parent_span_id"])
            roots.append(node)
        else:
            parent.children.append(node)
    reached = {id(node) for _, node in walk(roots)}
    for node in nodes:
        if id(node) not in reached:  # In a circle, or below one: cut it at its earliest span.
            parent = by_id[node.span["parent_span_id"]]
            parent.children.remove(node)
            node.orphan = True
            roots.append(node)
            reached |= {id(below) for _, below in walk([node])}
    return roots


def walk(roots: Sequence[Node]) -> Iterator[tuple[int, Node]]:
    """Yield every node after its parent, with its depth."""
    waiting = [(0, node) for node in reversed(roots)]
    while waiting:
        depth, node = waiting.pop()
        yield depth, node
        waiting.extend((depth + 1, child) for child in reversed(node.children))


def title(span: Span) -> str:
    """Return a span's name, with the function's where the conventions leave it out.

    >>> title({"name": "chat m", "attributes": {"mlobs.name": "answer"}})
    'chat m answer'
    """
    given = span["attributes"].get(NAME.name)
    return f"{span['name']} {given}" if given and given not in span["name"] else str(span["name"])


def facts(span: Span) -> list[str]:
    """Return what is worth reading beside a span's name: duration, tokens, cost, how it ended."""
    found = [duration(span["duration_ms"])]
    if span.get("time_to_first_chunk_s") is not None:
        found.append(f"first chunk {duration(span['time_to_first_chunk_s'] * 1000)}")
    tokens = [
        f"{count:,}" for count in (span.get("input_tokens"), span.get("output_tokens")) if count is not None
    ]
    if tokens:
        found.append(f"{' → '.join(tokens)} tokens")
    if span.get("cost_usd") is not None:
        found.append(cost(span["cost_usd"]))
    if span.get("state"):
        found.append(str(span["state"]))
    if span["status"] == "Error":
        found.append(
            ": ".join(text for text in (span["error_type"] or "error", span["status_message"]) if text)
        )
    return found


def duration(milliseconds: float) -> str:
    """Return a duration as people read it.

    >>> duration(0.0123), duration(0.25), duration(12.3), duration(2500), duration(150_000)
    ('12 µs', '0.25 ms', '12.3 ms', '2.50 s', '2 min 30 s')
    """
    if not isfinite(milliseconds):
        return "unknown"
    if abs(milliseconds) < 0.1:
        return f"{milliseconds * 1000:.0f} µs"
    if milliseconds < 1:
        return f"{milliseconds:.2f} ms"
    if milliseconds < 1000:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.2f} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {seconds} s"


def cost(usd: float) -> str:
    """Return dollars with as many places as small amounts need.

    >>> cost(1.5), cost(0.0023)
    ('$1.50', '$0.002300')
    """
    return f"${usd:.2f}" if usd >= 1 else f"${usd:.6f}"


def cut(trace_id: str, shown: int, stored: int) -> str:
    """Return what to say of a trace that is shown in part; nothing if it is whole.

    >>> cut("4bf92f", 10_000, 30_001)
    "10,000 of 30,001 spans are shown; all: mlobs traces export 'trace:4bf92f' --since 3650d --out FILE"
    """
    if stored <= shown:
        return ""
    return (
        f"{shown:,} of {stored:,} spans are shown; "
        f"all: mlobs traces export 'trace:{trace_id}' --since 3650d --out FILE"
    )

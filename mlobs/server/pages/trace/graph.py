"""Agents, the tools and models they call, and who hands over to whom: as a picture.

Everything stands to the right of who calls it: in the column of how many agents are above it at most.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from markupsafe import Markup

from mlobs.server.pages.amounts import count, money
from mlobs.server.pages.rendering import cut
from mlobs.server.pages.trace.fold import Folded

NODES_MAX = 60
WIDTH, HEIGHT, GAP_X, GAP_Y, EDGE = 196, 42, 120, 16, 8
LABEL_CHARACTERS, SUB_CHARACTERS = 24, 27
DEPTH_MAX = 8
CALLED = {
    "tool": "tool",
    "llm": "model",
    "retrieval": "retrieval",
    "embedding": "model",
    "predict": "model",
    "agent": "name",
}


@dataclass(slots=True)
class Thing:
    """An agent, or what agents call."""

    noun: str
    name: str
    calls: int = 0
    errors: int = 0
    cost: float = 0.0
    depth: int = 0


@dataclass(slots=True)
class Graph:
    """Who took part, and how often who called whom.

    Attributes:
        things: By noun and name.
        calls: From whom to whom, how often.
        handoffs: The same of hand-overs.
        left_out: How many of those who took part are not in it.
    """

    things: dict[tuple[str, str], Thing] = field(default_factory=dict)
    calls: dict[tuple[tuple[str, str], tuple[str, str]], int] = field(
        default_factory=lambda: defaultdict(int)
    )
    handoffs: dict[tuple[tuple[str, str], tuple[str, str]], int] = field(
        default_factory=lambda: defaultdict(int)
    )
    left_out: int = 0


def graph(folded: Folded, handoffs: Sequence[Mapping[str, Any]]) -> Graph:
    """Return who called whom in a trace."""
    found = Graph()
    callers: list[tuple[int, tuple[str, str]]] = []  # The agents above the span, with their depths.
    for depth, node in folded.nodes:
        span = node.span
        while callers and callers[-1][0] >= depth:
            callers.pop()
        key = _key(span)
        if key is None:
            continue
        caller = callers[-1][1] if callers else None
        thing = found.things.get(key)
        if thing is None:
            if len(found.things) >= NODES_MAX:
                found.left_out += 1
                continue
            thing = found.things[key] = Thing(*key)
        thing.depth = max(thing.depth, min(len(callers), DEPTH_MAX))
        thing.calls += 1
        thing.errors += bool(span["failed"])
        thing.cost += folded.cost.get(id(node), 0.0) if key[0] == "agent" else span["cost_usd"] or 0.0
        if caller is not None and caller != key:
            found.calls[caller, key] += 1
        if key[0] == "agent":
            callers.append((depth, key))
    for one in handoffs:
        ends = ("agent", one["giver"]), ("agent", one["taker"])
        for end in ends:
            if end not in found.things and len(found.things) < NODES_MAX:
                found.things[end] = Thing(*end)
        if all(end in found.things for end in ends):
            found.handoffs[ends] += 1
    return found


def drawing(found: Graph) -> Markup:
    """Return the picture."""
    things = sorted(found.things.values(), key=lambda thing: (thing.noun != "agent", thing.noun))
    depths = sorted({thing.depth for thing in things})
    columns = [[thing for thing in things if thing.depth == depth] for depth in depths]
    agents = sum(thing.noun == "agent" for thing in things)
    height = max((len(column) for column in columns), default=1) * (HEIGHT + GAP_Y) + 2 * EDGE
    width = max(1, len(columns)) * (WIDTH + GAP_X) - GAP_X * 0.5 + 2 * EDGE
    places: dict[tuple[str, str], tuple[float, float]] = {}
    for number, column in enumerate(columns):
        top = (height - len(column) * (HEIGHT + GAP_Y) + GAP_Y) / 2
        for row, thing in enumerate(column):
            places[thing.noun, thing.name] = (EDGE + number * (WIDTH + GAP_X), top + row * (HEIGHT + GAP_Y))
    edges = [_edge(places[one], places[other], times, "") for (one, other), times in found.calls.items()]
    edges += [
        _edge(places[one], places[other], times, " handoff") for (one, other), times in found.handoffs.items()
    ]
    nodes = [_node(thing, *places[thing.noun, thing.name]) for thing in found.things.values()]
    said = f"{agents} agents and {len(things) - agents} tools, models and searches that they call"
    return Markup(  # noqa: S704 # everything in it is ours or escaped
        f'<svg class="graph" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img">'
        f'<title>{escape(said)}</title><defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" '
        'markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>'
        f"{''.join(edges)}{''.join(nodes)}</svg>"
    )


def _key(span: Mapping[str, Any]) -> tuple[str, str] | None:
    noun = "agent" if span["noun"] in {"agent", "workflow"} else span["noun"]
    if noun not in CALLED:
        return None
    named = {"agent": span["agent"], "tool": span["tool"], "llm": span["model"]}.get(noun, span["model"])
    return noun, named or span["given_name"] or span["name"]


def _node(thing: Thing, x: float, y: float) -> str:
    failed = f", {count(thing.errors)} failed" if thing.errors else ""
    cost = f", {money(thing.cost)}" if thing.cost else ""
    name = cut(thing.name, 200)
    shown = name if len(name) <= LABEL_CHARACTERS else name[: LABEL_CHARACTERS - 1] + "…"
    sub = f"{count(thing.calls)} \N{MULTIPLICATION SIGN} {thing.noun}{failed}{cost}"
    mark = " failed" if thing.errors else ""
    return (
        f'<g class="node n-{escape(thing.noun)}{mark}"><title>{escape(f"{name}: {sub}")}</title>'
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        f'<text x="{x + 10:.0f}" y="{y + 18:.0f}">{escape(shown)}</text>'
        f'<text class="sub" x="{x + 10:.0f}" y="{y + 33:.0f}">{escape(cut(sub, SUB_CHARACTERS))}</text></g>'
    )


def _edge(one: tuple[float, float], other: tuple[float, float], times: int, mark: str) -> str:
    if other[0] > one[0]:
        x1, y1, x2, y2 = one[0] + WIDTH, one[1] + HEIGHT / 2, other[0] - 1, other[1] + HEIGHT / 2
        bend = (x2 - x1) / 2
        path = f"M{x1:.0f} {y1:.0f}C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
        label_x = x1 + (x2 - x1) * 0.8
        label_y = y1 + (y2 - y1) * 0.9
    else:  # In the same column or back: out on the right and in again.
        x1, y1, x2, y2 = (
            one[0] + WIDTH,
            one[1] + HEIGHT / 2 + 8,
            other[0] + WIDTH + 1,
            other[1] + HEIGHT / 2 - 8,
        )
        out = max(x1, x2) + GAP_X * 0.45
        path = f"M{x1:.0f} {y1:.0f}C{out:.0f} {y1:.0f} {out:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
        label_x, label_y = out - 14, (y1 + y2) / 2 + 3
    place = f'x="{label_x:.0f}" y="{label_y - 3:.0f}"'
    text = f'<text class="count" {place} text-anchor="middle">{count(times)}</text>' if times > 1 else ""
    return f'<path class="edge{mark}" d="{path}" marker-end="url(#arrow)"/>{text}'

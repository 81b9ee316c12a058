"""The spans of a trace as rows, in the order of the tree; repetitions lie together under one row.

Nothing here recurses, and every step is one pass: a trace of 50,000 spans takes half a second.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from mlobs.server.pages.amounts import count, money
from mlobs.server.pages.rendering import cut
from mlobs.server.tree import Node, tree, walk

Row = Mapping[str, Any]
REPEATED_MIN = 4
TITLE_CHARACTERS = 200


@dataclass(slots=True)
class Line:
    """A row of the tree: a span, or several that are alike.

    Attributes:
        depth: From 0.
        title: The span's name.
        noun: What kind of call it is.
        service: Which program.
        start_ms: After the trace's first span began.
        took_ms: How long.
        facts: Tokens and cost, of the branch where the span has none itself.
        span_id: Of the span, or the first of those that are alike.
        count: How many are alike; 0 for a single span.
        failed: Whether it failed, or one of those below a row of several.
        first: Whether it is the first step that failed.
        orphan: Whether its parent is missing.
        parent: Whether there are rows below it.
        state: cancelled or abandoned.
    """

    depth: int
    title: str
    noun: str
    service: str
    start_ms: float
    took_ms: float
    facts: str
    span_id: str
    count: int = 0
    failed: bool = False
    first: bool = False
    orphan: bool = False
    parent: bool = False
    state: str = ""


@dataclass(slots=True)
class Folded:
    """A trace as it is shown.

    Attributes:
        lines: In order.
        nodes: The spans in the order of the tree, each with its depth.
        first_ns: When the first span began.
        last_ns: When the last one ended.
        cost: What a branch cost, by the identity of its node; nothing where that is not known.
        failing: The first step that failed.
    """

    lines: list[Line] = field(default_factory=list)
    nodes: list[tuple[int, Node]] = field(default_factory=list)
    first_ns: int = 0
    last_ns: int = 0
    cost: dict[int, float] = field(default_factory=dict)
    failing: Node | None = None


def fold(spans: Sequence[Row]) -> Folded:
    """Return the rows of a trace; `spans` are those of `queries/page_spans.sql`."""
    if not spans:
        return Folded()
    first_ns = min(span["start_ns"] for span in spans)
    last_ns = max(span["start_ns"] + span["duration_ns"] for span in spans)
    roots = tree(spans)  # In the order of their starts, as the question has them.
    nodes = list(walk(roots))
    found = Folded([], nodes, first_ns, last_ns, _costs(nodes), first_failing(nodes))
    found.lines = list(_lines(roots, found))
    return found


def title(span: Row) -> str:
    """Return a span's name, with the function's where the conventions leave it out."""
    return _title(span["name"], span["given_name"])


@lru_cache(maxsize=4096)  # A trace of 50,000 spans has a handful of names.
def _title(name: str, given: str) -> str:
    whole = f"{name} {given}" if given and given not in name else name
    return cut(whole, TITLE_CHARACTERS) or "(no name)"


def first_failing(nodes: Sequence[tuple[int, Node]]) -> Node | None:
    """Return the step that failed first: of those below which nothing failed, the earliest to end."""
    failed = [node for _, node in nodes if node.span["failed"]]
    steps = [node for node in failed if not any(child.span["failed"] for child in node.children)]
    return min(steps, key=lambda node: node.span["start_ns"] + node.span["duration_ns"], default=None)


def _costs(nodes: Sequence[tuple[int, Node]]) -> dict[int, float]:
    """Return what each branch cost, by the identity of its node."""
    found: dict[int, float] = {}
    for _, node in reversed(nodes):  # Children before their parents.
        whole = node.span["cost_usd"] or 0.0
        for child in node.children:
            whole += found.get(id(child), 0.0)
        if whole:
            found[id(node)] = whole
    return found


def _lines(roots: Sequence[Node], whole: Folded) -> Iterator[Line]:
    waiting: list[tuple[int, list[Node], bool]] = [(0, run, True) for run in reversed(_runs(roots))]
    while waiting:
        depth, run, folds = waiting.pop()
        if folds and len(run) >= REPEATED_MIN:
            yield _of_several(depth, run, whole)
            waiting.extend((depth + 1, [node], False) for node in reversed(run))
            continue
        if len(run) > 1:
            waiting.extend((depth, [node], False) for node in reversed(run))
            continue
        [node] = run
        yield _of_one(depth, node, whole)
        waiting.extend((depth + 1, below, True) for below in reversed(_runs(node.children)))


def _runs(nodes: Sequence[Node]) -> list[list[Node]]:
    """Return siblings, those that follow each other and are alike together."""
    runs: list[list[Node]] = []
    for node in nodes:
        span = node.span
        if runs:
            last = runs[-1][0].span
            if (
                last["name"] == span["name"]
                and last["given_name"] == span["given_name"]
                and last["noun"] == span["noun"]
            ):
                runs[-1].append(node)
                continue
        runs.append([node])
    return runs


def _of_one(depth: int, node: Node, whole: Folded) -> Line:
    span = node.span
    return Line(
        depth,
        title(span),
        span["noun"],
        span["service"],
        (span["start_ns"] - whole.first_ns) / 1e6,
        span["duration_ns"] / 1e6,
        _facts(node, whole),
        span["span_id"],
        failed=bool(span["failed"]),
        first=node is whole.failing,
        orphan=node.orphan,
        parent=bool(node.children),
        state=span["state"],
    )


def _of_several(depth: int, run: Sequence[Node], whole: Folded) -> Line:
    spans = [node.span for node in run]
    begin = min(span["start_ns"] for span in spans)
    end = max(span["start_ns"] + span["duration_ns"] for span in spans)
    cost = sum(whole.cost.get(id(node), 0.0) for node in run)
    return Line(
        depth,
        title(spans[0]),
        spans[0]["noun"],
        spans[0]["service"],
        (begin - whole.first_ns) / 1e6,
        (end - begin) / 1e6,
        f"Σ {money(cost)}" if cost else "",
        spans[0]["span_id"],
        count=len(run),
        failed=any(span["failed"] for span in spans),
        parent=True,
    )


def _facts(node: Node, whole: Folded) -> str:
    span = node.span
    parts = []
    tokens = [count(one) for one in (span["input_tokens"], span["output_tokens"]) if one is not None]
    if tokens:
        parts.append(" → ".join(tokens))
    if span["cost_usd"] is not None:
        parts.append(money(span["cost_usd"]))
    elif branch := whole.cost.get(id(node)):
        parts.append(f"Σ {money(branch)}")
    return "  ".join(parts)

"""What a run comes to, in a few sentences: agents and hand-offs, loops, retries, the first failing step."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlobs.server.canonical import OTHER
from mlobs.server.pages.amounts import duration, money, ratio
from mlobs.server.pages.rendering import cut
from mlobs.server.pages.trace.fold import Folded, title
from mlobs.server.tree import Node

LOOP_PERIOD_MAX, LOOP_TIMES_MIN = 4, 4
# What takes less of a run than this is not why it takes so long.
SLOW_SHARE_MIN = 0.2
LOOPS_MAX, RETRIES_MAX, BRANCHES_MAX, HANDOFFS_MAX = 4, 6, 3, 6
CALLED = ("llm", "tool", "agent", "retrieval")


@dataclass(frozen=True, slots=True)
class Point:
    """A sentence about a run.

    Attributes:
        text: What it says.
        mark: bad, warn or nothing.
        span_id: The span it is about; empty if it is about none.
    """

    text: str
    mark: str = ""
    span_id: str = ""


def digest(folded: Folded, handoffs: Sequence[Mapping[str, Any]]) -> list[Point]:
    """Return what is worth saying of a run, what went wrong first."""
    return [
        *_failing(folded),
        *_slowest(folded),
        *_retries(folded),
        *_loops(folded),
        *_handoffs(handoffs),
        *_branches(folded),
        *_endings(folded),
    ]


def _failing(folded: Folded) -> Iterator[Point]:
    node = folded.failing
    if node is None:
        return
    span = node.span
    failed = sum(bool(one.span["failed"]) for _, one in folded.nodes)
    why = ": ".join(text for text in (span["error_type"], span["message"]) if text not in {"", OTHER})
    others = f" ({failed} spans failed)" if failed > 1 else ""
    yield Point(
        f"First failing step: {title(span)}{f': {cut(why, 160)}' if why else ''}{others}",
        "bad",
        span["span_id"],
    )


def _slowest(folded: Folded) -> Iterator[Point]:
    """Say which step took most of the run by itself, without what it waited for below."""
    whole_ns = folded.last_ns - folded.first_ns
    if len(folded.nodes) < 2 or whole_ns <= 0:
        return
    steps = [(_own_ns(node), node) for _, node in folded.nodes]
    own_ns, node = max(steps, key=lambda one: one[0])
    how = " itself" if node.children else ""
    if own_ns / whole_ns < SLOW_SHARE_MIN:  # No single one; those of one name together may.
        together: Counter[str] = Counter()
        for each_ns, one in steps:
            together[title(one.span)] += each_ns
        [(name, own_ns)] = together.most_common(1)
        alike = [(each_ns, one) for each_ns, one in steps if title(one.span) == name]
        _, node = max(alike, key=lambda one: one[0])
        how = f" in {len(alike)} calls"
        if len(alike) < 2 or not SLOW_SHARE_MIN <= own_ns / whole_ns <= 1:  # More is of calls side by side.
            return
    took = f"{title(node.span)} took {duration(own_ns / 1e6)}{how}"
    yield Point(f"{took}, {ratio(own_ns / whole_ns)} of the run", "", node.span["span_id"])


def _own_ns(node: Node) -> int:
    """Return how long a span took while nothing below it ran."""
    start = reached = node.span["start_ns"]
    end = start + node.span["duration_ns"]
    busy = 0
    for child in sorted(node.children, key=lambda one: one.span["start_ns"]):
        begins = max(reached, child.span["start_ns"])
        ends = min(end, child.span["start_ns"] + child.span["duration_ns"])
        if ends > begins:
            busy += ends - begins
            reached = ends
    return int(end - start - busy)


def _retries(folded: Folded) -> Iterator[Point]:
    found = 0
    for siblings in _siblings(folded):
        place = 0
        while place < len(siblings) and found < RETRIES_MAX:
            run = _same(siblings, place)
            fails = sum(bool(node.span["failed"]) for node in run)
            if len(run) > 1 and run[0].span["failed"]:
                worked = not run[-1].span["failed"]
                times = "once" if fails == 1 else f"{fails} times"
                ending = "then worked" if worked else "and never worked"
                yield Point(
                    f"{title(run[0].span)} failed {times} in a row, {ending}",
                    "warn" if worked else "bad",
                    run[0].span["span_id"],
                )
                found += 1
            place += len(run)


def _loops(folded: Folded) -> Iterator[Point]:
    found = 0
    for siblings in _siblings(folded):
        calls = [node for node in siblings if node.span["noun"] in CALLED]
        if found >= LOOPS_MAX or len(calls) < 2 * LOOP_TIMES_MIN:
            continue
        best = max(_repeats(calls), default=None)
        if best is None:
            continue
        _, times, begin, period = best
        steps = "step" if period == 1 else f"{period} steps"
        names = " → ".join(title(node.span) for node in calls[begin : begin + period])
        yield Point(
            f"The same {steps} {times} times in a row: {cut(names, 160)}",
            "warn",
            calls[begin].span["span_id"],
        )
        found += 1


def _repeats(calls: Sequence[Node]) -> Iterator[tuple[int, int, int, int]]:
    """Yield how many calls repeat what came before, how often, from where, and after how many."""
    names = [(node.span["name"], node.span["given_name"]) for node in calls]
    for period in range(1, LOOP_PERIOD_MAX + 1):
        length = 0
        for place in range(period, len(names) + 1):
            if place < len(names) and names[place] == names[place - period]:
                length += 1
                continue
            times = length // period + 1
            if times >= LOOP_TIMES_MIN and not (period > 1 and len(set(names[place - length : place])) == 1):
                yield length - period, times, place - length - period, period
            length = 0


def _handoffs(handoffs: Sequence[Mapping[str, Any]]) -> Iterator[Point]:
    for (giver, taker), times in Counter((one["giver"], one["taker"]) for one in handoffs).most_common(
        HANDOFFS_MAX
    ):
        reason = next(one["reason"] for one in handoffs if (one["giver"], one["taker"]) == (giver, taker))
        again = f", {times} times" if times > 1 else ""
        why = f": {cut(reason, 120)}" if reason else ""
        span_id = next(one["span_id"] for one in handoffs if one["taker"] == taker)
        yield Point(f"{cut(giver, 60)} hands over to {cut(taker, 60)}{again}{why}", "", span_id)


def _branches(folded: Folded) -> Iterator[Point]:
    """Say which branches below the root cost most, where there are several."""
    whole = sum(folded.cost.get(id(node), 0.0) for depth, node in folded.nodes if depth == 0)
    agents = [
        (folded.cost[id(node)], node)
        for depth, node in folded.nodes
        if depth and node.children and node.span["noun"] in {"agent", "workflow"} and id(node) in folded.cost
    ]
    if len(agents) < 2:
        return
    for cost, node in sorted(agents, key=lambda one: -one[0])[:BRANCHES_MAX]:
        share = f", {ratio(cost / whole)} of the run" if whole else ""
        took = duration(node.span["duration_ns"] / 1e6)
        yield Point(f"{title(node.span)} cost {money(cost)}{share}, {took}", "", node.span["span_id"])


def _endings(folded: Folded) -> Iterator[Point]:
    for state, times in Counter(node.span["state"] for _, node in folded.nodes if node.span["state"]).items():
        yield Point(f"{times} {'call was' if times == 1 else 'calls were'} {cut(state, 30)}", "warn")
    orphans = sum(node.orphan for _, node in folded.nodes)
    if orphans:
        yield Point(
            f"{orphans} {'span has' if orphans == 1 else 'spans have'} a parent that did not arrive", "warn"
        )


def _siblings(folded: Folded) -> Iterator[list[Node]]:
    yield [node for depth, node in folded.nodes if depth == 0]
    for _, node in folded.nodes:
        if len(node.children) > 1:
            yield node.children


def _same(siblings: Sequence[Node], place: int) -> list[Node]:
    first = siblings[place].span
    end = place + 1
    while end < len(siblings) and siblings[end].span["name"] == first["name"]:
        end += 1
    return list(siblings[place:end])

"""The language of `run.expect`: what a tree of calls should look like.

    agent:support                          a call of that noun and name; * stands for any characters
    tool:refund!                           it failed; ^ it was abandoned, % it was cancelled
    llm:answer~                            it was a stream
    tool:lookup x3                         three such calls in a row
    agent:support > tool:refund            one of its children is that call
    agent:support >> tool:refund           one of the calls below it is
    agent:support > [retrieval, tool, llm] its children are exactly these, in this order
    agent:support > [tool:refund!, ...]    ... stands for any further ones
    agent:support > {tool:a, tool:b}       its children are exactly these, in any order

A call without !, ^ or % is expected to have gone well.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from mlobs.errors import SettingError

STATES = {"!": "error", "^": "abandoned", "%": "cancelled"}
DEPTH_MAX = 50
_NODE = re.compile(r"([A-Za-z*?]+)(?::([^\s>\[\]{},!~^%]+))?([!~^%]*)(?:\s+x(\d{1,6})\b)?")
_SPACE = re.compile(r"\s*")


class Seen(Protocol):
    """A call that was recorded."""

    @property
    def noun(self) -> str:
        """Return such as tool."""

    @property
    def name(self) -> str:
        """Return the function's name."""

    @property
    def state(self) -> str:
        """Return ok, error, cancelled or abandoned."""

    @property
    def streamed(self) -> bool:
        """Return whether it was a stream."""

    @property
    def children(self) -> "Sequence[Seen]":
        """Return the calls it made, in the order they began."""


@dataclass(frozen=True, slots=True)
class Node:
    """One call, and what is below it.

    Args:
        noun: With wildcards.
        name: With wildcards.
        state: ok, error, cancelled or abandoned.
        streamed: Whether it has to be a stream.
        count: How many in a row.
        deep: Whether `below` is about everything below it, and not its children alone.
        below: What is expected there, or None.
        text: As it was written.
    """

    noun: str
    name: str
    state: str
    streamed: bool
    count: int
    deep: bool
    below: "Group | None"
    text: str


@dataclass(frozen=True, slots=True)
class Group:
    """Several calls beside each other. None among them stands for any further ones."""

    nodes: tuple[Node | None, ...]
    ordered: bool


def parse(text: str) -> Group:
    """Read a pattern.

    Raises:
        SettingError: It is none; the sentence says where and what was expected.
    """
    reader = _Reader(text)
    group = reader.group_or_node(0)
    reader.skip()
    if reader.at < len(text):
        raise reader.wrong("the end")
    return group


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip(self) -> None:
        match = _SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def wrong(self, wanted: str) -> SettingError:
        came = repr(self.text[self.at : self.at + 12]) if self.at < len(self.text) else "the end"
        return SettingError(
            f"expect({self.text!r}): at character {self.at + 1}, {wanted} was expected, not {came}."
        )

    def take(self, mark: str) -> bool:
        self.skip()
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        return True

    def group_or_node(self, depth: int) -> Group:
        """Read [..], {..} or one node, which stands for itself among any others."""
        if depth > DEPTH_MAX:
            raise SettingError(f"expect(...): more than {DEPTH_MAX} levels.")
        for opening, closing, ordered in (("[", "]", True), ("{", "}", False)):
            if self.take(opening):
                return self._group(closing, depth, ordered=ordered)
        return Group((None, self.node(depth), None), ordered=True)

    def _group(self, closing: str, depth: int, *, ordered: bool) -> Group:
        nodes: list[Node | None] = []
        if self.take(closing):
            return Group((), ordered)
        while True:
            nodes.append(None if self.take("...") else self.node(depth))
            if self.take(closing):
                return Group(tuple(nodes), ordered)
            if not self.take(","):
                raise self.wrong(f"',' or {closing!r}")

    def node(self, depth: int) -> Node:
        self.skip()
        match = _NODE.match(self.text, self.at)
        if match is None:
            raise self.wrong("a call such as tool:refund")
        self.at = match.end()
        noun, name, marks, count = match.groups()
        states = {STATES[mark] for mark in marks if mark in STATES}
        if len(states) > 1:
            raise SettingError(f"expect({self.text!r}): {match.group()!r} cannot end in two ways.")
        deep = self.take(">>")
        below = self.group_or_node(depth + 1) if deep or self.take(">") else None
        return Node(
            noun, name or "*", states.pop() if states else "ok", "~" in marks, int(count or 1), deep, below,
            match.group(),
        )  # fmt: skip


def difference(group: Group, calls: Sequence[Seen], where: str = "the roots") -> str | None:
    """Return how `calls` differ from what is expected, or None if they do not."""
    nodes = [one for node in group.nodes for one in ([node] if node is None else [node] * node.count)]
    if not group.ordered:
        return _in_any_order(nodes, calls, where)
    found = _in_order(nodes, calls)
    if found:
        return None
    return _first_difference(nodes, calls, where)


def _in_order(nodes: Sequence[Node | None], calls: Sequence[Seen]) -> bool:
    """Match like a glob, whose * is None: the last one that matched is given one more call, and so on."""
    reach = {0}  # how many nodes can be used up by the calls so far
    reach = _past(nodes, reach)
    for call in calls:
        after: set[int] = set()
        for at in reach:
            if at < len(nodes) and nodes[at] is None:
                after.add(at)
            elif at < len(nodes) and _wrong(nodes[at], call) is None:
                after.add(at + 1)
        reach = _past(nodes, after)
    return len(nodes) in reach


def _past(nodes: Sequence[Node | None], reach: set[int]) -> set[int]:
    found = set(reach)
    for at in range(len(nodes)):
        if at in found and nodes[at] is None:
            found.add(at + 1)
    return found


def _in_any_order(nodes: Sequence[Node | None], calls: Sequence[Seen], where: str) -> str | None:
    left = list(calls)
    for node in nodes:
        if node is None:
            continue
        match = next((call for call in left if _wrong(node, call) is None), None)
        if match is None:
            return f"among {where}, nothing is {node.text}{_because(node, left)}"
        left.remove(match)
    if left and None not in nodes:
        return f"{_told(left[0])} is among {where} and was not expected"
    return None


def _first_difference(nodes: Sequence[Node | None], calls: Sequence[Seen], where: str) -> str:
    wanted = [node for node in nodes if node is not None]
    for index, node in enumerate(wanted):
        if all(_wrong(node, call) is not None for call in calls):
            return f"among {where}, nothing is {node.text}{_because(node, calls)}"
        if None not in nodes and (index >= len(calls) or _wrong(node, calls[index]) is not None):
            came = _told(calls[index]) if index < len(calls) else "nothing"
            return f"{where}: {came} where {node.text} was expected"
    if None not in nodes and len(calls) > len(wanted):
        return f"{_told(calls[len(wanted)])} is among {where} and was not expected"
    return f"{where} do not come in that order, or not as often"


def _wrong(node: Node | None, call: Seen) -> str | None:
    """Return why a call is not what is expected, or None if it is."""
    assert node is not None
    if not (fnmatchcase(call.noun, node.noun) and fnmatchcase(call.name, node.name)):
        return "another call"
    if call.state != node.state:
        return f"it ended as {call.state}, not {node.state}"
    if node.streamed and not call.streamed:
        return "it was no stream"
    if node.below is None:
        return None
    below = list(_all_below(call)) if node.deep else call.children
    return difference(
        node.below, below, f"{'the calls below' if node.deep else 'the children of'} {_told(call)}"
    )


def _because(node: Node, calls: Sequence[Seen]) -> str:
    reasons = [reason for call in calls if (reason := _wrong(node, call)) not in {None, "another call"}]
    return f" ({reasons[0]})" if reasons else ""


def _all_below(call: Seen) -> "list[Seen]":
    found: list[Seen] = []
    waiting = list(reversed(call.children))
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting.extend(reversed(one.children))
    return found


def _told(call: Seen) -> str:
    return f"{call.noun}:{call.name}"

"""Asks for sessions and users: first which traces are theirs, then what these come to."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlobs.server.ask.compiling import Condition
from mlobs.server.ask.listing import NEAR_NS
from mlobs.server.ask.ranges import NS, Range, around
from mlobs.server.engine import Value
from mlobs.server.pages.sessions import statements, view
from mlobs.server.store import Store
from mlobs.server.turns import whole

TRACES_MAX = 20_000
TRACES_BEGUN = 3  # Of each, that are looked at for how it begins.
MARGIN_NS = 300 * NS
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """Traces, and whose they are.

    Attributes:
        by: By what they were found: session or user.
        traces: Rows of `statements.traces` or `statements.SESSIONS`.
        within: A range that has all of their spans that the page's has.
        known: Whether `turns` has all spans: those that a cluster had before were not added up.
    """

    by: str
    traces: Sequence[Row]
    within: Range
    known: bool

    def params(self) -> dict[str, Value]:
        """Return the parameters of the statements over pairs."""
        within = {**self.within.params(), **whole(self.within, known=self.known)}
        names = dict.fromkeys(str(row["trace_id"]) for row in self.traces)
        return {**within, "pairs": view.pairs(self.traces), "trace_ids": view.ids(list(names))}


def traces(store: Store, by: str, names: Sequence[str], within: Range) -> Found:
    """Return the newest traces of some sessions or users.

    Args:
        store: To ask.
        by: session or user.
        names: Of them.
        within: The range.
    """
    known = not store.sharded
    if not names:
        return Found(by, (), within, known)
    params: dict[str, Value] = {
        **within.params(),
        **whole(within, known=known),
        "ids": view.ids(names),
        "limit": TRACES_MAX,
    }
    rows = store.query(statements.traces(by), params)
    return Found(by, rows, _near(rows, within), known)


def first(store: Store, by: str, where: Condition, within: Range, order: str, limit: int) -> tuple[str, ...]:
    """Return the names of the sessions or users that come first.

    Args:
        store: To ask.
        by: session or user.
        where: For a span of a trace of theirs.
        within: The range.
        order: A key of `statements.ORDERS`.
        limit: How many.
    """
    params = {**where.params, **within.params(), **whole(within, known=not store.sharded), "limit": limit}
    return tuple(row["id"] for row in store.query(statements.first(by, where, order), params))


def sessions_of(store: Store, found: Found) -> Found:
    """Return the same traces by their sessions; those without one are left out."""
    if not found.traces:
        return found
    rows = store.query(statements.SESSIONS, found.params())
    return Found("session", rows, found.within, found.known)


def listed(store: Store, found: Found, *, begun: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return a row for each session or user with such traces.

    Args:
        store: To ask.
        found: The traces.
        begun: The ids of those of which it is read how they begin.
    """
    if not found.traces:
        return []
    params = found.params()
    earliest = _earliest(found, begun)
    beginnings = store.query(statements.BEGINNINGS, {**earliest.params(), **view.KEYS}) if begun else []
    scores = store.query(statements.scores(found.by), params)
    return view.listed(store.query(statements.SUMS, params), scores, beginnings)


def newest(found: Found) -> list[str]:
    """Return the ids that traces were found by, those with the newest trace first."""
    return list(dict.fromkeys(str(row["id"]) for row in found.traces))


def _earliest(found: Found, begun: Collection[str]) -> Found:
    """Return the first traces of some ids, and when their texts came: little content is to be read."""
    wanted, rows = set(begun), []
    counted: Counter[str] = Counter()
    for row in sorted(found.traces, key=lambda row: row["first_ns"]):
        if row["id"] in wanted and counted[row["id"]] < TRACES_BEGUN:
            counted[row["id"]] += 1
            rows.append(row)
    if not rows:
        return found
    since_ns = min(row["first_ns"] for row in rows) - MARGIN_NS
    until_ns = max(row["last_ns"] for row in rows) + MARGIN_NS
    within = found.within
    kept = Range(max(within.since_ns, since_ns), min(within.until_ns, until_ns), within.now_ns)
    return Found(found.by, rows, kept, found.known)


def _near(rows: Sequence[Row], within: Range) -> Range:
    if not rows:
        return within
    near = around(min(row["first_ns"] for row in rows), max(row["last_ns"] for row in rows), by_ns=NEAR_NS)
    since_ns, until_ns = int(near["wide_since_ns"]), int(near["wide_until_ns"])
    return Range(max(within.since_ns, since_ns), min(within.until_ns, until_ns), within.now_ns)

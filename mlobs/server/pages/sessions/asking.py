"""Asks for sessions and users: first which traces are theirs, then what these come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlobs.server.ask.listing import NEAR_NS
from mlobs.server.ask.ranges import NS, NS_MAX, Range, around
from mlobs.server.engine import Value
from mlobs.server.pages.sessions import statements, view
from mlobs.server.store import Store

TRACES_MAX = 20_000
MARGIN_NS = 300 * NS
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """Traces, and whose they are.

    Attributes:
        traces: Rows of `statements.traces` or `statements.SESSIONS`.
        within: A range that has all of their spans that the page's has.
    """

    traces: Sequence[Row]
    within: Range

    def params(self) -> dict[str, Value]:
        """Return the parameters of the statements over pairs."""
        return {**self.within.params(), "pairs": view.pairs(self.traces)}


def traces(store: Store, by: str, names: Sequence[str], within: Range) -> Found:
    """Return the newest traces of some sessions or users.

    Args:
        store: To ask.
        by: session or user.
        names: Of them.
        within: The range.
    """
    if not names:
        return Found((), within)
    params: dict[str, Value] = {**within.params(), "ids": view.ids(names), "limit": TRACES_MAX}
    rows = store.query(statements.traces(by), params)
    return Found(rows, _near(rows, within))


def sessions_of(store: Store, found: Found) -> Found:
    """Return the same traces by their sessions; those without one are left out."""
    if not found.traces:
        return found
    return Found(store.query(statements.SESSIONS, found.params()), found.within)


def listed(store: Store, found: Found, *, beginnings: bool) -> list[dict[str, Any]]:
    """Return a row for each session or user with such traces.

    Args:
        store: To ask.
        found: The traces.
        beginnings: Whether to read how each begins.
    """
    if not found.traces:
        return []
    params = found.params()
    begun = store.query(statements.BEGINNINGS, {**params, **view.KEYS, **_when(found)}) if beginnings else []
    return view.listed(store.query(statements.SUMS, params), store.query(statements.SCORES, params), begun)


def _when(found: Found) -> dict[str, Value]:
    """Return when the texts came that the traces begin with: little content is to be read."""
    return {
        "since_ns": max(0, min(row["first_ns"] for row in found.traces) - MARGIN_NS),
        "until_ns": min(NS_MAX, max(row["last_ns"] for row in found.traces) + MARGIN_NS),
    }


def _near(rows: Sequence[Row], within: Range) -> Range:
    if not rows:
        return within
    near = around(min(row["first_ns"] for row in rows), max(row["last_ns"] for row in rows), by_ns=NEAR_NS)
    since_ns, until_ns = int(near["wide_since_ns"]), int(near["wide_until_ns"])
    return Range(max(within.since_ns, since_ns), min(within.until_ns, until_ns), within.now_ns)

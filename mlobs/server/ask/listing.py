"""Lists of traces and sessions: which ones, in what order, a page at a time.

A page is found in two steps: the ids, by their best-ranked spans (`statements.found`), then a row for each.
The list of the newest looks at the last minutes first and at more only when the page is not full.
"""

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlobs.server import turns
from mlobs.server.ask import statements
from mlobs.server.ask.compiling import EVERYTHING, Condition, Value, in_trace
from mlobs.server.ask.cursors import Cursor, written
from mlobs.server.ask.ranges import NS, NS_MAX, Range, around

Row = dict[str, Any]
Ask = Callable[[str, Mapping[str, Value]], list[Row]]
SPANS_FIRST, SPANS_EACH, SPANS_MORE, SPANS_MAX = 2_000, 40, 16, 50_000_000
WINDOW_NS_FIRST, WINDOW_MORE, WINDOW_WORTH = 300 * NS, 16, 4
NEAR_NS = 6 * 3600 * NS


@dataclass(frozen=True, slots=True)
class Found:
    """One page.

    Attributes:
        ids: In order.
        since_ns: When the first of the spans that found them began.
        until_ns: When the last of them began.
        cursor: Where the next page begins; empty on the last.
    """

    ids: tuple[str, ...]
    since_ns: int = 0
    until_ns: int = 0
    cursor: str = ""


def page(
    ask: Ask,
    ident: str,
    sort: str,
    where: Condition,
    within: Range,
    limit: int,
    after: Cursor | None = None,
    *,
    known: bool = False,
) -> Found:
    """Return one page of a list.

    Args:
        ask: Runs a statement.
        ident: The expression of the ids.
        sort: newest, slowest or dearest.
        where: For the spans that find an id.
        within: The range; of a page after the first, the one that its cursor has.
        limit: Ids on the page.
        after: The last row of the page before.
        known: Whether `turns` has all spans, and so says which traces without a filter are best.
    """
    params: dict[str, Value] = {**where.params, **within.params(), "limit": limit + 1}
    if known and ident == statements.TRACE and where.any_of == EVERYTHING and sort in turns.RANKS:
        statement = turns.best(sort, after=after is not None)
        params |= turns.whole(within, known=True)
    else:
        if sort == "dearest" and ident == statements.TRACE and where.any_of != EVERYTHING:
            where = in_trace(where)  # What a trace cost is told by calls, whatever spans were asked for.
        statement = statements.found(ident, sort, where, after=after is not None)
    scan_until_ns = within.until_ns
    if after is not None:
        params |= {"rank": _bits(after.rank) if sort == "dearest" else after.rank, "id": after.id}
        if sort == "newest":
            scan_until_ns = min(scan_until_ns, int(after.rank))
    rows: list[Row] = []
    beginnings = [within.since_ns]
    if sort == "newest":
        # Where there is something: after a quiet night the last minutes hold nothing.
        newest = ask(statements.NEWEST, {"until_ns": min(scan_until_ns, within.now_ns)})
        beginnings = _beginnings(within, newest[0]["newest_ns"] if newest else scan_until_ns)
    for since_ns in beginnings:
        scan = {"scan_since_ns": since_ns, "scan_until_ns": scan_until_ns, **around(since_ns, scan_until_ns)}
        rows = _enough(ask, statement, params | scan, limit)
        if len(rows) > limit:
            break
    shown = rows[:limit]
    following = ""
    if len(rows) > limit:
        last = shown[-1]
        following = written(Cursor(sort, within, last["best"], last["id"]))
    return Found(
        tuple(row["id"] for row in shown),
        min((row["first_ns"] for row in shown), default=0),
        max((row["last_ns"] for row in shown), default=0),
        following,
    )


def traces(listed: Callable[[Mapping[str, Value]], list[Row]], found: Found) -> list[Row]:
    """Return the row of each trace on a page, in the page's order; `listed` runs queries/trace_list.sql.

    Of each trace the spans within NEAR_NS of the page's are counted: all of them, unless it runs for longer.
    """
    if not found.ids:
        return []
    near: dict[str, Value] = {
        "since_ns": max(0, found.since_ns - NEAR_NS),
        "until_ns": min(NS_MAX, found.until_ns + NEAR_NS),
    }
    rows = listed({"ids": json.dumps(found.ids), "operations": ",".join(statements.CALLS), **near})
    return _ordered(rows, "trace_id", found.ids)


def sessions(ask: Ask, found: Found, within: Range) -> list[Row]:
    """Return the row of each session on a page, in the page's order."""
    if not found.ids:
        return []
    rows = ask(statements.SESSION_ROWS, {"ids": json.dumps(found.ids), **within.params()})
    return _ordered(rows, "session_id", found.ids)


def _beginnings(within: Range, end_ns: int) -> list[int]:
    """Return where to begin to look: closer to the end first, the whole range last."""
    found = []
    length_ns = WINDOW_NS_FIRST
    # What is nearly all of it is not worth looking at twice.
    while length_ns * WINDOW_WORTH < end_ns - within.since_ns:
        found.append(end_ns - length_ns)
        length_ns *= WINDOW_MORE
    return [*found, within.since_ns]


def _bits(number: float) -> int:
    """Return the number of 64 bits that stands for a float."""
    return int.from_bytes(struct.pack("<d", number), "little")


def _enough(ask: Ask, statement: str, params: dict[str, Value], limit: int) -> list[Row]:
    """Ask with more and more spans, until a page is full or there are no more."""
    spans_max = max(SPANS_FIRST, limit * SPANS_EACH)
    while True:
        rows = ask(statement, params | {"spans_max": spans_max})
        if len(rows) > limit or not rows or rows[0]["seen"] < spans_max or spans_max >= SPANS_MAX:
            return rows
        spans_max *= SPANS_MORE


def _ordered(rows: Sequence[Row], name: str, ids: Sequence[str]) -> list[Row]:
    by_id = {row[name]: row for row in rows}
    return [by_id[one] for one in ids if one in by_id]

"""What the ledger is told as, in words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlobs.server.ledger.account import (
    FILTERED,
    LOST,
    MISSING,
    MORE,
    MOVING,
    NOTE,
    RESTART,
    UNKNOWN,
    Account,
    Finding,
    Line,
)

MARKS = {
    MISSING: "MISSING", LOST: "lost   ", RESTART: "restart", UNKNOWN: "unknown", MORE: "surplus",
    MOVING: "moving ", FILTERED: "filter ", NOTE: "note   ",
}  # fmt: skip
ORDER = tuple(MARKS)
# Counts move in leaps: a collector sends, and counts, by batches.
LEAP_S = 1.0


@dataclass(frozen=True, slots=True)
class Span:
    """What time the counts are of.

    Args:
        words: As it is told.
        seconds: How long it was, where two readings are compared; else None.
        reading_s: How long the reading took, during which the counts went on.
        read_s: When it was, in seconds since 1970; 0 where somebody else has read.
    """

    words: str
    seconds: float | None = None
    reading_s: float = 0
    read_s: float = 0


def settled(found: Account, of: Span) -> tuple[Account, float]:
    """Return the ledger without surpluses that reading alone explains, and how many records those were.

    The hops are read one after the other, those behind last, so that nothing seems to be missing that was
    on its way. What came to them meanwhile is more than the hop before had counted.
    """
    kept: list[Finding] = []
    moved = 0.0
    for one in found.findings:
        above = one.where.partition(" -> ")[0]
        upper = next((line for line in found.lines if (line.hop, line.signal) == (above, one.signal)), None)
        if one.kind == MORE and upper is not None and one.count <= _meanwhile(upper, of):
            moved += one.count
        else:
            kept.append(one)
    return Account(found.lines, tuple(kept)), moved


def _meanwhile(upper: Line, of: Span) -> float:
    """Return how many records a hop has sent while the counts were read, at the rate of all it counted."""
    began = upper.began_s
    seconds = of.seconds or (of.read_s - began if of.read_s and began is not None else 0)
    return upper.sent / seconds * (of.reading_s + LEAP_S) if seconds > 0 else 0


def sentences(found: Account, of: Span, moved: float = 0) -> list[str]:
    """Return the findings and what they come to, a line each, the worst first."""
    told = [f"{MARKS[one.kind]} {one.says}" for one in ordered(found.findings)]
    if moved:
        told.append(
            f"note    Data went on while the counts were read ({of.reading_s:.1f} s), so the hops behind "
            f"counted up to {moved:,.0f} more than those before: probably on their way, not made twice."
        )
    if of.seconds and any(line.sent > line.came + line.own > 0 for line in found.lines):
        told.append("note    A hop that sent more than came to it had some waiting from before.")
    if not found.lines and of.seconds:
        last = f"Nothing came in these {of.seconds:g} s; without --for it tells of all since each hop began."
        return [*told, last]
    if not found.lines:
        return [*told, "Nobody has counted anything: no program, collector or server has had data yet."]
    if found.missing:
        last = (
            f"{found.missing:,.0f} records are missing that no counter explains ({of.words}). Look at the "
            f"log of the hop that is named above, and whether it was ended without notice."
        )
        return [*told, last]
    counts = {kind: sum(one.count for one in found.findings if one.kind == kind) for kind in ORDER}
    unsettled = [
        f"{f'{counts[kind]:,.0f}' if counts[kind] else 'some traces'} {words}"
        for kind, words in (
            (UNKNOWN, "cannot be told"),
            (RESTART, "went with the counts of a restart"),
            (MOVING, "had not come on when last read"),
        )
        # What nobody says at all has no count either, but is no trace of this time.
        if counts[kind] or (kind == RESTART and any(one.kind == RESTART for one in found.findings))
    ]
    if unsettled:
        last = f"No counter shows anything missing ({of.words}); {', '.join(unsettled)}, see above."
        if found.lost:
            last += f" {_lost(counts[LOST])} lost as told above."
        return [*told, last]
    rest = f"({of.words}): all that came to a hop was sent on or stored, left out by sampling"
    if found.lost:
        last = f"{_lost(counts[LOST])} lost, see above. Nothing else is missing {rest}, or waits."
    else:
        last = f"Nothing is missing {rest}, or waits there."
    return [*told, last]


def _lost(records: float) -> str:
    """Return how much is gone; of traces that were dropped whole nobody counts the spans."""
    return f"{records:,.0f} records were" if records else "Whole traces were"


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings, the worst first."""
    return sorted(findings, key=lambda one: ORDER.index(one.kind))

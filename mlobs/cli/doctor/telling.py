"""What the ledger is told as, in words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlobs.server.ledger.account import LOST, MISSING, MORE, RESTART, UNKNOWN, Account, Finding

MARKS = {
    MISSING: "MISSING", LOST: "lost   ", RESTART: "restart", UNKNOWN: "unknown", MORE: "surplus"
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
    began = [line.newest_s for line in found.lines if line.newest_s is not None]
    seconds = of.seconds or (of.read_s - max(began) if of.read_s and began else 0)
    if seconds <= 0:
        return found, 0
    kept: list[Finding] = []
    moved = 0.0
    for one in found.findings:
        above = one.where.partition(" -> ")[0]
        sent = sum(line.sent for line in found.lines if (line.hop, line.signal) == (above, one.signal))
        if one.kind == MORE and one.count <= sent / seconds * (of.reading_s + LEAP_S):
            moved += one.count
        else:
            kept.append(one)
    return Account(found.lines, tuple(kept)), moved


def sentences(found: Account, of: Span, moved: float = 0) -> list[str]:
    """Return the findings and what they come to, a line each, the worst first."""
    told = [f"{MARKS[one.kind]} {one.says}" for one in ordered(found.findings)]
    if moved:
        told.append(
            f"note    Data went on while the counts were read ({of.reading_s:.1f} s), so the hops behind "
            f"counted up to {moved:,.0f} more than those before: on their way, not made twice."
        )
    if of.seconds and any(line.sent > line.came + line.own > 0 for line in found.lines):
        told.append("note    A hop that sent more than came to it had some waiting from before.")
    if not found.lines:
        return [*told, "Nobody has counted anything: no program, collector or server has had data yet."]
    if found.missing:
        last = (
            f"{found.missing:,.0f} records are missing that no counter explains ({of.words}). Look at the "
            f"log of the hop that is named above, and whether it was ended without notice."
        )
        return [*told, last]
    lost = sum(one.count for one in found.findings if one.kind in (LOST, RESTART))
    dropped = f", was dropped as told above ({lost:,.0f})" if lost else ""
    last = (
        f"Nothing is missing ({of.words}): all that came to a hop was sent on or stored, left out by "
        f"sampling{dropped}, or waits there."
    )
    return [*told, last]


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings, the worst first."""
    return sorted(findings, key=lambda one: ORDER.index(one.kind))

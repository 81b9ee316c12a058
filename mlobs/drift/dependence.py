"""How much neighbouring rows depend on each other: the design effect.

The rows that are counted form blocks of `BLOCK_ROWS` neighbours. Independent rows give counts whose
chi-square over its degrees of freedom is 1 on average; rows that come in bursts give more, and that is
the factor by which a detector must divide its evidence.

Without times the blocks are compared with all rows. With times they are taken in the order of time
within a batch, and each is compared with the next one: a daily wave or a slow trend moves both alike and
so does not count as bursts. Hours and days have answers of their own, the slots and the learned floor.
Blocks do not end at midnight, because those of a monitor do not either. All this needs data which is
about in the order of time; of data that was shuffled a batch holds too few rows of any moment, and
nothing is measured (`Spans`) but what the hours show (`sequential.hours`). Without times nobody can tell
shuffled rows from independent ones: their design effect is 1. Which half of the rows is counted follows
from their numbers, so another order of the same file gives another sample, and the effect of some
dozens of blocks another figure; where waves make most of it, it may be twice the other. What the waves
themselves ask of a detector is measured by `sequential.swings`.
"""

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.columns import Codes, Doubles

BLOCK_ROWS = 500
BLOCKS_MIN = 10
EXPECTED_MIN = 5  # rows of a block; the chi-square of rarer bins is too noisy
COVERED_MAX = 3.0

Counts = NDArray[np.int64]


class Blocks:
    """Counts by block, of which only the sum of squares is kept.

    Args:
        width: How many bins there are.
        by_time: Compare each block with the next one.
        share: Of the rows that are counted, which of them is left to chance.
    """

    def __init__(self, width: int, *, by_time: bool, share: float) -> None:
        self.by_time = by_time
        self.share = share
        self.open: Counts = np.zeros(width, np.int64)
        self.last: Counts | None = None
        self.squares = np.zeros(width, np.float64)
        self.terms = 0

    def add(self, places: Codes, blocks: Codes) -> None:
        """Count rows whose blocks are given, ascending; 0 is the block that is open."""
        width = len(self.open)
        number = int(blocks[-1]) + 1
        flat = np.bincount(blocks * width + places, minlength=number * width)
        counts = flat.reshape(number, width)
        counts[0] += self.open
        whole, self.open = counts[:-1], counts[-1]
        if self.by_time:
            if self.last is not None:
                whole = np.concatenate([self.last[None], whole])
            if len(whole):
                self.last = whole[-1]
            whole = np.diff(whole, axis=0)
        self.squares += (whole.astype(np.float64) ** 2).sum(axis=0)
        self.terms += len(whole)

    def merge(self, other: "Blocks") -> None:
        """Add the whole blocks of other rows."""
        self.squares += other.squares
        self.terms += other.terms

    def design_effect(self, totals: Counts) -> float | None:
        """Return the mean chi-square of blocks over its degrees of freedom, or None for few blocks.

        Where every second row was left out, the rows of a block have half as much in common; that is
        undone. Only bins that a block expects some rows in take part. Less than two standard errors
        above 1 count as 1.

        Args:
            totals: All counted rows by bin.

        Source: Rao and Scott, J. Am. Stat. Assoc. 76 (1981) 221, for the use of the factor; von Neumann,
        Ann. Math. Stat. 12 (1941) 367, for differences of neighbours, whose variance is 3/2 as large.
        """
        if self.terms < BLOCKS_MIN:
            return None
        p = totals / max(int(totals.sum()), 1)
        used = p * BLOCK_ROWS >= EXPECTED_MIN
        freedom = float((1 - p[used]).sum())
        if used.sum() < 2:
            return 1.0
        scaled = float((self.squares[used] / (self.terms * BLOCK_ROWS * p[used])).sum())
        chi_square = scaled / 2 if self.by_time else scaled - BLOCK_ROWS * float(p[used].sum())
        excess = chi_square / freedom - 1
        noise = float(np.sqrt((3 if self.by_time else 2) / (freedom * self.terms)))
        return round(1 + excess / self.share, 2) if excess > 2 * noise else 1.0


class Spans:
    """How often the batches cover each moment of the data's time."""

    def __init__(self) -> None:
        self.first, self.last, self.sum, self.batches = np.inf, -np.inf, 0.0, 0

    def add(self, seconds: Doubles) -> None:
        """Take the times of a batch into account."""
        known = seconds[np.isfinite(seconds)]
        if len(known):
            first, last = float(known.min()), float(known.max())
            self.first, self.last = min(self.first, first), max(self.last, last)
            self.sum += last - first
            self.batches += 1

    def merge(self, other: "Spans") -> None:
        """Take the batches of another one into account."""
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.sum += other.sum
        self.batches += other.batches

    @property
    def shuffled(self) -> bool:
        """Return whether a moment is covered by more than three batches, on average."""
        return self.batches > COVERED_MAX and self.sum > COVERED_MAX * (self.last - self.first)

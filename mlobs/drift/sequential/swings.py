"""Measures, while a reference is counted, how much its blocks swing at several block lengths.

Counts of neighbouring rows are added up to ever longer blocks, each four of the next shorter ones. What
comes out are the `effects` of a `Reference`; `dispersion` says what they are good for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.sequential.dispersion import TIMES, wave

Doubles = NDArray[np.float64]
Places = NDArray[np.intp]

BASE_ROWS = 30
BLOCKS_MIN = 20
SORTED = 0.8  # the amplitude, as a total variation, of blocks of a twentieth of all rows
EXPECTED_MIN = 1.0  # rows of a bin in a block
ERRORS = 3.5  # standard errors, as many lengths of many features are looked at


@dataclass
class _Level:
    """Sums over the blocks of one length."""

    open: Doubles  # (blocks, bins): shorter blocks that do not yet make one of the next length
    sums: Doubles  # (bins,)
    products: Doubles  # (bins, bins)
    blocks: int = 0
    distance: float = 0.0  # sum of squared total variations from the mean of all so far


class Swings:
    """Adds up the counts of neighbouring rows.

    Args:
        bins: How many there are.
        share: Of the stream's rows, those that are added; chosen without looking at the values. What goes
            beyond independence is taken to all rows.
    """

    def __init__(self, bins: int, *, share: float = 1.0) -> None:
        self.share = share
        self.totals = np.zeros(bins)
        self.open = np.empty(0, np.intp)
        self.levels: list[_Level] = []

    def add(self, places: Places) -> None:
        """Take in the bins of rows, in the order of the stream."""
        waiting = np.concatenate([self.open, places])
        number, bins = len(waiting) // BASE_ROWS, len(self.totals)
        self.open = waiting[number * BASE_ROWS :]
        flat = np.repeat(np.arange(number) * bins, BASE_ROWS) + waiting[: number * BASE_ROWS]
        blocks = np.bincount(flat, minlength=number * bins).reshape(number, bins).astype(np.float64)
        self.totals += blocks.sum(axis=0)
        level = 0
        while len(blocks):
            if level == len(self.levels):
                self.levels.append(_Level(np.empty((0, bins)), np.zeros(bins), np.zeros((bins, bins))))
            self._sum(self.levels[level], blocks)
            grouped = np.concatenate([self.levels[level].open, blocks])
            whole = len(grouped) // TIMES * TIMES
            self.levels[level].open = grouped[whole:]
            blocks = grouped[:whole].reshape(-1, TIMES, bins).sum(axis=1)
            level += 1

    def merge(self, other: "Swings") -> None:
        """Add the whole blocks of other rows."""
        self.totals += other.totals
        for level, found in enumerate(other.levels):
            if level == len(self.levels):
                self.levels.append(
                    _Level(found.open[:0], np.zeros_like(found.sums), np.zeros_like(found.products))
                )
            self.levels[level].sums += found.sums
            self.levels[level].products += found.products
            self.levels[level].distance += found.distance
            self.levels[level].blocks += found.blocks

    def effects(self) -> tuple[tuple[int, float, float], ...]:
        """Return for each length with enough blocks: rows of the stream, design effect, wave.

        Lengths without an effect are left out, but for the longest.
        """
        p = self.totals / max(self.totals.sum(), 1.0)
        found: list[tuple[int, float, float]] = []
        for place, level in enumerate(self.levels):
            if level.blocks < BLOCKS_MIN:
                break
            rows = BASE_ROWS * TIMES**place
            groups = groups_of(p, rows)
            spread = groups.T @ (level.products - np.outer(level.sums, level.sums) / level.blocks) @ groups
            root = np.sqrt(p @ groups)
            spread /= (level.blocks - 1) * rows * np.outer(root, root)
            effect = largest(spread, level.blocks - 1) if len(root) > 1 else 1.0
            swing = 0.0
            if effect > 1:
                # Where it is lost in the noise, the most that the effect allows (Cauchy and Schwarz).
                swing = wave(level.distance / level.blocks, p, rows) or np.sqrt((effect - 1) / (2 * rows))
            effect = round(1 + (effect - 1) / self.share, 2)
            found.append((round(rows / self.share), effect, round(float(min(swing, 1.0)), 4)))
        return tuple(one for one in found if one[1] > 1 or one is found[-1])

    def sorted(self) -> bool:
        """Return whether rows seem to be sorted by this column, and not as they came.

        No stream is so unlike itself over a twentieth of its length. What was measured would make a
        detector blind; it is better to know nothing of the rows' dependence.
        """
        long = [level for level in self.levels if level.blocks >= BLOCKS_MIN]
        return bool(long) and np.sqrt(2 * long[-1].distance / long[-1].blocks) >= SORTED

    def _sum(self, level: _Level, blocks: Doubles) -> None:
        level.sums += blocks.sum(axis=0)
        level.products += blocks.T @ blocks
        level.blocks += len(blocks)
        share = blocks / blocks[0].sum()
        apart = np.abs(share - self.totals / self.totals.sum()).sum(axis=-1) / 2
        level.distance += float((apart**2).sum())


def groups_of(p: Doubles, rows: float) -> Doubles:
    """Return which bins are taken as one, shape (bins, groups): those that a block has hardly a row of."""
    common = p * rows >= EXPECTED_MIN
    rest = bool(p[~common].sum() * rows >= EXPECTED_MIN) or not common.any()
    place = np.where(common, np.cumsum(common) - 1, common.sum() if rest else p[common].argmin())
    found: Doubles = np.eye(int(common.sum()) + int(rest))[place]
    return found


def largest(spread: Doubles, blocks: int) -> float:
    """Return the largest eigenvalue of the covariance of which `spread` is a sample; at least 1.

    For independent rows it is 1 in every direction, but for one in which all blocks are equal. The
    largest eigenvalue of a sample of few blocks is too large; by how much is known when the others are
    equal. What chance may give counts as chance.

    Source: Johnstone, Ann. Stat. 29 (2001) 295; Baik and Silverstein, J. Multivar. Anal. 97 (2006) 1382.
    """
    values = np.linalg.eigvalsh(spread)[1:]
    n, freedom = float(blocks), len(values)
    mean, top = float(values.mean()), float(values[-1])
    mean = mean if mean > 1 + ERRORS * np.sqrt(2 / (freedom * n)) else 1.0
    gamma = freedom / n
    roots = np.sqrt(n) + np.sqrt(freedom), 1 / np.sqrt(n) + 1 / np.sqrt(freedom)
    chance = roots[0] ** 2 / n + ERRORS * roots[0] * np.cbrt(roots[1]) / n
    if top / mean <= chance:
        return mean
    # ratio = l + gamma * l / (l - 1), solved for l, the largest beside others that are 1.
    others = max((mean * freedom - top) / (freedom - 1) if freedom > 1 else 1.0, 1.0)
    half = (top / others + 1 - gamma) / 2
    return max(others * float(half + np.sqrt(max(half**2 - top / others, 0.0))), mean)

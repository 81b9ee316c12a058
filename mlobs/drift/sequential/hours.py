"""Measures how much a reference's hours swing, by the clock and not by the order of its rows.

The counts of each hour are held against a law for that hour: that of the whole, or the one that the same
hour of the day or of the week has in the whole reference. What is left is what slots do not take out, and it
is measured at lengths of one hour, four, sixteen and so on. The order of the rows plays no part, so it can be
measured of shuffled data as well; what lasts less than an hour is not seen in that case.

A law that was taken from the same rows is nearer to them than the true one. By how much is known: of n rows
in one of a law's hours, of N in all of them, the share n / N is missing, and it is put back.
"""

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.calendar import MONDAY_H
from mlobs.drift.sequential.dispersion import TIMES, Effects, wave
from mlobs.drift.sequential.swings import BLOCKS_MIN, SORTED, groups_of, largest

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]
Measured = tuple[tuple[int, float, float], ...]

LEFT_MIN = 0.6  # of the unrest, after a law was taken from the same rows: two and a half hours a law
GLIDE_PARTS = 4  # an hour's own slope is the swing of parts of it


def effects_of(
    numbers: Integers, counts: Doubles, *, hours: int, share: float = 1.0, shorter: Effects = ()
) -> Measured:
    """Return for several lengths: rows of the stream, design effect, wave; nothing if there are few hours.

    Lengths without an effect are left out, but for the longest.

    Args:
        numbers: Of the hours since 1970, ascending.
        counts: Shape (hours, bins).
        hours: 24 or 168, for laws by the hour of the day or of the week; 1 for that of the whole.
        share: Of the stream's rows, those that were counted.
        shorter: What was measured of blocks of rows in order; of those lengths that are below an hour's it
            is taken over. A law by the hour takes its part out of them as well, so the effect is at most
            that of an hour.
    """
    some = counts.sum(axis=1) > 0
    numbers, counts = numbers[some], counts[some]
    place = (numbers + MONDAY_H) % hours
    sums = np.zeros((hours, counts.shape[1]))
    np.add.at(sums, place, counts)
    of_law = sums.sum(axis=1)
    rows = counts.sum(axis=1)
    total = rows.sum()
    # What is left of the rows' unrest once the laws are taken from them.
    kept = 1 - float((rows**2 / of_law[place]).sum() / total) if total else 0.0
    if kept < LEFT_MIN:
        return ()
    residual = counts - rows[:, None] * (sums / np.maximum(of_law, 1)[:, None])[place]
    p = counts.sum(axis=0) / total
    found: list[tuple[int, float, float]] = []
    length = 1
    while True:
        starts = np.flatnonzero(np.diff(numbers // length, prepend=numbers[0] // length - 1))
        if len(starts) < BLOCKS_MIN:
            break
        found.append(
            _effect(
                np.add.reduceat(residual, starts), np.add.reduceat(rows, starts), p, kept=kept, share=share
            )
        )
        length *= TIMES
    if not found or found[-1][2] >= SORTED:
        return ()
    below = [one for one in shorter if one[0] < found[0][0]]
    if hours > 1:
        below = [*_capped(below, found[0][1]), *_glide(sums, p, found[0][0])]
    told = (one for one in found if one[1] > 1 or one is found[-1])
    return tuple(sorted((*(one for one in below if one[1] > 1), *told)))


def _capped(effects: Effects, most: float) -> Measured:
    """Return the effects, none of them above `most`, nor a swing above what its effect allows."""
    found = ((rows, min(effect, most), swing) for rows, effect, swing in effects)
    return tuple(
        (rows, effect, round(min(swing, float(np.sqrt((effect - 1) / (2 * rows)))), 4))
        for rows, effect, swing in found
    )


def _effect(
    residual: Doubles, rows: Doubles, p: Doubles, *, kept: float, share: float
) -> tuple[int, float, float]:
    """Return rows, design effect and wave of blocks with these residuals. They differ in size."""
    total, number = float(rows.sum()), len(rows)
    # Unrest grows with the square of a block's rows, noise with the rows.
    length = float((rows**2).sum()) / total
    groups = groups_of(p, length)
    root = np.sqrt(p @ groups)
    grouped = residual @ groups
    spread = grouped.T @ grouped / (total * kept * np.outer(root, root))
    effect = largest(spread, number - 1) if len(root) > 1 else 1.0
    swing = 0.0
    if effect > 1:
        apart = np.abs(residual).sum(axis=1) / 2
        square = float((apart**2 / rows).sum()) / total / kept
        swing = wave(square, p, total / number) or float(np.sqrt((effect - 1) / (2 * length)))
    effect = round(1 + (effect - 1) / share, 2)
    return max(round(length / share), 1), effect, round(min(swing, 1.0), 4)


def _glide(sums: Doubles, p: Doubles, hour_rows: int) -> Measured:
    """Return the swing of parts of an hour around the hour's law: half a step from one hour to the next."""
    rows = sums.sum(axis=1)
    both = (rows > 0) & (np.roll(rows, -1) > 0)
    length = hour_rows // GLIDE_PARTS
    if not both.any() or length < 1:
        return ()
    laws = sums / np.maximum(rows, 1)[:, None]
    step = np.abs(np.roll(laws, -1, axis=0) - laws).sum(axis=1)[both] / 2
    noise = (1 / np.maximum(rows, 1) + 1 / np.maximum(np.roll(rows, -1), 1))[both]
    swing = wave(float((step**2).mean()), p, float(1 / noise.mean())) / 2
    # Of one direction, as slopes are.
    effect = round(1 + 2 * length * swing**2, 2)
    return ((length, effect, round(swing, 4)),) if effect > 1 else ()

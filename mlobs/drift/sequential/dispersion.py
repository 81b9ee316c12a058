"""What a reference's own unrest asks of the detector: a wider floor, or counts that are divided.

Rows of real streams are alike for a while: they come in bursts, and follow the hours of the day. A
bettor who learns that wins, though nothing has changed. There are two remedies. A floor as wide as the swing
makes it part of what is called unchanged; that is right for slow waves, whose law may be followed but
stays near. And dividing all counts by the design effect makes so many alike rows count as one; that
is right for bursts, which are short and wide.

A reference's `effects` say for several block lengths b: rows, design effect, wave. The effect is by how
much more the counts of b rows in a row vary than independent ones would, in the direction in which they
vary most: a bettor bets on a direction, and the mean over all would hide a wave in one of them. The
wave is the amplitude of the swing as a total variation. Every length has to be covered by one of the two
remedies, so a floor decides the divisor: the largest effect among waves above the floor. Of all such
pairs that one is taken that finds a change of `TARGET` soonest, as the time grows with

    effect / (TARGET - floor) ** 2

Where counts are divided, bets are not made on the last `lag` rows. Division makes a bet that knows
nothing of a burst fair; one that was made inside the same burst would still win on the rest of it.

This is an estimate from the reference, and not a theorem. It asks that the reference's rows come as live
rows do: in one of every hundredth row, bursts are seen a hundred times too short.

Source: Rao and Scott, J. Am. Stat. Assoc. 76 (1981) 221, for the use of the factor and its eigenvalues.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Effects = Sequence[tuple[int, float, float]]

TARGET = 0.2  # half a standard deviation of a normal feature
MARGIN = 1.25  # swings are not all sines, and are estimated
SEASON_MARGIN = 1.05
MOST = 0.7
ROOM_MIN = 0.001
TIMES = 4  # from one block length to the next


def wave(mean_square: float, p: Doubles, rows: float) -> float:
    """Return how far blocks swing around `p`, as the amplitude of a sine, without their sampling noise.

    Args:
        mean_square: The mean over blocks of the squared total variation from p.
        p: The bins' chances.
        rows: Of a block.

    >>> wave(0.0, np.array([0.5, 0.5]), 100)
    0.0
    >>> round(wave(0.02, np.array([0.5, 0.5]), 10_000), 3)
    0.2
    """
    deviation = np.sqrt(p * (1 - p) / rows)
    # Each |share - p| is about half-normal.
    noise = 2 / np.pi * (deviation.sum() / 2) ** 2 + (1 - 2 / np.pi) * (deviation**2).sum() / 4
    return float(np.sqrt(2 * max(mean_square - noise, 0.0)))


class Remedy(NamedTuple):
    """What a feature's unrest asks for.

    Args:
        floor: At least the one that was asked for.
        effect: What counts are divided by.
        lag: Rows that are alike at most; a bet must not be made on what the last so many have taught.
    """

    floor: float
    effect: float
    lag: int


def remedy(effects: Effects, floor: float, season: float = 0.0) -> Remedy:
    """Return the better remedy, or the better mixture of the two.

    Args:
        effects: Rows, design effect and wave for each block length.
        floor: The one that was asked for.
        season: The amplitude, in total variation, that slots take out of the waves.

    >>> remedy([(240, 1.5, 0.03), (3840, 9.0, 0.03)], 0.05)
    Remedy(floor=0.05, effect=1.0, lag=0)
    >>> remedy([(240, 1.5, 0.08), (3840, 9.0, 0.08)], 0.05)
    Remedy(floor=0.1, effect=1.0, lag=0)
    >>> remedy([(60, 9.8, 0.7), (240, 9.9, 0.33)], 0.05)
    Remedy(floor=0.05, effect=9.9, lag=60)
    """
    left = [(rows, *_without(season, effect, swing)) for rows, effect, swing in effects]
    floors = {floor, *(swing * MARGIN for _, _, swing in left if floor < swing * MARGIN < TARGET)}
    return min((_with(left, given) for given in sorted(floors)), key=lambda found: cost(found, floor))


def cost(found: Remedy, asked: float, slack: float = 0.0) -> float:
    """Return how long a change of `TARGET` takes to be found, in any unit; more is worse.

    Args:
        found: The remedy.
        asked: The floor that was asked for. With a wide one larger changes are looked for.
        slack: What is added to the floor, as the reference is not known any better.

    >>> cost(Remedy(0.05, 1.0, 0), 0.05, 0.05) < cost(Remedy(0.05, 4.0, 0), 0.05)
    True
    """
    room = max(TARGET, 2 * asked) - found.floor - slack
    return found.effect / max(room, ROOM_MIN) ** 2 + max(-room, 0.0) / ROOM_MIN**3


def _with(effects: Effects, floor: float) -> Remedy:
    """Return the remedy that a floor is part of."""
    above = [(rows, effect) for rows, effect, swing in effects if swing * MARGIN > floor]
    divisor = max((effect for _, effect in above), default=1.0)
    # Longer blocks than those in which most of the effect is seen have nothing more in common.
    most = 1 + MOST * (divisor - 1)
    lag = min((rows for rows, effect in above if effect >= most), default=0) if divisor > 1 else 0
    return Remedy(floor, divisor, lag)


def of_whole(effects: Effects, rows: float) -> float:
    """Return the design effect of all `rows` together: what the reference's own proportions vary by.

    That of the longest blocks; where it has been falling with the length, as it does for waves of
    which many are in the data, it is taken to go on falling.

    >>> of_whole([(960, 5.0, 0.2), (3840, 5.2, 0.1)], 100_000)
    5.2
    >>> of_whole([(960, 9.0, 0.2), (3840, 3.0, 0.1)], 61_440)
    1.125
    """
    ordered = [(0, 1.0), *((length, effect) for length, effect, _ in sorted(effects))]
    (_, before), (length, last) = ordered[-2:] if len(ordered) > 1 else ordered * 2
    if not 1 < last < before or rows <= length:
        return last
    steps = np.log(rows / length) / np.log(TIMES)
    return 1 + (last - 1) * float(((last - 1) / (before - 1)) ** steps)


def swing_of_whole(effects: Effects, rows: float) -> float:
    """Return how far (root mean square, total variation) swings have moved the mean of all `rows`.

    Longest blocks are about independent of each other.

    >>> round(swing_of_whole([(3840, 200.0, 0.13)], 168_000), 4)
    0.0139
    """
    length, _, swing = max(effects)
    return float(swing * np.sqrt(length / (2 * rows))) if rows > 0 else 1.0


def of_sample(effects: Effects, rows: float) -> tuple[float, float]:
    """Return the design effect of a sample of so many rows in a row, and how far its law may have swung.

    Between two lengths that were measured the larger one counts, but an effect grows no faster than the
    rows do. A sample beyond the longest length has seen swings come and go.

    >>> of_sample([(240, 9.0, 0.1), (960, 33.0, 0.1)], 480)
    (17.0, 0.125)
    >>> of_sample([(3840, 1.0, 0.0)], 1_000)
    (1.0, 0.0)
    """
    ordered = sorted(effects)
    longest = ordered[-1]
    if rows > longest[0]:
        return of_whole(effects, rows), MARGIN * longest[2]
    after = next(one for one in ordered if one[0] >= rows)
    before = max((one for one in ordered if one[0] < rows), default=None)
    if before is None:
        return after[1], MARGIN * after[2]
    most = 1 + (before[1] - 1) * rows / before[0]
    return min(max(before[1], after[1]), most), MARGIN * max(before[2], after[2])


def _without(season: float, effect: float, swing: float) -> tuple[float, float]:
    """Return the effect and the wave when a season's part is known."""
    if swing <= 0:
        return effect, swing
    left = max(1 - (SEASON_MARGIN * season / swing) ** 2, 0.0)
    return 1 + (effect - 1) * left, swing * float(np.sqrt(left))

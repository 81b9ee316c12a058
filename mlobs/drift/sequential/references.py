"""What the reference says about the next block: chances of the bins, and by how much they may be off.

`unchanged` is about the true law of the reference, of which there is only a sample. The distance between
the two is bounded (`deviation_bound`) with a probability of error that is shared out over everything that
is looked at, and the bound goes on top of the floor.

With slots, `unchanged` reads: within the floor of the law that the reference had in the same hour of the
week; where its rows are too few to know that law, in the same hour of the day; and where those are too
few, at all times. For each slot, the one with the least to allow for is taken: the bound, and what of
the season is left in it. Looking at the data for that costs nothing, as the bounds of all three hold at
once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.bins import Bins
from mlobs.drift.calendar import DAYS, HOURS, SLOTS
from mlobs.drift.distances import SMOOTHING, deviation_bound
from mlobs.drift.floors import Floor, floor_of
from mlobs.drift.sequential.dispersion import Effects, Remedy, cost, of_whole, remedy, swing_of_whole, wave

Doubles = NDArray[np.float64]

REFERENCE_ERROR = 0.001
DESIGN_ROWS = 1000  # of the blocks on which a single design effect is measured


@dataclass(frozen=True, slots=True)
class Reference:
    """What one feature's bins held in the reference.

    Args:
        counts: Reference rows by bin.
        design_effect: What live and reference counts are divided by, whatever the block; at least 1.
        slots: Reference rows by hour of the week (UTC, Monday 00h first) and bin, or empty.
        learned_floor: What the reference's own days keep within, if known.
        effects: For several block lengths: rows, design effect, and amplitude of the waves as a
            total variation (`dispersion`). If given, `design_effect` is not used.
        effects_by_day: The same around the law of the hour of the day, if it was measured (`hours`).
        effects_by_week: The same around the law of the hour of the week.
    """

    counts: Sequence[int]
    design_effect: float = 1.0
    slots: Sequence[Sequence[int]] = ()
    learned_floor: float | None = None
    effects: Effects = ()
    effects_by_day: Effects = ()
    effects_by_week: Effects = ()

    @classmethod
    def of(cls, bins: Bins) -> Self:
        """Return the reference of a profile's feature, by its online bins."""
        feature = bins.feature
        return cls(
            counts=bins.coarse(np.array(feature.counts)).tolist(),
            design_effect=feature.design_effect or 1.0,
            slots=feature.slots,
            learned_floor=feature.learned_floor,
            effects=feature.unrest,
            effects_by_day=feature.unrest_by_hour_of_day,
            effects_by_week=feature.unrest_by_hour_of_week,
        )

    def floor(self, given: Floor) -> float:
        """Return this feature's floor: the one given, or for "learned" its own."""
        return floor_of(given, self.learned_floor)


class Expectations:
    """The references of several features, side by side.

    Shapes: f features, k bins of the feature that has most, 0 where a feature has fewer.

    Args:
        references: One for each feature.
        floor: Shape (f,).
        family: How many features share the probability that a reference is further off than allowed.
    """

    def __init__(self, references: Sequence[Reference], floor: Doubles, family: int) -> None:
        f, k = len(references), max(len(r.counts) for r in references)
        self.bins = np.array([len(r.counts) for r in references])
        self.p = np.zeros((f, k))
        self.slack = np.zeros(f)
        self.slots: Doubles | None = None  # (SLOTS, f, k)
        self.slot_slack: Doubles | None = None  # (SLOTS, f)
        remedies: list[Remedy] = []
        effects = [r.effects or ((DESIGN_ROWS, max(r.design_effect, 1.0), 1.0),) for r in references]
        for i, reference in enumerate(references):
            counts = np.array(reference.counts, dtype=np.float64)
            levels = 1 + (HOURS + SLOTS if reference.slots else 0)
            error = REFERENCE_ERROR / family / levels
            p, slack = _estimate(counts[None], None, of_whole(effects[i], counts.sum()), error)
            slack = np.minimum(slack, _by_swing(counts, effects[i], error))
            self.p[i, : len(counts)], self.slack[i] = p[0], slack[0]
            season = 0.0
            chosen = effects[i]
            if reference.slots:
                if reference.effects_by_day or reference.effects_by_week:
                    found, allowed, chosen = _best(reference, p[0], slack[0], chosen, float(floor[i]), error)
                else:
                    found, allowed, season = _seasonal(reference, p[0], slack[0], error)
                if self.slots is None or self.slot_slack is None:
                    self.slots, self.slot_slack = np.zeros((SLOTS, f, k)), np.zeros((SLOTS, f))
                self.slots[:, i, : len(counts)], self.slot_slack[:, i] = found, allowed
            remedies.append(remedy(chosen, float(floor[i]), season))
        if self.slots is not None and self.slot_slack is not None:
            plain = [i for i, reference in enumerate(references) if not reference.slots]
            self.slots[:, plain], self.slot_slack[:, plain] = self.p[plain], self.slack[plain]
        self.floor = np.array([found.floor for found in remedies])
        self.effect = np.array([found.effect for found in remedies])
        self.lag = np.array([found.lag for found in remedies])
        self.weights = np.array([_weights(reference) for reference in references])  # (f, SLOTS)

    @property
    def usual_slack(self) -> Doubles:
        """Return what chances may be off at the time of most rows: the mean over hours, by rows (f,)."""
        if self.slot_slack is None:
            return self.slack
        found: Doubles = (self.weights * self.slot_slack.T).sum(axis=1)
        return found

    def at(self, slot: int | None) -> tuple[Doubles, Doubles]:
        """Return the bins' chances (f, k) in an hour of the week, and what they may be off (f,)."""
        if slot is None or self.slots is None or self.slot_slack is None:
            return self.p, self.slack
        return self.slots[slot % SLOTS], self.slot_slack[slot % SLOTS]


def _estimate(
    counts: Doubles, towards: Doubles | None, effect: float, error: float
) -> tuple[Doubles, Doubles]:
    """Return the chances of the bins for each row of counts, and a bound on how far they are off.

    Half a row a bin is added, so that no chance is 0: evenly, or in the proportions of `towards`.
    """
    bins = counts.shape[-1]
    rows = counts.sum(axis=-1, keepdims=True)
    prior = SMOOTHING * (np.ones(bins) if towards is None else bins * towards)
    smooth = (counts + prior) / (rows + prior.sum())
    share = np.divide(counts, rows, out=np.zeros_like(counts), where=rows > 0)
    moved = np.where(rows[:, 0] > 0, np.abs(smooth - share).sum(axis=-1) / 2, 1.0)
    bound = [deviation_bound(bins, float(n) / effect, error) for n in rows[:, 0]]
    return smooth, np.minimum(moved + bound, 1.0)


def _by_swing(counts: Doubles, effects: Effects, error: float) -> float:
    """Return the same bound, of independent rows in a stream that has swung by so much.

    The effect is that of the worst direction, which is much where bins move together; then this is less.
    """
    rows = float(counts.sum())
    moved = SMOOTHING * len(counts) / (rows + SMOOTHING * len(counts))  # at most, by smoothing
    swung = math.sqrt(2 * math.log(1 / error)) * swing_of_whole(effects, rows)
    return min(moved + deviation_bound(len(counts), rows, error) + swung, 1.0)


def _weights(reference: Reference) -> Doubles:
    """Return the share of the rows in each slot; all alike without slots."""
    rows = np.array(reference.slots, dtype=np.float64).sum(axis=-1) if reference.slots else np.ones(SLOTS)
    found: Doubles = rows / rows.sum() if rows.sum() else np.full(SLOTS, 1 / SLOTS)
    return found


def _best(
    reference: Reference, p: Doubles, slack: float, effects: Effects, floor: float, error: float
) -> tuple[Doubles, Doubles, Effects]:
    """Return chances (SLOTS, k), what they may be off (SLOTS,), and the unrest around them.

    A slot of which nothing is known has the law of the whole, of which it may be off by everything.
    """
    weekly = np.array(reference.slots, dtype=np.float64)
    daily = np.tile(weekly.reshape(DAYS, HOURS, -1).sum(axis=0), (DAYS, 1))
    weights = _weights(reference)
    found = [(np.broadcast_to(p, weekly.shape), np.full(SLOTS, slack), effects)]
    for table, unrest in ((daily, reference.effects_by_day), (weekly, reference.effects_by_week)):
        if unrest:
            law, allowed = _estimate(table, p, max(effect for _, effect, _ in unrest), error)
            found.append((law, allowed, unrest))
    return min(found, key=lambda one: cost(remedy(one[2], floor), floor, float(weights @ one[1])))


def _seasonal(reference: Reference, p: Doubles, slack: float, error: float) -> tuple[Doubles, Doubles, float]:
    """Return chances (SLOTS, k), what they may be off (SLOTS,), and the amplitude they take out.

    The rows of one hour are as much alike as those of short blocks; the waves are in the season itself.
    """
    weekly = np.array(reference.slots, dtype=np.float64)
    effect = max(reference.design_effect, 1.0)
    daily = np.tile(weekly.reshape(DAYS, HOURS, -1).sum(axis=0), (DAYS, 1))
    levels = [
        (np.broadcast_to(p, weekly.shape), np.full(SLOTS, slack)),
        _estimate(daily, p, effect, error),
        _estimate(weekly, p, effect, error),
    ]
    left = np.array([_swing(weekly, law, effect) for law, _ in levels])
    allowed = np.array([bound for _, bound in levels])
    best = (allowed + left[:, None]).argmin(axis=0)
    places = np.arange(SLOTS)
    found = np.array([law for law, _ in levels])[best, places]
    remaining = (left[best] ** 2).mean()
    return found, allowed[best, places], float(np.sqrt(max(left[0] ** 2 - remaining, 0.0)))


def _swing(weekly: Doubles, law: Doubles, effect: float) -> float:
    """Return the amplitude by which the slots' own laws swing around `law`."""
    rows = weekly.sum(axis=-1)
    seen = rows > 0
    if not seen.any():
        return 0.0
    apart = np.abs(weekly[seen] / rows[seen, None] - law[seen]).sum(axis=-1) / 2
    weights = rows[seen] / rows.sum()
    # The noise falls with the rows of a slot; their harmonic mean is what a mean of noises has.
    return wave(float(weights @ apart**2), weights @ law[seen], float(1 / (weights @ (effect / rows[seen]))))

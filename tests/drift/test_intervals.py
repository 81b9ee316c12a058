"""How often the 90 % intervals hold the true distance."""

import numpy as np
import pytest

from mlobs.drift import distances
from mlobs.drift.intervals import Samples, intervals

REPEATS = 60


@pytest.mark.parametrize("rows", [1_000, 20_000])
@pytest.mark.parametrize(
    "moved", [0.02, *(pytest.param(moved, marks=pytest.mark.slow) for moved in (0.0, 0.1, 0.3))]
)
def test_nine_of_ten_intervals_hold_the_true_distance(rows, moved):
    """With ten bins, a fifth of them reserved and nearly empty.

    Of 60 intervals that is 54. Fewer than 44 would happen to exact ones with a probability of 0.0002
    (binomial); they are approximate, and their quantiles come from 200 draws.
    """
    rng = np.random.default_rng(round(rows + 1000 * moved))
    p = np.array([0.125] * 7 + [0.123, 0.0015, 0.0005])
    q = p + moved * np.array([1, 1, 1, 1, -1, -1, -1, -1, 0, 0]) / 4 * (p > 0.01)
    held = dict.fromkeys(distances.STACKED, 0)
    for seed in range(REPEATS):
        reference, live = rng.multinomial(50_000, p).astype(float), rng.multinomial(rows, q).astype(float)
        found = intervals(Samples(reference, live, 50_000, rows), distances.STACKED, seed=seed)
        for name, distance in distances.STACKED.items():
            low, high = found[name]
            true = float(distance(p * 1e9, q * 1e9)) if moved else 0.0
            held[name] += low <= true + 1e-9 and true <= high
    assert min(held.values()) >= 44, held


def test_an_interval_of_unchanged_data_begins_at_zero_and_of_changed_data_does_not():
    """The usual bootstrap of a distance never reaches zero."""
    rng = np.random.default_rng(1)
    p = np.full(8, 1 / 8)
    q = np.array([0.2, 0.15, 0.15, 0.1, 0.1, 0.1, 0.1, 0.1])
    same = [rng.multinomial(5_000, p).astype(float) for _ in range(2)]
    assert intervals(Samples(*same, 5_000, 5_000), distances.STACKED)["tv"][0] == 0.0
    moved = rng.multinomial(5_000, q).astype(float)
    low, high = intervals(Samples(same[0], moved, 5_000, 5_000), distances.STACKED)["tv"]
    assert 0.1 < low < 0.125 < high < 0.15


def test_fewer_independent_rows_make_it_wider():
    """That is what a design effect does."""
    rng = np.random.default_rng(2)
    a, b = rng.multinomial(5_000, np.full(8, 1 / 8), size=2).astype(float)
    b[0] += 400
    wide, narrow = (
        intervals(Samples(a, b, 5_000 / effect, 5_400 / effect), distances.STACKED)["js"]
        for effect in (5.0, 1.0)
    )
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize(
    ("reference", "live", "worth"), [([5, 5], [0, 0], 0.0), ([5, 0], [9, 0], 9.0), ([5, 5], [3, 3], 6.0)]
)
def test_what_no_draw_can_tell_has_no_interval(reference, live, worth):
    """No rows, one bin, no direction: an interval of length zero would claim to know."""
    samples = Samples(np.array(reference, float), np.array(live, float), 10.0, worth)
    assert intervals(samples, distances.STACKED) == {}

"""The bet on which every promise stands, held against its definition and against linear programming."""

from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlobs.drift.sequential.bets import log_bets
from mlobs.drift.sequential.bounds import tv_lower_bounds
from mlobs.drift.sequential.discoveries import e_bh, log_strongest
from tests.drift.laws import EVEN, shifted
from tests.examples import examples


def best_mean(payoff, p, floor):
    """Return the largest mean payoff of any law within the floor of p, by linear programming.

    The variables are the law, and how much it is above p in each bin; their sum is the total variation.
    """
    from scipy.optimize import linprog  # Here, as nobody else of the fast tests waits for it.

    k = len(p)
    above = np.hstack([np.eye(k), -np.eye(k)])
    found = linprog(
        np.concatenate([-payoff, np.zeros(k)]),
        A_ub=np.vstack([above, np.concatenate([np.zeros(k), np.ones(k)])]),
        b_ub=np.append(p, floor),
        A_eq=[np.concatenate([np.ones(k), np.zeros(k)])],
        b_eq=[1],
        bounds=(0, None),
    )
    assert found.success
    return -found.fun


@settings(max_examples=examples(100), deadline=None)
@given(st.integers(2, 12), st.floats(0.0, 0.6), st.floats(0.05, 5), st.integers(0, 2**32 - 1))
def test_the_best_law_within_the_floor_has_a_mean_payoff_of_one(bins, floor, evenness, seed):
    """Exactly one where there is a bet: less would give evidence away, more would break the promise."""
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.full(bins, evenness), size=2) + 1e-6
    p, q = p / p.sum(), q / q.sum()
    payoff = np.exp(log_bets(q[None], p[None], np.array([floor]))[0])
    assert best_mean(payoff, p, floor) <= 1 + 1e-7
    if np.abs(p - q).sum() / 2 > floor + 1e-6:
        assert best_mean(payoff, p, floor) == pytest.approx(1, abs=1e-7)


@settings(max_examples=examples(50), deadline=None)
@given(st.integers(2, 7), st.floats(0.0, 0.4), st.integers(0, 2**32 - 1))
def test_the_clips_are_those_of_the_definition_over_all_sets_of_bins(bins, floor, seed):
    """Sorted sets are enough, so no subset was forgotten."""
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.ones(bins), size=2)
    sets = chain.from_iterable(combinations(range(bins), size) for size in range(1, bins + 1))
    sums = [(q[list(found)].sum(), p[list(found)].sum()) for found in sets]
    high = max(a / (b + floor) for a, b in sums)
    low = min(a / (b - floor) for a, b in sums if b > floor + 1e-12)
    payoff = np.exp(log_bets(q[None], p[None], np.array([floor]))[0])
    wanted = np.clip(q / p, low, high) if high > 1 > low else np.ones(bins)
    assert payoff == pytest.approx(wanted, rel=1e-9)


def test_a_bettor_who_believes_in_the_floor_does_not_bet():
    """Neither does one for whom the floor is everything."""
    p, q = EVEN[None], shifted(0.1)[None]
    assert log_bets(q, p, np.array([0.05])).tolist() == [[0.0] * 10]
    assert log_bets(q, p, np.array([1.0])).tolist() == [[0.0] * 10]


@pytest.mark.parametrize("moving", [False, True])
def test_the_lower_bound_covers_as_promised(moving):
    """Of a law that stays at every look, of the average of one that moves at the last.

    400 streams of 12 looks at an error of .05. More than 45 failures, of 20 expected at most, would
    happen to a correct bound with a probability of 1e-7.
    """
    rng = np.random.default_rng(11)
    law = shifted(0.3)
    truth = np.abs(law - EVEN).sum() / 2
    counts = np.zeros((400, 10))
    failed = np.zeros(400, dtype=bool)
    rows = [200 * 2 ** min(look, 6) for look in range(12)]
    weights = [0.5 if moving and look % 2 else 1.5 if moving else 1.0 for look in range(12)]
    for number, weight in zip(rows, weights, strict=True):
        counts += rng.multinomial(number, EVEN + weight * (law - EVEN), size=400)
        bounds = tv_lower_bounds(counts, np.tile(EVEN, (400, 1)), error=0.05)
        failed |= (bounds > truth) & (not moving)
    if moving:
        failed = bounds > truth * np.dot(rows, weights) / sum(rows)
    assert failed.sum() <= 45
    assert np.median(bounds) > truth / 2


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.floats(-5, 12), min_size=1, max_size=20), st.floats(0.01, 0.5))
def test_the_list_of_what_drifted_is_the_longest_that_its_evidence_allows(log_e, level):
    """And it is not empty exactly when the evidence against `nothing has drifted` is enough."""
    found = e_bh(np.array(log_e), level)
    values = sorted(np.exp(log_e), reverse=True)
    allowed = [
        k for k in range(1, len(values) + 1) if values[k - 1] >= len(values) / (level * k) * (1 + 1e-9)
    ]
    assert len(found) >= max(allowed, default=0)
    assert [log_e[place] for place in found] == sorted(log_e, reverse=True)[: len(found)]
    strongest = log_strongest(np.array(log_e))
    if abs(strongest + np.log(level)) > 1e-6:
        assert bool(found) == (strongest >= -np.log(level))


def test_the_list_of_what_drifted_holds_its_rate():
    """Of 20 features 15 never change, e-values of mean 1; the mean share of wrong ones is at most .1.

    Of 4,000 lists, the mean's standard error is below .003.
    """
    rng = np.random.default_rng(12)
    shares = []
    for _ in range(4000):
        null = np.exp(rng.normal(-2, 2, size=15))  # mean exp(-2 + 2) = 1
        found = e_bh(np.log(np.concatenate([null, np.exp(rng.normal(6, 1, size=5))])), 0.1)
        shares.append(sum(place < 15 for place in found) / max(len(found), 1))
    assert 0 < np.mean(shares) < 0.1

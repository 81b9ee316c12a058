"""Distances agree with their definitions and with scipy on the raw values."""

import numpy as np
import pytest

from mlobs.drift import distances
from mlobs.drift.bins import Bins
from mlobs.drift.columns import Numbers
from mlobs.drift.measures import measure, measure_online
from mlobs.drift.profile import Profile


def psi_slow(reference, live):
    """The definition, one bin at a time."""
    p = [(c + 0.5) / (sum(reference) + 0.5 * len(reference)) for c in reference]
    q = [(c + 0.5) / (sum(live) + 0.5 * len(live)) for c in live]
    return sum((b - a) * np.log(b / a) for a, b in zip(p, q, strict=True))


def js_slow(reference, live):
    """The definition, one bin at a time, in bits."""
    total = 0.0
    for a, b in zip(reference / reference.sum(), live / live.sum(), strict=True):
        middle = (a + b) / 2
        total += sum(x * np.log2(x / middle) / 2 for x in (a, b) if x)
    return np.sqrt(total)


@pytest.mark.parametrize("seed", range(20))
def test_each_distance_agrees_with_its_definition(seed):
    """Random counts, empty bins included."""
    from scipy import stats  # Here, as nobody else of the fast tests waits for it.

    rng = np.random.default_rng(seed)
    a, b = rng.poisson(2, (2, 12))
    p, q = a / a.sum(), b / b.sum()
    assert distances.population_stability_index(a, b) == pytest.approx(psi_slow(a, b))
    assert distances.jensen_shannon(a, b) == pytest.approx(js_slow(a, b))
    assert distances.total_variation(a, b) == pytest.approx(
        sum(max(y - x, 0) for x, y in zip(p, q, strict=True))
    )
    places = np.sort(rng.normal(size=12))
    assert distances.wasserstein(a, b, places, 2.0) == pytest.approx(
        stats.wasserstein_distance(places, places, p, q) / 2
    )
    ks = max(abs(p[: i + 1].sum() - q[: i + 1].sum()) for i in range(12))
    assert distances.kolmogorov_smirnov(a, b) == pytest.approx(ks)


@pytest.mark.parametrize("shift", [0.05, 0.1, 0.3, 1.0])
def test_bins_lose_little_of_what_scipy_measures_on_raw_values(shift):
    """64 bins read KS within the largest share of half a bin and W1 within 4 %, as the docstring says.

    Up to a fifth of the shift 1.0 falls above the largest reference value's bin, hence 4 and not 1.
    """
    from scipy import stats

    rng = np.random.default_rng(3)
    reference, live = rng.normal(size=200_000), rng.normal(shift, 1, size=100_000)
    feature = Profile.of({"x": reference}).features["x"]
    made = Bins(feature)
    counts = made.counts(made.of_column(Numbers(live)))
    found, online = measure(made, counts), measure_online(made, made.coarse(counts))
    ks = stats.ks_2samp(reference, live).statistic
    w1 = stats.wasserstein_distance(reference, live) / reference.std()
    # Only every second reference row is counted: three standard errors of both shares on top.
    noise = 3 * np.sqrt(1 / 4 / 100_000)
    assert found.ks == pytest.approx(ks, abs=1 / 64 / 2 + noise)
    assert found.w1 == pytest.approx(w1, rel=0.04, abs=2 * noise)
    assert online.w1 == pytest.approx(w1, rel=0.12, abs=2 * noise)
    assert online.tv == found.tv
    assert online.ks <= found.ks + 1e-12


def test_the_bound_on_the_deviation_holds():
    """With an error of 5 %, at most 5 % of samples may be further from the truth than the bound.

    Of 2,000 samples that is 100. More than 140 would happen to a correct bound with a probability
    below 0.0001 (binomial).
    """
    rng = np.random.default_rng(5)
    p = np.full(4, 0.25)
    observed = rng.multinomial(500, p, size=2_000) / 500
    far = np.abs(observed - p).sum(axis=1) / 2 > distances.deviation_bound(4, 500, 0.05)
    assert far.sum() <= 140

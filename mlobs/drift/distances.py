"""Distances between two histograms that share the same bins.

Every function takes counts and returns one number. None looks at raw values or keeps state. All are 0
when the histograms are proportional. Population stability index, Jensen-Shannon and total variation
take bins in any order; Kolmogorov-Smirnov and Wasserstein need bins along an axis. With a bin for each
distinct value they are the exact distances of the raw values.

`METHODS`, at the end, are the names under which they go out. `STACKED` has those without a place on an
axis for many histograms at once.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64] | NDArray[np.float64]
Doubles = NDArray[np.float64]
Stacked = Callable[[Counts, Counts], Doubles]

SMOOTHING = 0.5


def population_stability_index(reference: Counts, live: Counts, *, smoothing: float = SMOOTHING) -> float:
    """Return how far `live` has moved from `reference`, in nats.

    With both turned into proportions p and q, this is the sum over bins of (q - p) * ln(q / p):
    symmetric, and unbounded above. Half a count is added to every bin, or one empty bin would make
    it infinite. What chance adds is `psi_bias`.

    Source: Jeffreys divergence, Proc. R. Soc. A 186 (1946) 453. The smoothing is ours.

    >>> population_stability_index(np.array([50, 50]), np.array([50, 50]))
    0.0
    >>> round(population_stability_index(np.array([50, 50]), np.array([80, 20])), 3)
    0.406
    """
    return float(_psi(np.add(reference, smoothing), np.add(live, smoothing)))


def psi_bias(reference: Counts, live: Counts, reference_rows: float, rows: float) -> float:
    """Return the mean population stability index of two samples of the same data, to be taken off.

    With many rows in every bin it is (bins - 1) * (1 / rows + 1 / reference rows), because
    rows * sum((q - p)^2 / p) has a chi-square distribution. Half a count is not the same share of both
    samples, so bins with few rows add something of their own. The law of both is taken to be that of all
    rows together, so after a large change it is not exact.

    Args:
        reference: Shape (bins,).
        live: Shape (bins,).
        reference_rows: How many independent rows the reference is worth.
        rows: How many the live data are worth.

    Source: Yurdakul, dissertation, Western Michigan University (2018), for the distribution.

    >>> round(psi_bias(np.array([5000, 5000]), np.array([500, 500]), 10_000, 1_000), 4)
    0.0011
    """
    law = _shares(_shares(reference) * reference_rows + _shares(live) * rows)
    old, new = law * reference.sum(), law * live.sum()
    smoothed = float(_smoothed_psi(old, new))
    noise = old / (old + SMOOTHING) / reference_rows + new / (new + SMOOTHING) / rows
    return smoothed + float(((1 - law) * noise).sum())


def jensen_shannon(reference: Counts, live: Counts) -> float:
    """Return the Jensen-Shannon distance, between 0 and 1: the root of the divergence in bits.

    Source: Lin, IEEE Trans. Inf. Theory 37 (1991) 145; Endres and Schindelin, 49 (2003) 1858.

    >>> round(jensen_shannon(np.array([50, 50]), np.array([80, 20])), 4)
    0.2704
    >>> jensen_shannon(np.array([10, 0]), np.array([0, 10]))
    1.0
    """
    return float(_js(reference, live))


def total_variation(reference: Counts, live: Counts) -> float:
    """Return the share of values that sit in the wrong bin: half the sum of |q - p|.

    >>> round(total_variation(np.array([50, 50]), np.array([80, 20])), 3)
    0.3
    """
    return float(_tv(reference, live))


def kolmogorov_smirnov(reference: Counts, live: Counts) -> float:
    """Return the largest difference between the two cumulative shares, at the edges of the bins.

    Between edges it may be larger, by at most the largest share of a bin.

    Source: Smirnov, Ann. Math. Stat. 19 (1948) 279.

    >>> round(kolmogorov_smirnov(np.array([25, 25, 25, 25]), np.array([40, 30, 20, 10])), 3)
    0.2
    """
    return float(_ks(reference, live))


def wasserstein(reference: Counts, live: Counts, places: Doubles, std: float) -> float:
    """Return how far the values of `reference` must be moved, on average, in its standard deviations.

    All values of a bin are taken to be at its place, so a small shift reads too low: of a normal
    distribution 8 % with ten quantile bins, 1 % with 64.

    Args:
        reference: Shape (bins,), along the axis.
        live: Shape (bins,).
        places: Shape (bins,). Where the values of each bin are, ascending.
        std: The reference's standard deviation, above 0.

    Source: Vallender, Theory Probab. Appl. 18 (1974) 784.

    >>> wasserstein(np.array([10, 0]), np.array([0, 10]), np.array([1.0, 3.0]), 2.0)
    1.0
    """
    return float(stacked_wasserstein(places, std)(reference, live))


def stacked_wasserstein(places: Doubles, std: float) -> Stacked:
    """Return `wasserstein` with these places for many histograms at once."""
    gaps = np.diff(places)

    def distance(reference: Counts, live: Counts) -> Doubles:
        apart = np.abs(_cumulative(live) - _cumulative(reference))[..., :-1]
        found: Doubles = (apart * gaps).sum(axis=-1) / std
        return found

    return distance


def deviation_bound(bins: int, rows: float, error: float) -> float:
    """Return a total variation that proportions of `rows` rows stay within, but for `error`.

    That is, the chance that the proportions observed in independent rows are further than this
    from the true ones is at most `error`.

    Source: Bretagnolle and Huber, and Carol; van der Vaart and Wellner (1996), prop. A.6.6. It is
    Hoeffding's bound over all sets of bins.

    >>> round(deviation_bound(bins=10, rows=100_000, error=0.001), 4)
    0.0083
    """
    if rows <= 0:
        return 1.0
    return float(min(np.sqrt((bins * np.log(2) + np.log(1 / error)) / (2 * rows)), 1.0))


def _shares(counts: NDArray[Any]) -> Doubles:
    whole = np.asarray(counts, dtype=np.float64)
    found: Doubles = whole / whole.sum(axis=-1, keepdims=True)
    return found


def _cumulative(counts: Counts) -> Doubles:
    return np.cumsum(_shares(counts), axis=-1)


def _psi(reference: Counts, live: Counts) -> Doubles:
    p, q = _shares(reference), _shares(live)
    found: Doubles = ((q - p) * np.log(q / p)).sum(axis=-1)
    return found


def _js(reference: Counts, live: Counts) -> Doubles:
    p, q = _shares(reference), _shares(live)
    middle = (p + q) / 2
    return np.sqrt(np.maximum((_bits(p, middle) + _bits(q, middle)) / 2, 0.0))


def _bits(p: Doubles, middle: Doubles) -> Doubles:
    """Return the relative entropy; an empty bin adds nothing."""
    ratio = np.divide(p, middle, out=np.ones_like(p), where=p > 0)
    found: Doubles = (p * np.log2(ratio)).sum(axis=-1)
    return found


def _tv(reference: Counts, live: Counts) -> Doubles:
    found: Doubles = np.abs(_shares(live) - _shares(reference)).sum(axis=-1) / 2
    return found


def _ks(reference: Counts, live: Counts) -> Doubles:
    found: Doubles = np.abs(_cumulative(live) - _cumulative(reference)).max(axis=-1)
    return found


def _smoothed_psi(reference: Counts, live: Counts) -> Doubles:
    return _psi(np.add(reference, SMOOTHING), np.add(live, SMOOTHING))


METHODS = ("psi", "js", "ks", "tv", "w1")
STACKED: Mapping[str, Stacked] = {"psi": _smoothed_psi, "js": _js, "tv": _tv, "ks": _ks}

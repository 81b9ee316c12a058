"""What can be said about a feature's live counts beside those of its reference.

`measure` takes counts of the fine bins, as batches of data have them; `measure_online` those of the
online bins, as monitors and recording rules have them, beside the whole reference or a part of it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from mlobs.drift import distances
from mlobs.drift.bins import Bins
from mlobs.drift.feature import RESERVED, Feature

Counts = NDArray[np.int64] | NDArray[np.float64]
Doubles = NDArray[np.float64]

BINS_SHOWN = 3
READABLE_MAX = 1e9


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """A bin whose share has changed."""

    bin: str
    reference_ratio: float
    live_ratio: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Distances:
    """How far live counts are from a feature's reference. None where it is not defined.

    psi, js and tv are always taken over the online bins, missing and unseen values included. ks and
    w1 look at the values that are numbers.
    """

    psi: float | None = None
    js: float | None = None
    ks: float | None = None
    tv: float | None = None
    w1: float | None = None


def measure(bins: Bins, counts: Counts) -> Distances:
    """Return the distances of live counts by fine bin; ks and w1 profit from the fine bins."""
    fine = np.array(bins.feature.counts)
    return _measure(bins, bins.coarse(counts), fine, counts, _fine_places(bins), bins.coarse(fine))


def measure_online(bins: Bins, counts: Counts, reference: Counts | None = None) -> Distances:
    """Return the distances of live counts by online bin.

    Args:
        bins: Of the feature.
        counts: Shape (online bins,).
        reference: The same of a part of the reference; all of it if None.
    """
    if reference is None:
        reference = bins.coarse(bins.feature.counts)
    return _measure(bins, counts, reference, counts, online_places(bins), reference)


def online_places(bins: Bins) -> Doubles:
    """Return where the values of the online bins along the axis are; nothing for what has no axis."""
    places = _fine_places(bins)
    if not len(places):
        return places
    fine = np.array(bins.feature.counts, dtype=np.float64)
    weights = fine[: len(places)] + distances.SMOOTHING  # an empty bin still has a place
    group = bins.group[: len(places)]
    shares = weights / np.bincount(group, weights)[group]  # first, or huge places would overflow
    return np.asarray(np.bincount(group, shares * places), dtype=np.float64)


def ratio(bins: Bins, counts: Counts, *names: str) -> float | None:
    """Return the share of values in the named online bins, or None if there are no values."""
    total = counts.sum()
    if not total:
        return None
    order = bins.coarse_names
    return float(sum(counts[order.index(name)] for name in names if name in order) / total)


def moves(bins: Bins, counts: Counts, reference: Counts | None = None) -> tuple[Move, ...]:
    """Return the online bins whose shares differ most from the reference, or the given part of it."""
    if reference is None:
        reference = bins.coarse(bins.feature.counts)
    if not counts.sum() or not reference.sum():
        return ()
    p, q = reference / reference.sum(), counts / counts.sum()
    order = np.argsort(-np.abs(q - p), kind="stable")[:BINS_SHOWN]
    return tuple(
        Move(bin=meaning(bins, int(i)), reference_ratio=float(p[i]), live_ratio=float(q[i]))
        for i in order
        if p[i] != q[i]
    )


def meaning(bins: Bins, place: int) -> str:
    """Return an online bin as a person reads it: a level, a range of values, or a reserved name."""
    name = bins.coarse_names[place]
    if bins.feature.kind == "embedding" and name not in RESERVED:
        return f"cell {name}"
    if not bins.numeric or name in RESERVED:
        return name
    starts = (*bins.starts, bins.inner)
    return span(bins.feature, starts[place - 1], starts[place])


def span(feature: Feature, first: int, after: int) -> str:
    """Return the range of the fine bins from `first` to before `after` as a person reads it."""
    edges = feature.edges
    low, high = edges[first], edges[after]
    if feature.discrete:  # a bin holds its lower edge only
        high = edges[after - 1]
        return number(low) if low == high else f"{number(low)} to {number(high)}"
    if low == high:
        return point(feature.kind, low)
    end = "]" if after == feature.inner else ")"
    found = f"[{point(feature.kind, low)}, {point(feature.kind, high)}{end}"
    return f"{found} characters" if feature.kind == "text" else found


def point(kind: str, place: float) -> str:
    """Return a place on a feature's axis as a person reads it.

    >>> point("numeric", 0.1234567), point("datetime", 86400.0), point("datetime", 90061.0)
    ('0.12346', '1970-01-02', '1970-01-02 01:01:01')
    """
    if kind != "datetime":
        return number(place)
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=place)
    except OverflowError:  # before the year 1 or after 9999
        return f"{place:.5g} s"
    return f"{moment:%Y-%m-%d}" if place % 86_400 == 0 else f"{moment:%Y-%m-%d %H:%M:%S}"


def number(value: float, digits: int = 5) -> str:
    """Return a number with about so many digits, without an exponent where it can be read.

    >>> number(37170.4, 4), number(1234567.0), number(0.000123456), number(1e12)
    ('37170', '1234567', '0.00012346', '1e+12')
    """
    if 10.0**digits <= abs(value) < READABLE_MAX:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def _measure(
    bins: Bins, online: Counts, axis_reference: Counts, axis_live: Counts, places: Doubles, reference: Counts
) -> Distances:
    if not online.sum() or not reference.sum():
        return Distances()
    ks = w1 = None
    p, q = axis_reference[: len(places)], axis_live[: len(places)]
    if p.sum() and q.sum():
        ks = distances.kolmogorov_smirnov(p, q)
        if bins.feature.std:
            w1 = distances.wasserstein(p, q, places, bins.feature.std)
    return Distances(
        psi=distances.population_stability_index(reference, online),
        js=distances.jensen_shannon(reference, online),
        ks=ks,
        tv=distances.total_variation(reference, online),
        w1=w1,
    )


def _fine_places(bins: Bins) -> Doubles:
    """Return where the values of the bins along the axis are: at the edges for those outside."""
    if not (bins.numeric and bins.inner):
        return np.empty(0)
    edges = bins.feature.edges
    return np.array([edges[0], *bins.feature.medians, edges[-1]])

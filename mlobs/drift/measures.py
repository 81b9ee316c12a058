"""What can be said about a feature's live counts beside those of its reference.

`measure` takes counts of the fine bins, as batches of data have them; `measure_online` those of the
online bins, as monitors have them, beside the whole reference or a part of it. What takes names in place of
`Bins` serves those who have no profile (`fleet`) as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mlobs.drift import distances
from mlobs.drift.bins import Bins
from mlobs.drift.feature import ABOVE, BELOW, RESERVED, Feature

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


@dataclass(frozen=True, slots=True)
class Axis:
    """The bins along an axis, by which ks and w1 are taken.

    Args:
        reference: Rows by bin; empty if there is no axis.
        live: The same of live rows.
        places: Where the values of each bin are.
        std: The reference's standard deviation; w1 is not known without it.
    """

    reference: Counts
    live: Counts
    places: Doubles
    std: float | None


def measure(bins: Bins, counts: Counts) -> Distances:
    """Return the distances of live counts by fine bin; ks and w1 profit from the fine bins."""
    fine, places = np.array(bins.feature.counts), _fine_places(bins)
    axis = slice(len(places))
    return compared(
        bins.coarse(fine), bins.coarse(counts), Axis(fine[axis], counts[axis], places, bins.feature.std)
    )


def measure_online(bins: Bins, counts: Counts, reference: Counts | None = None) -> Distances:
    """Return the distances of live counts by online bin.

    Args:
        bins: Of the feature.
        counts: Shape (online bins,).
        reference: The same of a part of the reference; all of it if None.
    """
    if reference is None:
        reference = bins.coarse(bins.feature.counts)
    places = online_places(bins)
    axis = slice(len(places))
    return compared(reference, counts, Axis(reference[axis], counts[axis], places, bins.feature.std))


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


def ratio(bins: Sequence[str], counts: Counts, *names: str) -> float | None:
    """Return the share of values in the named ones of some bins, or None if there are no values."""
    total = counts.sum()
    if not total:
        return None
    return float(sum(counts[bins.index(name)] for name in names if name in bins) / total)


def moves(bins: Bins, counts: Counts, reference: Counts | None = None) -> tuple[Move, ...]:
    """Return the online bins whose shares differ most from the reference, or the given part of it."""
    if reference is None:
        reference = bins.coarse(bins.feature.counts)
    return most_moved(counts, reference, partial(meaning, bins))


def most_moved(counts: Counts, reference: Counts, named: Callable[[int], str]) -> tuple[Move, ...]:
    """Return the bins whose shares differ most from the reference, as `named` names the bin in a place."""
    if not counts.sum() or not reference.sum():
        return ()
    p, q = reference / reference.sum(), counts / counts.sum()
    order = np.argsort(-np.abs(q - p), kind="stable")[:BINS_SHOWN]
    return tuple(
        Move(bin=named(i), reference_ratio=float(p[i]), live_ratio=float(q[i]))
        for i in order.tolist()
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


def held(bins: Bins, place: int) -> str:
    """Return the values an online bin holds as a person reads it, or "" where its name says it."""
    name, feature = bins.coarse_names[place], bins.feature
    if not (bins.numeric and bins.inner):
        return ""
    if name in {BELOW, ABOVE}:
        sign, edge = ("<", feature.edges[0]) if name == BELOW else (">", feature.edges[-1])
        return f"{sign} {point(feature.kind, edge)}"
    return "" if name in RESERVED else meaning(bins, place)


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


def compared(reference: Counts, live: Counts, axis: Axis) -> Distances:
    """Return the distances of live counts from a reference's, bin by bin, and of those along an axis."""
    if not live.sum() or not reference.sum():
        return Distances()
    ks = w1 = None
    if axis.reference.sum() and axis.live.sum():
        ks = distances.kolmogorov_smirnov(axis.reference, axis.live)
        if axis.std:
            w1 = distances.wasserstein(axis.reference, axis.live, axis.places, axis.std)
    return Distances(
        psi=distances.population_stability_index(reference, live),
        js=distances.jensen_shannon(reference, live),
        ks=ks,
        tv=distances.total_variation(reference, live),
        w1=w1,
    )


def _fine_places(bins: Bins) -> Doubles:
    """Return where the values of the bins along the axis are: at the edges for those outside."""
    if not (bins.numeric and bins.inner):
        return np.empty(0)
    edges = bins.feature.edges
    return np.array([edges[0], *bins.feature.medians, edges[-1]])

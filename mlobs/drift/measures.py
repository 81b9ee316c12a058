"""What can be said about a feature's live counts beside those of its reference.

`measure` takes counts of the fine bins, as batches of data have them; `measure_online` those of the
online bins, as monitors and recording rules have them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlobs.drift import distances
from mlobs.drift.bins import Bins
from mlobs.drift.profile import RESERVED

Counts = NDArray[np.int64] | NDArray[np.float64]
Doubles = NDArray[np.float64]

BINS_SHOWN = 3


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
    return _measure(bins, bins.coarse(counts), np.array(bins.feature.counts), counts, _fine_places(bins))


def measure_online(bins: Bins, counts: Counts) -> Distances:
    """Return the distances of live counts by online bin."""
    reference = bins.coarse(bins.feature.counts)
    fine = np.array(bins.feature.counts, dtype=np.float64)
    places = _fine_places(bins)
    if len(places):
        weights = fine[: len(places)] + distances.SMOOTHING  # an empty bin still has a place
        group = bins.group[: len(places)]
        places = np.bincount(group, weights * places) / np.bincount(group, weights)
    return _measure(bins, counts, reference, counts, places)


def ratio(bins: Bins, counts: Counts, *names: str) -> float | None:
    """Return the share of values in the named online bins, or None if there are no values."""
    total = counts.sum()
    if not total:
        return None
    order = bins.coarse_names
    return float(sum(counts[order.index(name)] for name in names if name in order) / total)


def moves(bins: Bins, counts: Counts) -> tuple[Move, ...]:
    """Return the online bins whose shares differ most from the reference."""
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
    if not bins.numeric or name in RESERVED:
        return name
    edges, starts = bins.feature.edges, (*bins.starts, bins.inner)
    low, high = edges[starts[place - 1]], edges[starts[place]]
    if low == high:
        return f"{low:.5g}"
    return f"[{low:.5g}, {high:.5g}{']' if starts[place] == bins.inner else ')'}"


def _measure(
    bins: Bins, online: Counts, axis_reference: Counts, axis_live: Counts, places: Doubles
) -> Distances:
    reference = bins.coarse(bins.feature.counts)
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

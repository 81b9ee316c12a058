"""What is known about one feature of a fleet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlobs.drift import distances
from mlobs.drift.profile import ABOVE, BELOW

MOVES_SHOWN = 3
Counts = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """A bin whose share has changed."""

    bin: str
    reference_ratio: float
    live_ratio: float


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetWatch:
    """What is known about one feature of a fleet; see `live.Watch` for the fields it shares.

    `blocks` is how many were judged: the first, of all rows before the server first looked, is what the
    detector learns from, so evidence begins with the second.
    """

    service: str
    model: str
    version: str
    ref: str
    feature: str
    segment: str
    processes: int
    rows: int
    blocks: int
    log_e: float
    threshold: float
    alarm: bool
    raised: datetime | None
    change_start: datetime | None
    floor: float
    tv_lower_bound: float
    distances: Mapping[str, float | None]
    missing_ratio: float | None
    unseen_ratio: float | None
    outside_ratio: float | None
    moves: tuple[Moved, ...]
    seen: datetime

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it, times in ISO 8601."""
        found = {name: getattr(self, name) for name in self.__slots__}
        times = {
            name: None if found[name] is None else found[name].isoformat(timespec="seconds")
            for name in ("raised", "change_start", "seen")
        }
        moves = [{name: getattr(move, name) for name in Moved.__slots__} for move in self.moves]
        return found | times | {"distances": dict(self.distances), "moves": moves}


def distances_of(
    bins: Sequence[str], reference: Counts, recent: Counts, gaps: Mapping[str, float]
) -> dict[str, float | None]:
    """Return the distances by method; None where one is not defined.

    Args:
        bins: In order.
        reference: Rows by bin.
        recent: Live rows by bin.
        gaps: From each bin's values to those of the next, in standard deviations; of all bins or none.
    """
    found: dict[str, float | None] = dict.fromkeys(distances.METHODS)
    if not recent.sum():
        return found
    found["psi"] = distances.population_stability_index(reference, recent)
    found["js"] = distances.jensen_shannon(reference, recent)
    found["tv"] = distances.total_variation(reference, recent)
    axis = bins.index(ABOVE) + 1 if BELOW in bins and ABOVE in bins else 0
    p, q = reference[:axis], recent[:axis]
    if axis and p.sum() and q.sum():
        found["ks"] = distances.kolmogorov_smirnov(p, q)
        if all(name in gaps for name in bins[: axis - 1]):
            places = np.cumsum([0.0, *(gaps[name] for name in bins[: axis - 1])])
            found["w1"] = distances.wasserstein(p, q, places, 1.0)
    return found


def ratio_of(bins: Sequence[str], counts: Counts, *names: str) -> float | None:
    """Return the share of values in the named bins; None if there are no values."""
    total = counts.sum()
    found = sum(counts[bins.index(name)] for name in names if name in bins)
    return float(found / total) if total else None


def moves_of(bins: Sequence[str], reference: Counts, recent: Counts) -> tuple[Moved, ...]:
    """Return the bins whose shares differ most from the reference."""
    if not recent.sum():
        return ()
    p, q = reference / reference.sum(), recent / recent.sum()
    order = np.argsort(-np.abs(q - p), kind="stable")[:MOVES_SHOWN]
    return tuple(
        Moved(bin=bins[i], reference_ratio=float(p[i]), live_ratio=float(q[i])) for i in order if p[i] != q[i]
    )

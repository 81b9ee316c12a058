"""What is known about one feature of a fleet."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from mlobs.drift.feature import ABOVE, BELOW
from mlobs.drift.measures import Axis, Counts, Distances, Move, compared


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetWatch:
    """What is known about one feature of a fleet; see `streams.watch.Watch` for the fields it shares.

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
    distances: Distances
    missing_ratio: float | None
    unseen_ratio: float | None
    outside_ratio: float | None
    moves: tuple[Move, ...]
    seen: datetime

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it, times in ISO 8601."""
        found = asdict(self)
        times = {
            name: None if found[name] is None else found[name].isoformat(timespec="seconds")
            for name in ("raised", "change_start", "seen")
        }
        return found | times


def distances_of(
    bins: Sequence[str], reference: Counts, recent: Counts, gaps: Mapping[str, float]
) -> Distances:
    """Return the distances of recent rows from the reference.

    Args:
        bins: In order.
        reference: Rows by bin.
        recent: Live rows by bin.
        gaps: From each bin's values to those of the next, in standard deviations; of all bins or none.
    """
    size = bins.index(ABOVE) + 1 if BELOW in bins and ABOVE in bins else 0
    known = size > 0 and all(name in gaps for name in bins[: size - 1])
    places = np.cumsum([0.0, *(gaps[name] for name in bins[: size - 1])]) if known else np.empty(0)
    return compared(reference, recent, Axis(reference[:size], recent[:size], places, 1.0 if known else None))

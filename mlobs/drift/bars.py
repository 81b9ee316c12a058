"""The bins of a feature as they are drawn: reference and live shares side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mlobs.drift.bins import Bins
from mlobs.drift.measures import Counts, meaning, span

VALUES_MAX = 16  # so many values of a discrete feature are drawn one by one


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A bin as it is drawn. `low` and `high` are None where it is not a range, but a level or one value."""

    bin: str
    low: float | None = None
    high: float | None = None
    reference_ratio: float
    live_ratio: float


def fine_bars(bins: Bins, live: Counts) -> tuple[Bar, ...]:
    """Return all bins, given counts of the fine ones."""
    names = list(bins.names)
    if bins.feature.kind == "embedding":
        names = [meaning(bins, place) for place in range(len(names))]
    elif bins.numeric:
        names[1 : 1 + bins.inner] = [span(bins.feature, i, i + 1) for i in range(bins.inner)]
    return _bars(bins, names, range(bins.inner + 1), np.array(bins.feature.counts), live)


def online_bars(bins: Bins, live: Counts, reference: Counts) -> tuple[Bar, ...]:
    """Return the bins of live monitors, beside a part of the reference."""
    names = [meaning(bins, place) for place in range(len(bins.coarse_names))]
    return _bars(bins, names, (*bins.starts, bins.inner), reference, live)


def _bars(
    bins: Bins, names: Sequence[str], starts: Sequence[int], reference: Counts, live: Counts
) -> tuple[Bar, ...]:
    """Return a bar for each name. On an axis the first lies below `starts`, the next between each two."""
    edges = bins.feature.edges
    ranges = bins.numeric and not (bins.feature.discrete and bins.inner <= VALUES_MAX)
    spans = [(edges[a], edges[b]) for a, b in pairwise(starts)] if ranges and bins.inner else []
    p, q = reference / max(reference.sum(), 1), live / max(live.sum(), 1)
    found = []
    for place, name in enumerate(names):
        low, high = spans[place - 1] if 0 < place <= len(spans) else (None, None)
        found.append(
            Bar(bin=name, low=low, high=high, reference_ratio=float(p[place]), live_ratio=float(q[place]))
        )
    return tuple(found)

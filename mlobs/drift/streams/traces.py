"""Which request put a value into which bin: the way from an alarm to a few of the traces behind it.

Traces lie in one ring for the whole monitor; each stream keeps, for each of its features and bins,
the places in the ring of the latest rows that fell there. An alarm shows those of the bins that grew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

RING = 4096
KEPT = 8  # for each feature and bin, and shown with an alarm
SLICE_MAX = 32  # traces remembered of one slice of rows: more than an alarm can use

Numbers = NDArray[np.int64]
LOW_64 = (1 << 64) - 1


class Trace(Protocol):
    """Where a prediction was made."""

    @property
    def trace_id(self) -> int:
        """Return the trace's id."""

    @property
    def span_id(self) -> int:
        """Return the span's id."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The trace of a row that was counted. The span that made the prediction may be long gone."""

    trace_id: int
    span_id: int


class Ring:
    """The latest traces, each with a number that goes up by one."""

    def __init__(self) -> None:
        self.next = 0
        self._ids = np.zeros((RING, 3), np.uint64)  # high and low half of the trace's, the span's
        self._at_s = np.zeros(RING)

    def put(self, traces: Sequence[Seen], now_s: float) -> Numbers:
        """Remember traces and return their numbers."""
        numbers = np.arange(self.next, self.next + len(traces))
        self.next += len(traces)
        self._ids[numbers % RING] = [
            (trace.trace_id >> 64 & LOW_64, trace.trace_id & LOW_64, trace.span_id & LOW_64)
            for trace in traces
        ]
        self._at_s[numbers % RING] = now_s
        return numbers

    def newest(self, numbers: Numbers, since_s: float) -> tuple[Seen, ...]:
        """Return the traces with these numbers that are still there and came since, the newest last."""
        kept = np.unique(numbers[numbers >= max(self.next - RING, 0)])
        kept = kept[self._at_s[kept % RING] >= since_s][-KEPT:]
        return tuple(Seen(high << 64 | low, span) for high, low, span in self._ids[kept % RING].tolist())


class Exemplars:
    """For each feature and bin of a stream, the numbers of the latest traces.

    Args:
        ring: Where the traces are.
        shape: Features, and bins of the feature that has most.
    """

    def __init__(self, ring: Ring, shape: tuple[int, int]) -> None:
        self._ring = ring
        self._numbers = np.full((*shape, KEPT), -1, np.int64)
        self._features = np.arange(shape[0])[:, None]

    def note(self, places: NDArray[np.intp], numbers: Numbers) -> None:
        """Take in rows with traces: their bins, shape (features, rows), and their traces' numbers."""
        self._numbers[self._features, places, numbers % KEPT] = numbers

    def of(self, feature: int, bins: NDArray[np.intp], since_s: float = 0.0) -> tuple[Seen, ...]:
        """Return the newest traces of some bins of a feature, at most eight, the newest last."""
        return self._ring.newest(self._numbers[feature, bins].ravel(), since_s)


def seen(trace: Trace) -> Seen | None:
    """Return a trace's ids, or None if it has none that can be used."""
    try:
        found = Seen(int(trace.trace_id), int(trace.span_id))
    except Exception:  # noqa: BLE001 whatever was given as a trace, its row is counted
        return None
    return found if found.trace_id > 0 else None

"""What the server counts about itself, by rows of the vocabulary.

Counters begin anew with each process.
"""

import threading
from collections.abc import Iterator

from mlobs.semconv.rows import Metric


class Counts:
    """Numbers by metric and label values, in the order of the metric's labels."""

    def __init__(self) -> None:
        self._values: dict[tuple[Metric, tuple[str, ...]], float] = {}
        self._lock = threading.Lock()

    def add(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._values[metric, labels] = self._values.get((metric, labels), 0) + by

    def set(self, metric: Metric, *labels: str, to: float) -> None:
        """Set a gauge."""
        self._values[metric, labels] = to

    def value(self, metric: Metric, *labels: str) -> float:
        """Return one number, 0 when nothing was counted."""
        return self._values.get((metric, labels), 0)

    def by_last(self, metric: Metric, *labels: str) -> dict[str, float]:
        """Return the numbers of a metric by its last label; `labels` are the others."""
        return {
            given[-1]: value for row, given, value in self.series() if row is metric and given[:-1] == labels
        }

    def series(self) -> Iterator[tuple[Metric, tuple[str, ...], float]]:
        """Yield every number there is."""
        for (metric, labels), value in self._values.copy().items():
            yield metric, labels, value

"""Counts the metric points and log records that leave through the SDK's exporters. Edge."""

import os
import threading
from typing import Any

QUEUE_FULL, REJECTED, MISTAKE = "queue_full", "rejected", "mistake"


class Records:
    """What became of the records of one signal.

    Args:
        signal: metrics or logs.
    """

    def __init__(self, signal: str) -> None:
        self.signal = signal
        # Why records are lost, each counted from the start: of a series that begins with a loss, nobody can
        # see that it grew. Metric points wait in no queue.
        self.reasons = (REJECTED, MISTAKE) if signal == "metrics" else (QUEUE_FULL, REJECTED, MISTAKE)
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # what was queued is the parent's

    def _begin(self) -> None:
        self.made = 0
        self.exported = 0
        self.dropped: dict[str, int] = dict.fromkeys(self.reasons, 0)
        self.handed_over = 0  # to the exporter, whatever became of them
        self._lock = threading.RLock()  # a signal's handler may log while its thread holds it

    def add(self, count: int) -> None:
        """Count records that were made."""
        with self._lock:
            self.made += count

    def drop(self, reason: str, count: int) -> None:
        """Count records that are lost."""
        with self._lock:
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def hand_over(self, count: int) -> None:
        """Count records that left the queue."""
        with self._lock:
            self.handed_over += count

    def settle(self, count: int, *, accepted: bool) -> None:
        """Count what an endpoint said."""
        with self._lock:
            if accepted:
                self.exported += count
            else:
                self.drop(REJECTED, count)

    def waiting(self) -> int:
        """Return how many are in the queue."""
        with self._lock:
            return self.made - self.dropped.get(QUEUE_FULL, 0) - self.handed_over


def counted_metrics(exporter: Any, records: Records) -> Any:
    """Return an exporter of metrics that counts points as made, and what became of them."""
    export = exporter.export

    def counting(metrics_data: Any, *given: Any, **named: Any) -> Any:
        points = sum(
            len(metric.data.data_points)
            for resource in metrics_data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        )
        records.add(points)
        return _counted(records, points, lambda: export(metrics_data, *given, **named))

    exporter.export = counting
    return exporter


def counted_logs(exporter: Any, records: Records) -> Any:
    """Return an exporter of log records that counts what became of them."""
    export = exporter.export

    def counting(batch: Any, *given: Any, **named: Any) -> Any:
        records.hand_over(len(batch))
        return _counted(records, len(batch), lambda: export(batch, *given, **named))

    exporter.export = counting
    return exporter


def _counted(records: Records, count: int, export: Any) -> Any:
    try:
        result = export()
    except BaseException:
        records.drop(MISTAKE, count)
        raise
    records.settle(count, accepted=result.name == "SUCCESS")
    return result

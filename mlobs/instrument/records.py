"""Counts the metric points and log records that leave through the SDK's exporters. Edge."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from mlobs.instrument.transport.grpc import RETRY
from mlobs.instrument.transport.http import RETRY_STATUSES

QUEUE_FULL, UNREACHABLE, REJECTED, MISTAKE = "queue_full", "unreachable", "rejected", "mistake"
LATER = {*RETRY_STATUSES, "UNAVAILABLE", *RETRY}


class Records:
    """What became of the records of one signal.

    Args:
        signal: metrics or logs.
    """

    def __init__(self, signal: str) -> None:
        self.signal = signal
        # Why records are lost, each counted from the start: of a series that begins with a loss, nobody can
        # see that it grew. Metric points wait in no queue.
        told = (UNREACHABLE, REJECTED, MISTAKE)
        self.reasons = told if signal == "metrics" else (QUEUE_FULL, *told)
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

    def accept(self, count: int) -> None:
        """Count records that an endpoint took."""
        with self._lock:
            self.exported += count

    def waiting(self) -> int:
        """Return how many are in the queue."""
        with self._lock:
            return self.made - self.dropped.get(QUEUE_FULL, 0) - self.handed_over


def counted_metrics(exporter: Any, records: Records) -> Any:
    """Return an exporter of metrics that counts points as made, and what became of them."""
    export, heard = exporter.export, _Heard(exporter)

    def counting(metrics_data: Any, *given: Any, **named: Any) -> Any:
        points = sum(
            len(metric.data.data_points)
            for resource in metrics_data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        )
        records.add(points)
        return _counted(records, heard, points, lambda: export(metrics_data, *given, **named))

    exporter.export = counting
    return exporter


def counted_logs(exporter: Any, records: Records) -> Any:
    """Return an exporter of log records that counts what became of them."""
    export, heard = exporter.export, _Heard(exporter)

    def counting(batch: Any, *given: Any, **named: Any) -> Any:
        records.hand_over(len(batch))
        return _counted(records, heard, len(batch), lambda: export(batch, *given, **named))

    exporter.export = counting
    return exporter


def _counted(records: Records, heard: "_Heard", count: int, export: Callable[[], Any]) -> Any:
    heard.last = None
    try:
        result = export()
    except BaseException:
        records.drop(MISTAKE, count)
        raise
    if result.name == "SUCCESS":
        records.accept(count)
    else:
        records.drop(heard.reason(), count)
    return result


class _Heard:
    """Hears why exports fail: the SDK's exporters tell only their own metrics, whose place it takes."""

    def __init__(self, exporter: Any) -> None:
        self.last: Any = None
        operation = getattr(getattr(exporter, "_metrics", None), "export_operation", None)
        if operation is not None:
            self._operation: Callable[..., AbstractContextManager[Any]] = operation
            exporter._metrics = self  # noqa: SLF001 # see above

    @contextmanager
    def export_operation(self, *given: Any, **named: Any) -> Iterator[Any]:
        """Pass on what the exporter says of one request."""
        with self._operation(*given, **named) as self.last:
            yield self.last

    def reason(self) -> str:
        """Return why the last export failed. As for spans, whoever wants them later has not refused them."""
        if self.last is None:
            return REJECTED
        answers = dict(self.last.error_attrs or {}).values()
        if any(answer in LATER for answer in answers):
            return UNREACHABLE
        error = self.last.error
        # Without an answer, one that stopped between two tries has no error; requests' own are OSErrors.
        return UNREACHABLE if not answers and (error is None or isinstance(error, OSError)) else REJECTED

"""Log records that wait for export. Edge: the OpenTelemetry SDK.

Why not the SDK's processor as it is: its queue drops the oldest record without a count that others can
read. So records are counted before it, and those that would not fit are dropped here, with their reason.
"""

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

from mlobs.instrument.records import QUEUE_FULL, Records

QUEUE_RECORDS, BATCH_RECORDS = 2048, 512


def queue_max(environ: Mapping[str, str]) -> int:
    """Return how many log records may wait, as the SDK reads it.

    >>> queue_max({"OTEL_BLRP_MAX_QUEUE_SIZE": "100"}), queue_max({})
    (100, 2048)
    """
    told = environ.get("OTEL_BLRP_MAX_QUEUE_SIZE", "")
    return int(told) if told.isdecimal() and int(told) else QUEUE_RECORDS


class CountingProcessor(BatchLogRecordProcessor):
    """Hands log records to an exporter in batches, and drops none uncounted.

    Args:
        exporter: Made by `counted_logs`.
        records: Counts.
        queue_max: How many may wait.
    """

    def __init__(self, exporter: Any, records: Records, queue_max: int) -> None:
        super().__init__(
            exporter, max_queue_size=queue_max, max_export_batch_size=min(BATCH_RECORDS, queue_max)
        )
        self._records, self._queue_max = records, queue_max

    def on_emit(self, log_record: Any) -> None:
        """Queue a record, or count it as dropped."""
        self._records.add(1)
        if self._records.waiting() > self._queue_max:
            self._records.drop(QUEUE_FULL, 1)
        else:
            super().on_emit(log_record)

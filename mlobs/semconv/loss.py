"""Metrics of the loss ledger: where spans, metric points and log records are.

With `mlobs.sdk.exported` and `mlobs.sdk.dropped` of `metrics` they say of a program: what was made, and
came from an earlier process's disk, is exported, dropped, in memory or on the disk. And of the server: what
it took is stored, set aside or still in its journal.
"""

from mlobs.semconv import attributes as a
from mlobs.semconv.rows import Metric

SDK_MADE = Metric("mlobs.sdk.made", "counter", "{span}", "Sampled spans that ended.")
SDK_WAITING = Metric("mlobs.sdk.waiting", "gauge", "{span}", "Spans in memory that are not delivered yet.")
SDK_SPOOLED = Metric("mlobs.sdk.spooled", "counter", "{span}", "Spans that were put away on the disk.")
SDK_UNSPOOLED = Metric(
    "mlobs.sdk.unspooled", "counter", "{span}", "Spans that left the disk: delivered or dropped."
)
SDK_RECORDS_MADE = Metric(
    "mlobs.sdk.records.made", "counter", "{record}", "Metric points and log records that were made.",
    (a.SIGNAL,),
)  # fmt: skip
SDK_RECORDS_EXPORTED = Metric(
    "mlobs.sdk.records.exported", "counter", "{record}", "Metric points and log records that were accepted.",
    (a.SIGNAL,),
)  # fmt: skip
SDK_RECORDS_DROPPED = Metric(
    "mlobs.sdk.records.dropped", "counter", "{record}",
    "Metric points and log records that could not be delivered.", (a.SIGNAL, a.SDK_DROPPED),
)  # fmt: skip
SERVER_ITEMS_TAKEN = Metric(
    "mlobs.server.items.taken",
    "counter",
    "{item}",
    "Spans, metric points and log records that the server is to store.",
    (a.SIGNAL, a.ORIGIN),
)
SERVER_ITEMS_SETTLED = Metric(
    "mlobs.server.items.settled",
    "counter",
    "{item}",
    "Spans, metric points and log records that left the journal.",
    (a.SIGNAL, a.FATE),
)

METRICS: tuple[Metric, ...] = tuple(value for value in dict(globals()).values() if isinstance(value, Metric))

"""What became of everything that was recorded here, as metrics. Edge: OpenTelemetry's metrics API.

Together they say where telemetry is that has not arrived: what was made is delivered, dropped for a
reason, in memory or on the disk. One look serves all metrics of a collection, so that they agree.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from opentelemetry import metrics

from mlobs.instrument.records import Records
from mlobs.semconv import attributes as a
from mlobs.semconv import loss
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric

Labels = dict[str, str]
Found = Iterable[tuple[float, Labels]]


@dataclass(frozen=True, slots=True)
class Tally:
    """Where a process's spans are.

    Args:
        made: Sampled spans that ended.
        exported: Those that the endpoint accepted, also of an earlier process's on the disk.
        dropped: Those that are lost, by reason.
        waiting: Those in memory.
        spooled: Those that were put on the disk.
        unspooled: Those that left it.
    """

    made: int
    exported: int
    dropped: dict[str, int]
    waiting: int
    spooled: int
    unspooled: int


def observe_spans(meter: metrics.Meter, look: Callable[[], Tally]) -> None:
    """Emit where spans are.

    Args:
        meter: Emits.
        look: Returns it.
    """
    seen = [look()]

    def made() -> Found:
        seen[0] = look()  # this instrument is the first, and so the first to be asked
        return [(seen[0].made, {})]

    _observe(meter, loss.SDK_MADE, made)
    _observe(meter, m.SDK_EXPORTED, lambda: [(seen[0].exported, {})])
    _observe(
        meter,
        m.SDK_DROPPED,
        lambda: [(count, {a.SDK_DROPPED.name: reason}) for reason, count in seen[0].dropped.items()],
    )
    _observe(meter, loss.SDK_WAITING, lambda: [(seen[0].waiting, {})])
    _observe(meter, loss.SDK_SPOOLED, lambda: [(seen[0].spooled, {})])
    _observe(meter, loss.SDK_UNSPOOLED, lambda: [(seen[0].unspooled, {})])


def observe_records(meter: metrics.Meter, every: Callable[[], Iterable[Records]]) -> None:
    """Emit what became of metric points and log records.

    Args:
        meter: Emits.
        every: Returns what counts them, one for each signal.
    """
    _observe(meter, loss.SDK_RECORDS_MADE, lambda: [(one.made, _signal(one)) for one in every()])
    _observe(meter, loss.SDK_RECORDS_EXPORTED, lambda: [(one.exported, _signal(one)) for one in every()])
    _observe(
        meter,
        loss.SDK_RECORDS_DROPPED,
        lambda: [
            (count, {**_signal(one), a.SDK_DROPPED.name: reason})
            for one in every()
            for reason, count in one.dropped.copy().items()
        ],
    )


def _signal(records: Records) -> Labels:
    return {a.SIGNAL.name: records.signal}


def _observe(meter: metrics.Meter, metric: Metric, find: Callable[[], Found]) -> None:
    def observed(_: Any) -> list[metrics.Observation]:
        return [metrics.Observation(value, labels) for value, labels in find()]

    make = meter.create_observable_counter if metric.kind == "counter" else meter.create_observable_gauge
    make(metric.name, [observed], metric.unit, metric.about)

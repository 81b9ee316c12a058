"""Publishes what monitors know through the OpenTelemetry metrics API.

Instruments are made with the first monitor, from the API alone: they report to whatever
MeterProvider the program has or installs later, and to nobody if there is none. Monitors are held
weakly, so one that is dropped stops reporting.

The alarm's and the evidence's data points carry the trace of a recent row as their exemplar.
"""

import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Observation

from mlobs.drift.distances import METHODS
from mlobs.drift.live import Trace, Watch
from mlobs.drift.profile import Profile
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric

Labels = dict[str, str]
Point = tuple[float, Labels, Trace | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """The counts of one feature, in the order of `bins`."""

    feature: str
    bins: Sequence[str]
    live: Sequence[int]
    reference: Sequence[int]


class Source(Protocol):
    """What a monitor tells the meter."""

    model: str
    profile: Profile

    def state(self) -> Sequence[Watch]:
        """Return what is known about each feature."""

    def counted(self) -> Sequence[Counted]:
        """Return the counts of each feature's bins."""

    def dropped(self) -> dict[str, int]:
        """Return how many rows were not counted, by reason."""


_sources: "weakref.WeakSet[Source]" = weakref.WeakSet()
_lock = threading.Lock()
_made: list[object] = []


def publish(source: Source) -> None:
    """Report what `source` knows, as long as somebody holds it."""
    with _lock:
        _sources.add(source)
        if not _made:
            _make_instruments()


def _make_instruments() -> None:
    found = metrics.get_meter("mlobs")
    for row, points in _POINTS.items():
        make = found.create_observable_counter if row.kind == "counter" else found.create_observable_gauge
        _made.append(make(row.name, [_callback(row, points)], row.unit, row.about))


def _callback(
    row: Metric, points: "Callable[[Source], Iterable[Point]]"
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        found: dict[tuple[tuple[str, str], ...], tuple[float, Trace | None]] = {}
        for source in list(_sources):
            for value, labels, where in points(source):
                key = tuple(sorted(labels.items()))
                # Two monitors of one model and profile are one series: counters add up.
                before = found[key][0] if row.kind == "counter" and key in found else 0
                found[key] = (before + value, where)
        for key, (value, where) in found.items():
            yield Observation(value, dict(key), None if where is None else _context(where))

    return observe


def _context(where: Trace) -> Context:
    """Return a context in which the row's span is current, for the exemplar to point at."""
    span = trace.SpanContext(
        where.trace_id,
        where.span_id,
        is_remote=False,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(span), Context())


def _model_labels(source: Source) -> Labels:
    name, _, version = source.model.partition("@")
    return {a.MODEL_NAME.name: name} | ({a.MODEL_VERSION.name: version} if version else {})


def _labels(source: Source, feature: str) -> Labels:
    return _model_labels(source) | {a.FEATURE.name: feature, a.PROFILE_REF.name: source.profile.ref}


def _observations(source: Source) -> Iterable[Point]:
    for counted in source.counted():
        for name, count in zip(counted.bins, counted.live, strict=True):
            yield count, _labels(source, counted.feature) | {a.BIN.name: name}, None


def _reference_ratios(source: Source) -> Iterable[Point]:
    for counted in source.counted():
        rows = sum(counted.reference)
        for name, count in zip(counted.bins, counted.reference, strict=True):
            if rows:
                yield count / rows, _labels(source, counted.feature) | {a.BIN.name: name}, None


def _reference_rows(source: Source) -> Iterable[Point]:
    for counted in source.counted():
        yield sum(counted.reference), _labels(source, counted.feature), None


def _log_e(source: Source) -> Iterable[Point]:
    for watch in source.state():
        yield watch.log_e, _labels(source, watch.feature), _last(watch)


def _threshold(source: Source) -> Iterable[Point]:
    for watch in source.state()[:1]:
        yield watch.threshold, _model_labels(source), None


def _alarm(source: Source) -> Iterable[Point]:
    for watch in source.state():
        yield int(watch.alarm), _labels(source, watch.feature), _last(watch) if watch.alarm else None


def _change_start(source: Source) -> Iterable[Point]:
    for watch in source.state():
        if watch.change_start is not None:
            yield watch.change_start.timestamp(), _labels(source, watch.feature), None


def _distance(source: Source) -> Iterable[Point]:
    for watch in source.state():
        for method in METHODS:
            value = getattr(watch.distances, method)
            if value is not None:
                yield value, _labels(source, watch.feature) | {a.DRIFT_METHOD.name: method}, None


def _tv_lower_bound(source: Source) -> Iterable[Point]:
    for watch in source.state():
        yield watch.tv_lower_bound, _labels(source, watch.feature), None


def _dropped(source: Source) -> Iterable[Point]:
    for reason, rows in source.dropped().items():
        yield rows, _model_labels(source) | {a.SDK_DROPPED.name: reason}, None


def _last(watch: Watch) -> Trace | None:
    return watch.traces[-1] if watch.traces else None


_POINTS: dict[Metric, Callable[[Source], Iterable[Point]]] = {
    m.DRIFT_OBSERVATIONS: _observations,
    m.DRIFT_REFERENCE_RATIO: _reference_ratios,
    m.DRIFT_REFERENCE_ROWS: _reference_rows,
    m.DRIFT_LOG_E: _log_e,
    m.DRIFT_THRESHOLD: _threshold,
    m.DRIFT_ALARM: _alarm,
    m.DRIFT_CHANGE_START: _change_start,
    m.DRIFT_DISTANCE: _distance,
    m.DRIFT_TV_LOWER_BOUND: _tv_lower_bound,
    m.DRIFT_DROPPED: _dropped,
}

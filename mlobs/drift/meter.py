"""Publishes what monitors know through the OpenTelemetry metrics API.

Instruments are made with the first monitor, from the API alone: they report to whatever
MeterProvider the program has or installs later, and to nobody if there is none. Monitors are held
weakly, so one that is dropped stops reporting.

The alarm's and the evidence's data points carry the trace of a recent row as their exemplar.

Several monitors of one model and profile, as on two routes, are one series: counters add up, and of
gauges we take the one of the monitor that is worst off, so that no alarm hides behind a quiet monitor.
"""

import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Observation

from mlobs.drift.distances import METHODS
from mlobs.drift.feature import REST
from mlobs.drift.streams.quality import Quality
from mlobs.drift.streams.schema import Schema
from mlobs.drift.streams.traces import Trace
from mlobs.drift.streams.watch import Counted, Watch
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric

log = logging.getLogger("mlobs")

BINS_MAX = 10_000  # of one monitor; each makes two or three series, and a scrape must not take seconds

Labels = dict[str, str]
Point = tuple[float, Labels, Trace | None]


class Source(Protocol):
    """What a monitor tells the meter."""

    model: str

    @property
    def ref(self) -> str:
        """Return the version of the profile."""

    def state(self) -> Sequence[Watch]:
        """Return what is known about each feature."""

    def counted(self) -> Sequence[Counted]:
        """Return the counts of each feature's bins."""

    def quality(self) -> Sequence[Quality]:
        """Return how good predictions were."""

    def schema(self) -> Schema:
        """Return how rows differ in form from those of the profile."""

    def labels(self) -> dict[str, int]:
        """Return what became of labels, by outcome."""

    def dropped(self) -> dict[str, int]:
        """Return how many rows were not counted, by reason."""


_sources: "weakref.WeakSet[Source]" = weakref.WeakSet()
_lock = threading.Lock()
_made: list[object] = []
_told: set[tuple[str, str]] = set()  # the models and profiles with too many bins


def publish(source: Source) -> None:
    """Report what `source` knows, as long as somebody holds it."""
    with _lock:
        _sources.add(source)
        if not _made:
            _make_instruments()


def begin_anew() -> None:
    """Take a new lock in a forked child: in the parent, another thread may have held this one."""
    global _lock
    _lock = threading.Lock()


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
                before = found.get(key)
                if before is None:
                    found[key] = (value, where)
                elif row.kind == "counter":
                    found[key] = (before[0] + value, where)
                elif _badness(row, labels, value, where) > _badness(row, labels, *before):
                    found[key] = (value, where)
        for key, (value, where) in found.items():
            yield Observation(value, dict(key), None if where is None else _context(where))

    return observe


def _badness(row: Metric, labels: Labels, value: float, where: Trace | None) -> tuple[float, bool]:
    """Return how bad it is what a gauge says; of two that say the same, one with a trace says more."""
    measure = labels.get(a.QUALITY_MEASURE.name)
    if row is m.DRIFT_CHANGE_START or measure == "accuracy":
        value = -value
    return (abs(value) if measure == "bias" else value), where is not None


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


def _labels(source: Source, of: Watch | Counted) -> Labels:
    ref = of.ref if isinstance(of, Counted) else source.ref
    found = _model_labels(source) | {a.FEATURE.name: of.feature, a.PROFILE_REF.name: ref}
    return found | ({a.SEGMENT.name: of.segment} if of.segment else {})


def _detailed(source: Source) -> list[Counted]:
    """Return the counts of those features whose bins go out: as many as fit, in the profile's order."""
    found, room = [], BINS_MAX
    every = source.counted()
    for counted in every:
        room -= len(counted.bins)
        if room < 0:
            break
        found.append(counted)
    if len(found) < len(every) and (source.model, source.ref) not in _told:
        _told.add((source.model, source.ref))
        log.warning(
            "mlobs: %s has more than %d bins to watch. Evidence and alarms of all its features are "
            "published, but counts by bin and distances of the first %d only, not of the other %d.",
            source.model,
            BINS_MAX,
            len(found),
            len(every) - len(found),
        )
    return found


def _observations(source: Source) -> Iterable[Point]:
    for counted in _detailed(source):
        for name, count in zip(counted.bins, counted.live, strict=True):
            yield count, _labels(source, counted) | {a.BIN.name: name}, None


def _reference_ratios(source: Source) -> Iterable[Point]:
    for counted in _detailed(source):
        rows = sum(counted.reference)
        for name, held, count in zip(counted.bins, counted.ranges, counted.reference, strict=True):
            if rows:
                said = {a.BIN.name: name} | ({a.BIN_RANGE.name: held} if held else {})
                yield count / rows, _labels(source, counted) | said, None


def _reference_rows(source: Source) -> Iterable[Point]:
    for counted in source.counted():
        yield sum(counted.reference), _labels(source, counted), None


def _design_effect(source: Source) -> Iterable[Point]:
    for counted in source.counted():
        yield counted.design_effect, _labels(source, counted), None


def _floor(source: Source) -> Iterable[Point]:
    for counted in source.counted():
        yield counted.floor, _labels(source, counted), None


def _cut_gap(source: Source) -> Iterable[Point]:
    for counted in _detailed(source):
        for name, gap in zip(counted.bins, counted.gaps, strict=False):  # the reserved bins have none
            yield gap, _labels(source, counted) | {a.BIN.name: name}, None


def _log_e(source: Source) -> Iterable[Point]:
    for watch in source.state():
        yield watch.log_e, _labels(source, watch), _last(watch)


def _threshold(source: Source) -> Iterable[Point]:
    for watch in source.state():
        yield watch.threshold, _labels(source, watch), None


def _alarm(source: Source) -> Iterable[Point]:
    for watch in source.state():
        yield int(watch.alarm), _labels(source, watch), _last(watch) if watch.alarm else None


def _change_start(source: Source) -> Iterable[Point]:
    for watch in source.state():
        if watch.change_start is not None:
            yield watch.change_start.timestamp(), _labels(source, watch), None


def _distance(source: Source) -> Iterable[Point]:
    detailed = {(one.segment, one.feature) for one in _detailed(source)}  # no segments, if they are many
    for watch in source.state():
        for method in METHODS if (watch.segment, watch.feature) in detailed else ():
            value = getattr(watch.distances, method)
            if value is not None:
                yield value, _labels(source, watch) | {a.DRIFT_METHOD.name: method}, None


def _tv_lower_bound(source: Source) -> Iterable[Point]:
    for watch in source.state():
        yield watch.tv_lower_bound, _labels(source, watch), None


def _schema(source: Source) -> Iterable[Point]:
    found = source.schema()
    where = _model_labels(source) | {a.PROFILE_REF.name: source.ref}
    by_finding = {"missing": found.missing, "wrong_type": found.wrong_type}
    for finding, rows_by_feature in by_finding.items():
        for feature, rows in rows_by_feature.items():
            yield rows, where | {a.FEATURE.name: feature, a.SCHEMA_FINDING.name: finding}, None
    # The names of further columns are whatever a caller sends, so they are no labels.
    yield sum(found.extra.values()), where | {a.FEATURE.name: REST, a.SCHEMA_FINDING.name: "extra"}, None


def _label_outcomes(source: Source) -> Iterable[Point]:
    for outcome, labels in source.labels().items():
        yield labels, _model_labels(source) | {a.LABEL_OUTCOME.name: outcome}, None


def _quality(source: Source) -> Iterable[Point]:
    where = _model_labels(source) | {a.PROFILE_REF.name: source.ref}
    for one in source.quality():
        windows = {"recent": one.recent, "overall": one.overall, "reference": one.reference}
        for window, value in windows.items():
            if value is not None:
                mine = {a.QUALITY_MEASURE.name: one.measure, a.QUALITY_WINDOW.name: window}
                yield value, where | mine, None


def _dropped(source: Source) -> Iterable[Point]:
    for reason, rows in source.dropped().items():
        yield rows, _model_labels(source) | {a.SDK_DROPPED.name: reason}, None


def _last(watch: Watch) -> Trace | None:
    return watch.traces[-1] if watch.traces else None


_POINTS: dict[Metric, Callable[[Source], Iterable[Point]]] = {
    m.DRIFT_OBSERVATIONS: _observations,
    m.DRIFT_REFERENCE_RATIO: _reference_ratios,
    m.DRIFT_REFERENCE_ROWS: _reference_rows,
    m.DRIFT_DESIGN_EFFECT: _design_effect,
    m.DRIFT_FLOOR: _floor,
    m.DRIFT_CUT_GAP: _cut_gap,
    m.DRIFT_LOG_E: _log_e,
    m.DRIFT_THRESHOLD: _threshold,
    m.DRIFT_ALARM: _alarm,
    m.DRIFT_CHANGE_START: _change_start,
    m.DRIFT_DISTANCE: _distance,
    m.DRIFT_TV_LOWER_BOUND: _tv_lower_bound,
    m.DRIFT_SCHEMA: _schema,
    m.DRIFT_LABELS: _label_outcomes,
    m.DRIFT_QUALITY: _quality,
    m.DRIFT_DROPPED: _dropped,
}

"""Rows and counts as Prometheus families, named and labelled by the vocabulary.

A row of a metric the vocabulary does not have, or with other bucket bounds than it has now, is
left out. Series beyond the limit carry `__overflow__` in every label.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from mlobs.semconv.attributes import OPERATION_NAME, SERVICE_NAME
from mlobs.semconv.metrics import DERIVED, JUDGED
from mlobs.semconv.rows import Metric
from mlobs.server import exemplars
from mlobs.server.counts import Counts
from mlobs.server.derived import CONSTANT_LABELS, EMITTED, PARTS, UNITS_MAX, measure
from mlobs.server.engine import Value

SERIES_MAX = 2_000  # For each metric, or operation of a derived one.
BINS_MAX = 50_000  # For each metric whose series are bins of features.
STALE_SECONDS = 300  # A gauge that nobody sent for so long is left out.
OVERFLOW = "__overflow__"
# What `queries/metric_latest.sql` is asked with.
ASKED: Mapping[str, Value] = {
    "series_max": SERIES_MAX,
    "bins_max": BINS_MAX,
    "stale_s": STALE_SECONDS,
    "counters": ",".join(metric.name for metric in EMITTED if metric.kind == "counter"),
}
# What `queries/metric_exemplars.sql` is asked with.
RECENT: Mapping[str, Value] = {"recent_s": exemplars.RECENT_S, "rows_max": exemplars.ROWS_MAX}

Row = Mapping[str, Any]


def of_spans(rows: Sequence[Row], newest: Sequence[Row] = ()) -> Iterator[Family]:
    """Return the families of what spans and scores add up to.

    Args:
        rows: Of `queries/metric_totals.sql`.
        newest: Of `queries/metric_exemplars.sql`.
    """
    by_operation = _by("operation", newest)
    for metric in (*DERIVED, *JUDGED):
        family = _family(metric)
        behind = _exemplars(metric, by_operation)
        for labels, total in _totals(metric, rows).items():
            amount = (total.whole * PARTS + total.part) / PARTS
            if isinstance(family, HistogramMetricFamily):
                family.add_metric(labels, _buckets(metric, total, behind.get(labels, {})), amount)
            else:
                family.add_metric(labels, amount)
        yield family


def of_programs(rows: Iterable[Row]) -> Iterator[Family]:
    """Return the families of the rows of `queries/metric_latest.sql`."""
    found = _by("metric", rows)
    for metric in EMITTED:
        family = _family(metric)
        for row in found.get(metric.name, ()):
            kind = "counter" if metric.kind == "counter" else "gauge"
            value = row[kind]
            # Whoever sends what cannot be (JSON has no word for infinity, and no count is below zero)
            # must not take /metrics from the others.
            if value is not None and (value >= 0 if kind == "counter" else row["live"]):
                family.add_metric(_label_values(metric, row), value)
        yield family


def of_server(counts: Counts) -> Iterator[Family]:
    """Return the families of what the server counted. They carry no service name."""
    families: dict[str, Any] = {}
    for metric, labels, value in counts.series():
        names = [label.label for label in metric.labels]
        family = families.setdefault(metric.name, _family(metric, names))
        family.add_metric(list(labels), value)
    yield from families.values()


@dataclass(slots=True)
class _Total:
    """What the rows of one series add up to."""

    buckets: list[int]
    count: int = 0
    whole: int = 0
    part: int = 0


def _totals(metric: Metric, rows: Iterable[Row]) -> dict[tuple[str, ...], _Total]:
    """Return the series of `metric`: rows that differ only in labels it does not have become one."""
    found: dict[tuple[str, ...], _Total] = {}
    counted = metric.operations or (metric.event,)
    for row in rows:
        if row["operation"] not in counted or row["measure"] != measure(metric):
            continue
        if metric.buckets and tuple(row["bounds"]) != metric.buckets:
            continue
        total = found.setdefault(_span_labels(metric, row), _Total([0] * len(metric.buckets)))
        total.count += row["count"]
        total.whole += row["whole"]
        total.part += row["part"]
        total.buckets = [sum(pair) for pair in zip(total.buckets, row["buckets"], strict=False)]
    return found


def _buckets(
    metric: Metric, total: _Total, behind: Mapping[int, Exemplar]
) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
    """Return bounds and counts, with the exemplars of those that have one."""
    bounds = [*(str(floatToGoString(bound)) for bound in metric.buckets), "+Inf"]  # type: ignore[no-untyped-call] # it has none
    counts = zip(bounds, [*total.buckets, total.count], strict=True)
    return [
        (bound, count, behind[place]) if place in behind else (bound, count)
        for place, (bound, count) in enumerate(counts)
    ]


def _exemplars(metric: Metric, newest: Mapping[str, list[Row]]) -> dict[tuple[str, ...], dict[int, Exemplar]]:
    """Return the newest span of each series of `metric` and bucket."""
    found: dict[tuple[str, ...], dict[int, Exemplar]] = {}
    shown = exemplars.SHOWN.get(measure(metric))
    if shown is None:
        return found
    for row in (row for operation in metric.operations for row in newest.get(operation, ())):
        value = row[shown]
        if value is None or not 0 <= value <= UNITS_MAX:
            continue
        ids = {"trace_id": row["trace_id"], "span_id": row["span_id"]}
        of_series = found.setdefault(_span_labels(metric, row), {})
        # The newest come first.
        of_series.setdefault(bisect_left(metric.buckets, value), Exemplar(ids, value, row["moment_s"]))
    return found


def _span_labels(metric: Metric, row: Row) -> tuple[str, ...]:
    if row.get("overflow"):
        return (OVERFLOW,) * (len(metric.labels) + 1)
    known = {**CONSTANT_LABELS, OPERATION_NAME: row["operation"]}
    found = (known.get(label, row["labels"].get(label.label, "")) for label in metric.labels)
    return (row["service"], *found)


def _by(key: str, rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found


def _label_values(metric: Metric, row: Row) -> list[str]:
    if row["overflow"]:
        return [OVERFLOW] * (len(metric.labels) + 1)
    return [row["service"], *(row["labels"].get(label.label, "") for label in metric.labels)]


def _family(metric: Metric, labels: list[str] | None = None) -> Any:
    names = labels if labels is not None else [SERVICE_NAME.label, *(label.label for label in metric.labels)]
    if metric.kind == "histogram":
        return HistogramMetricFamily(metric.prometheus, metric.about, labels=names)
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return kind(metric.prometheus.removesuffix("_total"), metric.about, labels=names)

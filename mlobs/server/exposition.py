"""Rows and counts as Prometheus families, named and labelled by the vocabulary.

A row of a metric the vocabulary does not have, or with other bucket bounds than it has now, is
left out. Series beyond the limit carry `__overflow__` in every label.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.utils import floatToGoString

from mlobs.semconv.attributes import OPERATION_NAME, SERVICE_NAME
from mlobs.semconv.metrics import DERIVED
from mlobs.semconv.rows import Metric
from mlobs.server.counts import Counts
from mlobs.server.derived import CONSTANT_LABELS, EMITTED, PARTS, measure
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

Row = Mapping[str, Any]


def of_spans(rows: Sequence[Row]) -> Iterator[Family]:
    """Return the families of the rows of `queries/metric_totals.sql`."""
    for metric in DERIVED:
        family = _family(metric)
        for labels, total in _totals(metric, rows).items():
            amount = (total.whole * PARTS + total.part) / PARTS
            if isinstance(family, HistogramMetricFamily):
                bounds = [str(floatToGoString(bound)) for bound in metric.buckets]  # type: ignore[no-untyped-call] # it has none
                family.add_metric(
                    labels, [*zip(bounds, total.buckets, strict=True), ("+Inf", total.count)], amount
                )
            else:
                family.add_metric(labels, amount)
        yield family


def of_programs(rows: Iterable[Row]) -> Iterator[Family]:
    """Return the families of the rows of `queries/metric_latest.sql`."""
    found = _by_metric(rows)
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
    for row in rows:
        if row["operation"] not in metric.operations or row["measure"] != measure(metric):
            continue
        if metric.buckets and tuple(row["bounds"]) != metric.buckets:
            continue
        total = found.setdefault(_span_labels(metric, row), _Total([0] * len(metric.buckets)))
        total.count += row["count"]
        total.whole += row["whole"]
        total.part += row["part"]
        total.buckets = [sum(pair) for pair in zip(total.buckets, row["buckets"], strict=False)]
    return found


def _span_labels(metric: Metric, row: Row) -> tuple[str, ...]:
    if row["overflow"]:
        return (OVERFLOW,) * (len(metric.labels) + 1)
    known = {**CONSTANT_LABELS, OPERATION_NAME: row["operation"]}
    found = (known.get(label, row["labels"].get(label.label, "")) for label in metric.labels)
    return (row["service"], *found)


def _by_metric(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["metric"], []).append(row)
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

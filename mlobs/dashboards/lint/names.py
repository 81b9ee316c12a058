"""What the vocabulary knows of a series' name: its labels, its kind and its unit."""

import re
from dataclasses import dataclass
from functools import cache

from mlobs.dashboards.queries import carried
from mlobs.semconv import attributes as a
from mlobs.semconv.foreign import FOREIGN
from mlobs.semconv.metrics import METRICS
from mlobs.semconv.recorded import RECORDED
from mlobs.semconv.rows import Metric, MetricKind, Series

SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("",), "gauge": ("",)}
# What Prometheus itself writes, with the labels every alert has.
NATIVE: dict[str, frozenset[str]] = {"ALERTS": frozenset({"alertname", "alertstate", "severity"})}
SCRAPED = frozenset({"__name__", "job", "instance"})
# Labels of every series: what the scraper adds, and what an exporter takes from the resource.
EVERYWHERE = SCRAPED | {"le", a.SERVICE_NAME.label}
COUNTS = "{call}"


# How names of resource attributes begin: exporters can copy any of them to every series.
RESOURCES = re.compile(r"(service|deployment|host|k8s|container|cloud|process|telemetry|os)_[a-z]")


def of_resources(label: str) -> frozenset[str]:
    """Return the label if it is one of resources, which any series may have.

    Not the service's name: what is not about a service has none, and a choice of one would empty it.
    """
    return frozenset({label}) if RESOURCES.match(label) and label != a.SERVICE_NAME.label else frozenset()


@dataclass(frozen=True, slots=True)
class Known:
    """A series' name.

    Args:
        labels: Every label it may have, those of scrapers included.
        kind: Of the metric it is a part of.
        unit: Of its values.
    """

    labels: frozenset[str]
    kind: MetricKind
    unit: str


def families() -> dict[str, frozenset[str]]:
    """Return the labels of every series name that our own metrics make."""
    known = {
        f"{metric.prometheus}{suffix}": frozenset(label.label for label in metric.labels)
        for metric in METRICS
        for suffix in SUFFIXES[metric.kind]
    }
    return known | NATIVE


@cache
def known() -> dict[str, Known]:
    """Return every series name: our own, those that rules record, those of others, Prometheus's own."""
    found = {name: Known(labels | SCRAPED, "gauge", COUNTS) for name, labels in NATIVE.items()}
    rows: list[Metric | Series] = [*METRICS, *RECORDED, *FOREIGN]
    for row in rows:
        for name in (row.prometheus, *(row.spellings if isinstance(row, Series) else ())):
            for suffix in SUFFIXES[row.kind]:
                found[f"{name}{suffix}"] = _known(row, suffix)
    return found


def _known(row: Metric | Series, suffix: str) -> Known:
    labels = SCRAPED | {label.label for label in carried(row)}
    if suffix == "_bucket":
        labels |= {"le"}
    return Known(labels, row.kind, COUNTS if suffix in {"_bucket", "_count"} else row.unit)


def bucket_unit(name: str) -> str:
    """Return the unit of what a histogram's buckets are of; "" for one that is not known."""
    sums = known().get(f"{name.removesuffix('_bucket')}_sum")
    return sums.unit if sums else ""


def grows(name: str) -> bool:
    """Tell whether a series only grows, and means nothing without a rate."""
    row = known().get(name)
    return row.kind != "gauge" if row else name.endswith(("_total", "_bucket", "_count", "_sum"))

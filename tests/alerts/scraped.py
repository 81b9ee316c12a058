"""What /metrics says of simulated calls, minute by minute, as series for promtool."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

import pytest

from mlobs.semconv.rows import Metric
from tests.alerts.simulated import Calls, spelled, store

exposition = pytest.importorskip("mlobs.server.exposition")


def stored_and_scraped(
    tables: Any, traffic: Iterable[Calls], metrics: Collection[Metric], minutes: int
) -> dict[str, list[float]]:
    """Store the calls and return the samples that the server makes of them.

    What each kind of call adds is read before and after; within its time it is spread evenly, as the calls
    are.
    """
    tables.writer.run("TRUNCATE TABLE metric_totals")
    found: dict[str, list[float]] = defaultdict(lambda: [0.0] * (minutes + 1))
    before: dict[str, float] = {}
    for one in traffic:
        store(tables, [one])
        after = _samples(tables, metrics)
        for name, value in after.items():
            each = (value - before.get(name, 0.0)) / (one.begin - one.end)
            for at in range(minutes + 1):
                found[name][at] += each * max(0, min(at, minutes - one.end) - (minutes - one.begin))
        before = after
    return found


def _samples(tables: Any, metrics: Collection[Metric]) -> dict[str, float]:
    names = {metric.prometheus.removesuffix("_total") for metric in metrics}
    rows = tables.store.named("metric_totals", {"series_max": exposition.SERIES_MAX})
    return {
        spelled(sample.name, {label: value for label, value in sample.labels.items() if value}): sample.value
        for family in exposition.of_spans(rows)
        if family.name in names
        for sample in family.samples
    }

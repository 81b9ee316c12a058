"""The vocabulary is whole, and spelled as Prometheus spells it."""

import re

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from mlobs.semconv.attributes import ATTRIBUTES
from mlobs.semconv.events import EVENTS
from mlobs.semconv.metrics import METRICS
from mlobs.semconv.spans import SPANS


def test_no_name_or_column_is_given_twice():
    """Two rows with one name would drift apart."""
    for rows in (ATTRIBUTES, METRICS, EVENTS):
        names = [row.name for row in rows]
        assert len(names) == len(set(names))
    columns = [row.column for row in ATTRIBUTES if row.column]
    assert len(columns) == len(set(columns))
    assert len({row.noun for row in SPANS}) == len(SPANS)


@pytest.mark.parametrize("row", [*ATTRIBUTES, *METRICS, *EVENTS], ids=lambda row: row.name)
def test_every_row_says_what_it_means(row):
    """One sentence, with a full stop."""
    assert re.fullmatch(r"\S.*\.", row.about)
    assert re.fullmatch(r"[a-z][a-z0-9_.]*", row.name)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_metrics_are_what_their_kind_asks_for(metric):
    """A histogram without buckets, or with a unit of 1, is spelled differently by every exporter."""
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert metric.unit in {"s", "By"} or re.fullmatch(r"\{[A-Za-z]+\}", metric.unit)
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("test")
    if metric.kind == "histogram":
        meter.create_histogram(metric.name, metric.unit).record(1)
    elif metric.kind == "counter":
        meter.create_counter(metric.name, metric.unit).add(1)
    else:
        meter.create_gauge(metric.name, metric.unit).set(1)
    [resource] = reader.get_metrics_data().resource_metrics
    assert resource.scope_metrics[0].metrics[0].name == metric.name


def test_prometheus_names_follow_the_specification():
    """Examples worked by hand from the specification."""
    spelled = {metric.name: metric.prometheus for metric in METRICS}
    assert spelled["gen_ai.client.inference.duration"] == "gen_ai_client_inference_duration_seconds"
    assert spelled["mlobs.cost.usd"] == "mlobs_cost_usd_total"
    assert spelled["mlobs.drift.change_start_timestamp"] == "mlobs_drift_change_start_timestamp_seconds"
    assert spelled["mlobs.server.received.bytes"] == "mlobs_server_received_bytes_total"
    assert len(set(spelled.values())) == len(spelled)

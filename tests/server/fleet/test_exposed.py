"""Which series have a place on /metrics when there are more than it shows."""

import time
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric
from mlobs.server.exposition import ASKED
from tests.server.otlp import post

HOUR_S = 3600


def send(
    server, service: str, metric: Metric, ref: str, *, age_s: float, bins: tuple[str, ...] = ("",)
) -> None:
    """Send a point of each bin, as old as that."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.add(key=a.SERVICE_NAME.name).value.string_value = service
    row = resource.scope_metrics.add().metrics.add(name=metric.name)
    if metric.kind == "counter":
        row.sum.aggregation_temporality, row.sum.is_monotonic = 2, True
    for name in bins:
        point = (row.sum if metric.kind == "counter" else row.gauge).data_points.add(as_double=1.0)
        point.time_unix_nano = round((time.time() - age_s) * 1e9)
        point.start_time_unix_nano = point.time_unix_nano - 10**9
        for key, text in ((a.PROFILE_REF, ref), (a.FEATURE, "age"), (a.BIN, name)):
            if text:
                point.attributes.add(key=key.name).value.string_value = text
    assert post(server.url, request.SerializeToString(), "metrics").status_code == 200


def shown(server, metric: Metric, **limits: int) -> list[dict[str, Any]]:
    server.drain()
    rows = server.store.named("metric_latest", {**ASKED, **limits})
    return [row for row in rows if row["metric"] == metric.name]


def counted(rows: list[dict[str, Any]]) -> float:
    """Return the sum of what counters counted; others may have sent a gauge of that name to this server."""
    return sum(row["counter"] or 0 for row in rows)


def refs(rows: list[dict[str, Any]], service: str) -> set[str]:
    return {row["labels"]["mlobs_profile_ref"] for row in rows if row["service"] == service}


def test_a_gauge_that_nobody_sends_takes_no_place_from_a_new_one(served):
    """Versions of a profile come and go; the alarm of the newest is what somebody waits for."""
    metric = m.DRIFT_ALARM
    others = sum(row["live"] > 0 for row in shown(served, metric))
    for ref in ("a1", "a2", "a3"):
        send(served, "aged", metric, ref, age_s=HOUR_S)
    send(served, "aged", metric, "z9", age_s=0)
    rows = shown(served, metric, series_max=others + 1)
    assert refs(rows, "aged") == {"z9"}
    assert not any(row["overflow"] for row in rows)


def test_bins_that_nobody_counts_any_more_make_room_for_those_that_somebody_does(served):
    """The newest of them go last, and what they counted stays in the sum of those without a place."""
    metric, bins = m.DRIFT_OBSERVATIONS, ("00", "01")
    others = sum(row["live"] > 0 for row in shown(served, metric))
    send(served, "binned", metric, "a1", age_s=2 * HOUR_S, bins=bins)
    send(served, "binned", metric, "a2", age_s=HOUR_S / 60 * 10, bins=bins)
    send(served, "binned", metric, "z9", age_s=0, bins=bins)
    whole = counted(shown(served, metric))
    assert refs(shown(served, metric), "binned") == {"a1", "a2", "z9"}
    for places, wanted in ((others + 2, {"z9"}), (others + 4, {"a2", "z9"})):
        rows = shown(served, metric, bins_max=places)
        assert refs(rows, "binned") == wanted
        assert counted(rows) == whole

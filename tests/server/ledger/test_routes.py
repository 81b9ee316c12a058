"""GET /api/ledger: what was sent to a real server, and what it says became of it."""

import os
import time
from datetime import UTC, datetime

import pytest
import requests
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.cli import main
from mlobs.semconv import attributes as a
from mlobs.semconv import loss
from mlobs.semconv import metrics as m
from mlobs.server.ledger.entries import read_entry
from tests.server.otlp import post, span

NS = 10**9


def ledger(server, **query):
    return requests.get(f"{server.url}/api/ledger", params=query, timeout=30).json()


def entry(found, hop, signal, place=""):
    every = [read_entry(one) for one in found["entries"]]
    [one] = [one for one in every if (one.hop, one.signal) == (hop, signal) and one.place.startswith(place)]
    return one


def grown(server, signal, before):
    now = entry(ledger(server), "server", signal)
    return now.came - before.came, now.way.sent - before.way.sent, (now.rows or 0) - (before.rows or 0)


def test_every_span_that_is_acknowledged_is_counted_and_stored(served):
    """Counted one by one when it comes, and by the engine when it is stored."""
    before = entry(ledger(served), "server", "traces")
    request = ExportTraceServiceRequest()
    for _ in range(7):
        span(request)
    assert post(served.url, request.SerializeToString()).status_code == 200
    assert post(served.url, b"nonsense").status_code == 400
    served.drain()
    assert grown(served, "traces", before) == (7, 7, 7)
    assert ledger(served)["missing"] == 0


def test_points_of_every_kind_are_counted(served):
    """One of each of the five, and a metric without any."""
    before = entry(ledger(served), "server", "metrics")
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    for number, kind in enumerate(("gauge", "sum", "histogram", "exponential_histogram", "summary"), 1):
        metric = metrics.add(name=f"a.{kind}")
        for _ in range(number):
            getattr(metric, kind).data_points.add(time_unix_nano=time.time_ns())
    metrics.add(name="empty")
    assert post(served.url, request.SerializeToString(), "metrics").status_code == 200
    served.drain()
    assert grown(served, "metrics", before) == (15, 15, 15)


def program(server, service, instance, began_s, at_s, **counted):
    """Send what a program says of itself."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    for key, text in (("service.name", service), ("service.instance.id", instance)):
        resource.resource.attributes.add(key=key).value.string_value = text
    metrics = resource.scope_metrics.add().metrics
    rows = {"made": loss.SDK_MADE, "exported": m.SDK_EXPORTED, "dropped": m.SDK_DROPPED}
    for name, row in rows.items():
        made = metrics.add(name=row.name)
        made.sum.aggregation_temporality, made.sum.is_monotonic = 2, True
        point = made.sum.data_points.add(as_int=counted.get(name, 0))
        point.start_time_unix_nano, point.time_unix_nano = round(began_s * NS), round(at_s * NS)
        if name == "dropped":
            point.attributes.add(key=a.SDK_DROPPED.name).value.string_value = "queue_full"
    waiting = metrics.add(name=loss.SDK_WAITING.name).gauge.data_points.add(as_int=counted.get("waiting", 0))
    waiting.time_unix_nano = round(at_s * NS)
    assert post(server.url, request.SerializeToString(), "metrics").status_code == 200
    server.drain()


def test_programs_are_told_apart_and_those_that_ended_are_added_up(served):
    """What one that was killed had in memory is lost, and it says so."""
    service, now = f"shop-{os.urandom(3).hex()}", time.time()
    program(served, service, "lives", now - 50, now, made=100, exported=90, dropped=4, waiting=6)
    for instance in ("dead-1", "dead-2"):
        program(served, service, instance, now - 5000, now - 4000, made=50, exported=40, waiting=10)
    found = ledger(served)
    lives = entry(found, "programs", "traces", f"{service} lives")
    assert (lives.came, lives.way.sent, lives.way.waiting) == (100, 90, 6)
    assert lives.way.dropped == {"queue_full": 4}
    ended = entry(found, "programs", "traces", f"{service}, ended")
    assert (ended.came, ended.way.sent, ended.way.dropped) == (100, 80, {"the program ended": 20})


@pytest.mark.slow
def test_from_a_time_on_programs_are_counted_by_their_growth(served):
    """One that is older grew from what it said first; one that is younger from nought."""
    service, now = f"shop-{os.urandom(3).hex()}", time.time()
    for at, made in ((-100, 1000), (-40, 1010), (-2, 1060)):
        program(served, service, "older", now - 5000, now + at, made=made, exported=made)
    program(served, service, "younger", now - 30, now - 2, made=8, exported=8)
    since = datetime.fromtimestamp(now - 60, UTC).isoformat()  # However long it took to send.
    found = ledger(served, **{"from": since})
    assert found["since_s"] == pytest.approx(now - 60, abs=1)
    older = entry(found, "programs", "traces", f"{service} older")
    younger = entry(found, "programs", "traces", f"{service} younger")
    assert (older.came, younger.came) == (50, 8)


def test_a_time_that_is_none_is_refused(served):
    """As everywhere in the API."""
    answer = requests.get(f"{served.url}/api/ledger", params={"from": "soon"}, timeout=30)
    assert answer.status_code == 400
    assert "a time such as" in answer.json()["error"]


def test_the_command_prints_the_server_s_side_where_there_are_no_collectors(served, capsys, monkeypatch):
    """A program that sends straight to the server has no other hop."""
    for hop in ("SIDECAR", "GATEWAY", "SAMPLER"):
        monkeypatch.setenv(f"MLOBS_{hop}_METRICS_PORT", "1")
    assert main(["doctor", "--loss", "--server", served.url]) in {0, 1}
    out = capsys.readouterr().out
    assert "server" in out
    assert "No sidecar answers at http://127.0.0.1:1/metrics" in out

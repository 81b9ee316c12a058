"""What the SDK counts adds up: what was made is exported, dropped, in memory or on the disk."""

import socket
import threading
import time

import pytest
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from mlobs.instrument.calls import begin, now_ns
from mlobs.instrument.context import Context
from mlobs.instrument.export import Exporter
from mlobs.instrument.log_queue import CountingProcessor
from mlobs.instrument.records import Records, counted_logs, counted_metrics
from mlobs.instrument.sites import Site
from mlobs.instrument.transport.http import HttpTransport
from mlobs.semconv import spans
from mlobs.settings import SdkSettings, load
from tests import sink as sinks

SITE = Site(spans.STEP, "step", {"mlobs.kind": "step"})


def offer(exporter, count):
    for _ in range(count):
        call = begin(SITE, Context())
        call.started_ns = call.ended_ns = now_ns()
        exporter.outbox.offer(call, keep=False)


def exporter_to(url, **settings):
    return Exporter(
        load(SdkSettings, **{"export_interval_s": 0.02, **settings}),
        HttpTransport(f"{url}/v1/traces", headers={}),
        resource=dict,
        version="0",
    )


def left(tally):
    """Return how many spans are nowhere."""
    there = tally.exported + sum(tally.dropped.values()) + tally.waiting + tally.spooled
    return tally.made + tally.unspooled - there


def nowhere():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_delivered_refused_and_overflowing_spans_add_up():
    """With an endpoint that takes some, refuses some for good, and a queue that is too short."""
    sink = sinks.start()
    sink.answers = [(400, {})]
    exporter = exporter_to(sink.url, queue_spans_max=50, export_interval_s=30)
    offer(exporter, 30)
    exporter.flush(10)
    offer(exporter, 80)
    tally = exporter.tally()
    lost = {reason: count for reason, count in tally.dropped.items() if count}
    assert (tally.made, tally.waiting, lost) == (110, 50, {"rejected": 30, "queue_full": 30})
    assert left(tally) == 0
    exporter.shutdown(10)
    tally = exporter.tally()
    assert (tally.exported, tally.waiting, left(tally)) == (50, 0, 0)


def test_spans_on_the_disk_are_counted_in_and_out(tmp_path):
    """Also where another process brings them: its own made is nought."""
    first = exporter_to(nowhere(), spool=tmp_path)
    offer(first, 20)
    first.shutdown(5)
    tally = first.tally()
    assert (tally.made, tally.spooled, tally.unspooled, left(tally)) == (20, 20, 0, 0)
    second = exporter_to(sinks.start().url, spool=tmp_path)
    assert second.flush(10)
    tally = second.tally()
    assert (tally.made, tally.exported, tally.unspooled, left(tally)) == (0, 20, 20, 0)
    second.shutdown(1)


@pytest.mark.slow
def test_under_load_no_span_ever_seems_to_be_missing():
    """What moves is counted at both places for a moment, never at none; and nothing counts backwards."""
    exporter = exporter_to(sinks.start().url)
    stop = threading.Event()

    def load_it():
        while not stop.is_set():
            offer(exporter, 20)
            time.sleep(0.001)

    makers = [threading.Thread(target=load_it) for _ in range(3)]
    for one in makers:
        one.start()
    made = 0
    until = time.monotonic() + 3
    while time.monotonic() < until:
        tally = exporter.tally()
        assert left(tally) <= 0
        assert tally.made >= made
        made = tally.made
    stop.set()
    for one in makers:
        one.join()
    exporter.shutdown(10)
    assert left(exporter.tally()) == 0


class Slow:
    """An exporter of log records that waits until it may go on."""

    def __init__(self):
        self.go = threading.Event()

    def export(self, batch):
        from opentelemetry.sdk._logs.export import LogRecordExportResult

        self.go.wait(10)
        return LogRecordExportResult.SUCCESS

    def shutdown(self):
        """Do nothing."""


def test_log_records_that_do_not_fit_are_counted():
    """The SDK's own queue would drop the oldest, and nobody would know."""
    records, slow = Records("logs"), Slow()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(CountingProcessor(counted_logs(slow, records), records, 10))
    log = provider.get_logger("tests")
    for _ in range(100):
        log.emit(body="x")
    assert records.made == 100
    assert records.dropped["queue_full"] >= 80
    slow.go.set()
    provider.shutdown()
    assert records.exported + records.dropped["queue_full"] == 100
    assert records.waiting() == 0


def dropped_logs(exporter):
    """Return why a log record is lost that an exporter cannot deliver."""
    records = Records("logs")
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(counted_logs(exporter, records)))
    provider.get_logger("tests").emit(body="x")
    provider.shutdown()
    return {reason: count for reason, count in records.dropped.items() if count}


@pytest.mark.parametrize(("status", "reason"), [(400, "rejected"), (401, "rejected"), (503, "unreachable")])
def test_log_records_that_an_endpoint_refuses_are_told_from_those_it_wants_later(status, reason):
    sink = sinks.start()
    sink.answers = [(status, {})]
    assert dropped_logs(OTLPLogExporter(f"{sink.url}/v1/logs", timeout=0.5)) == {reason: 1}


def test_log_records_that_nobody_listened_for_were_not_refused():
    """Over either protocol; the SDK waits a second between tries, so that there is one."""
    assert dropped_logs(OTLPLogExporter(f"{nowhere()}/v1/logs", timeout=0.5)) == {"unreachable": 1}
    assert dropped_logs(GrpcLogs(nowhere(), timeout=0.5, insecure=True)) == {"unreachable": 1}


def test_metric_points_that_nobody_listened_for_were_not_refused():
    records = Records("metrics")
    exporter = counted_metrics(OTLPMetricExporter(f"{nowhere()}/v1/metrics", timeout=0.5), records)
    meters = MeterProvider([PeriodicExportingMetricReader(exporter)], shutdown_on_exit=False)
    meters.get_meter("tests").create_counter("c").add(1)
    meters.force_flush()
    meters.shutdown()
    assert set(records.reasons) == {"unreachable", "rejected", "mistake"}
    assert records.dropped["unreachable"] >= 1
    assert records.dropped["rejected"] == 0

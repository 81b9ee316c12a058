"""Delivery: what happens when the endpoint is slow, rude or gone."""

import gzip
import logging
import threading
import time

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from mlobs.instrument import outbox
from mlobs.instrument.calls import Call, begin, now_ns
from mlobs.instrument.context import Context
from mlobs.instrument.export import Exporter
from mlobs.instrument.records import Records
from mlobs.instrument.sites import Site
from mlobs.instrument.tallies import observe_records, observe_spans
from mlobs.instrument.transport import spool
from mlobs.instrument.transport.http import HttpTransport
from mlobs.semconv import attributes as a
from mlobs.semconv import loss, spans
from mlobs.semconv import metrics as m
from mlobs.settings import SdkSettings, load
from tests import sink as sinks

SITE = Site(spans.STEP, "step", {"mlobs.kind": "step"})


def call() -> Call:
    made = begin(SITE, Context())
    made.started_ns = now_ns()
    made.ended_ns = now_ns()
    return made


@pytest.fixture
def sink():
    """A sink of its own, so that its answers are for this test only."""
    return sinks.start()


@pytest.fixture
def exporter_to():
    """Make exporters, and stop them after the test."""
    made = []

    def make(url: str, **settings: object) -> Exporter:
        made.append(
            Exporter(
                load(SdkSettings, **{"export_interval_s": 0.02, **settings}),
                HttpTransport(
                    f"{url}/v1/traces",
                    headers={"X-Team": "ml"},
                    compression=str(settings.get("compression", "none")),
                ),
                resource=lambda: {"service.name": "s"},
                version="0",
            )
        )
        return made[-1]

    yield make
    for exporter in made:
        exporter.shutdown(0.2)


def test_everything_queued_before_a_flush_is_out_after_it(sink, exporter_to):
    """Scripts and serverless functions end right after."""
    exporter = exporter_to(sink.url)
    for _ in range(5000):
        exporter.outbox.offer(call(), keep=False)
    assert exporter.flush(10)
    assert len(sink.spans()) == exporter.exported == 5000
    assert exporter.dropped == {}


@pytest.mark.slow
def test_an_endpoint_that_is_busy_is_tried_again(sink, exporter_to):
    """With the pause it asked for."""
    sink.answers = [(503, {"Retry-After": "1"}), (429, {"Retry-After": "0"})]
    exporter = exporter_to(sink.url)
    exporter.outbox.offer(call(), keep=False)
    assert exporter.flush(60)
    assert (len(sink.spans()), exporter.dropped) == (1, {})


@pytest.mark.parametrize("status", [400, 401, 404, 302])
def test_a_refusal_is_final_and_counted(sink, exporter_to, caplog, status):
    """Sending the same bytes again would not help; the log says why once."""
    sink.answers = [(status, {"Location": "http://127.0.0.1:1/"})]
    exporter = exporter_to(sink.url)
    exporter.outbox.offer(call(), keep=False)
    assert not exporter.flush(5)
    assert exporter.dropped == {"rejected": 1}
    assert f"answered {status}" in caplog.text


def test_a_batch_that_is_too_large_is_split(sink, exporter_to):
    """413 means smaller, not never."""
    exporter = exporter_to(sink.url, export_interval_s=30)
    for _ in range(8):
        exporter.outbox.offer(call(), keep=False)
    sink.answers = [(413, {}), (413, {})]
    assert exporter.flush(5)
    assert (len(sink.spans()), len(sink.bodies)) == (8, 3)


def test_without_an_endpoint_the_program_runs_as_before(exporter_to, caplog):
    """One warning, no exception, and the program's end is not held up."""
    exporter = exporter_to("http://127.0.0.1:9", queue_spans_max=100)
    began = time.monotonic()
    for _ in range(1000):
        exporter.outbox.offer(call(), keep=False)
    assert time.monotonic() - began < 5
    time.sleep(0.1)
    assert not exporter.shutdown(5)
    assert time.monotonic() - began < 5
    assert sum(exporter.dropped.values()) == 1000
    assert exporter.dropped["queue_full"] >= 800
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.slow
def test_an_endpoint_that_never_answers_does_not_hold_up_the_end(sink, exporter_to):
    """A hung collector must not hang a deployment."""
    hang = threading.Event()
    sink.answers = [lambda _: hang.wait(20)] * 5
    exporter = exporter_to(sink.url, timeout_s=30)
    exporter.outbox.offer(call(), keep=False)
    time.sleep(0.1)
    began = time.monotonic()
    assert not exporter.flush(0.2)
    exporter.shutdown(0.5)
    assert time.monotonic() - began < 3
    hang.set()


def test_nobody_is_waited_for_after_the_end(sink, exporter_to):
    """What a program does at its exit comes in any order."""
    exporter = exporter_to(sink.url)
    assert exporter.shutdown(60)
    assert exporter.flush(86_400)


def test_rejected_spans_of_a_partial_success_are_counted(sink, exporter_to):
    """An endpoint may take a request and not all of its spans."""

    def partial(handler):
        answer = b"\x0a\x02\x08\x03"  # ExportTraceServiceResponse{partial_success{rejected_spans: 3}}
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)

    exporter = exporter_to(sink.url, export_interval_s=30)
    for _ in range(5):
        exporter.outbox.offer(call(), keep=False)
    sink.answers = [partial]
    assert not exporter.flush(5)
    assert (exporter.exported, exporter.dropped) == (2, {"rejected": 3})


def test_an_answer_without_end_is_read_to_a_limit(sink, exporter_to):
    """A gigabyte of answer, or a compressed bomb, must not fill memory."""

    def bomb(handler):
        body = gzip.compress(b"\0" * (64 << 20))
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    sink.answers = [bomb]
    exporter = exporter_to(sink.url)
    exporter.outbox.offer(call(), keep=False)
    assert exporter.flush(20)
    assert exporter.exported == 1


@pytest.mark.parametrize("compression", ["gzip", "deflate", "zstd"])
def test_compression_is_an_option(sink, exporter_to, compression):
    """Not on loopback, where it costs as much as the encoding."""
    exporter = exporter_to(sink.url, compression=compression)
    exporter.outbox.offer(call(), keep=False)
    assert exporter.flush(5)
    assert len(sink.spans()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("after", ["0", "1"])
def test_a_busy_endpoint_is_not_hammered_at_the_end(sink, exporter_to, after):
    """A thousand programs that end at once must not take the server down."""
    sink.answers = [(503, {"Retry-After": after})] * 1000
    exporter = exporter_to(sink.url, export_interval_s=30)
    exporter.outbox.offer(call(), keep=False)
    assert not exporter.shutdown(4)
    assert len(sink.answers) > 990
    assert exporter.dropped == {"unreachable": 1}


def test_an_answer_that_is_cut_short_counts_by_its_status(sink, exporter_to):
    """Its body says nothing we need."""

    def cut(handler):
        handler.send_response(503)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"too li")
        handler.close_connection = True

    sink.answers = [cut]
    exporter = exporter_to(sink.url)
    exporter.outbox.offer(call(), keep=False)
    assert exporter.flush(10)
    assert (len(sink.spans()), exporter.dropped) == (1, {})


def test_drops_are_counted_right_from_many_threads(exporter_to):
    """Loss that is not counted is not known."""
    exporter = exporter_to("http://127.0.0.1:9", queue_spans_max=1, export_interval_s=30)
    exporter.outbox.offer(call(), keep=False)
    made = call()

    def offer():
        for _ in range(20_000):
            exporter.outbox.offer(made, keep=False)

    threads = [threading.Thread(target=offer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert exporter.dropped["queue_full"] == 80_000


def test_what_was_not_lost_is_counted_from_the_start(sink, exporter_to, tmp_path):
    """A counter that begins at 500 has not grown, for Prometheus: the first burst would be seen by nobody."""
    exporter = exporter_to(sink.url, spool=tmp_path)
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("m")
    logs = Records("logs")
    observe_spans(meter, exporter.tally)
    observe_records(meter, lambda: [logs])
    [scope] = reader.get_metrics_data().resource_metrics[0].scope_metrics
    lost = {
        (metric.name, point.attributes[a.SDK_DROPPED.name]): point.value
        for metric in scope.metrics
        if metric.name in {m.SDK_DROPPED.name, loss.SDK_RECORDS_DROPPED.name}
        for point in metric.data.data_points
    }
    assert lost == {
        **{(m.SDK_DROPPED.name, reason): 0 for reason in (*outbox.REASONS, *spool.REASONS)},
        **{(loss.SDK_RECORDS_DROPPED.name, reason): 0 for reason in logs.reasons},
    }
    exporter.outbox.drop("queue_full", 3)
    assert exporter.tally().dropped["queue_full"] == 3
    assert set(exporter.dropped) <= set(exporter.tally().dropped)


def test_a_spool_that_cannot_be_is_said_at_the_start(sink, exporter_to, caplog, tmp_path):
    """Once spans are lost it is too late; and a folder that can be is not worth a word."""
    exporter_to(sink.url, spool=tmp_path / "fine")
    assert caplog.records == []
    (tmp_path / "file").write_text("")
    exporter_to(sink.url, spool=tmp_path / "file" / "spool")
    [record] = caplog.records
    told = f"MLOBS_SPOOL={tmp_path / 'file' / 'spool'} cannot be used: Not a directory. "
    assert record.getMessage().startswith(told)

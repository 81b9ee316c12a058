"""What a program says at its end about spans that are lost: all of them, and what would have helped."""

import threading
from concurrent.futures import ThreadPoolExecutor

import certifi
import grpc
import pytest

from mlobs.instrument.losses import WHY, sentence
from mlobs.instrument.outbox import REASONS
from mlobs.instrument.transport.answers import Answer
from mlobs.instrument.transport.spool import REASONS as SPOOL_REASONS
from tests import sink as sinks
from tests.certificates import signed
from tests.instrument.takers import Taker, tls_sink

PROGRAM = """
import os, mlobs
mlobs.init("ending", endpoint=os.environ["SINK"])
@mlobs.tool
def work(n): return n
for n in range(int(os.environ["COUNT"])): work(n)
mlobs.score("of a program", 1, trace_id="0" * 31 + "1")
mlobs.shutdown(float(os.environ["SECONDS"]))
"""
AT = "http://h/v1/traces"


@pytest.fixture
def sink():
    """A sink of its own, for the programs of this test only."""
    return sinks.start()


def told(run_program, url, count, seconds=3.0, **variables):
    """Return the last line of a program that made so many spans."""
    done = run_program(PROGRAM, SINK=url, COUNT=str(count), SECONDS=str(seconds), **variables)
    assert done.returncode == 0
    return done.stderr.splitlines()[-1] if done.stderr else ""


def busy(handler):
    said = b"the journal is full"
    handler.send_response(503)
    handler.send_header("Content-Length", str(len(said)))
    handler.end_headers()
    handler.wfile.write(said)


@pytest.mark.slow
def test_all_spans_that_a_busy_endpoint_did_not_take_are_told(sink, run_program):
    """More than one request holds, of which only one was tried."""
    sink.answers = [busy] * 1000
    last = told(run_program, sink.url, 3000)
    assert last.startswith("3000 spans were lost (")
    assert last.endswith(f"{sink.url}/v1/traces does not take spans (503: the journal is full).")


@pytest.mark.slow
@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
def test_all_that_a_busy_grpc_endpoint_did_not_take_is_told(run_program, code):
    """It says why, too."""
    taker = Taker()
    taker.answers = [(grpc.StatusCode[code], "the journal is full")] * 1000
    server = grpc.server(ThreadPoolExecutor(2), handlers=[taker])
    at = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    last = told(run_program, at, 3000, OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    server.stop(0).wait()
    assert last.startswith("3000 spans were lost")
    assert f": {at} does not take spans ({code}: the journal is full)." in last


@pytest.mark.slow
def test_spans_that_found_no_place_to_wait_are_told_too(sink, run_program):
    """They were lost long before the end."""
    last = told(run_program, sink.url, 3000, MLOBS_QUEUE_SPANS_MAX="1000", MLOBS_EXPORT_INTERVAL_S="60")
    assert last == (
        "2000 spans were lost: they came faster than they went. MLOBS_QUEUE_SPANS_MAX lets more wait."
    )
    assert len(sink.spans()) == 1000


@pytest.mark.slow
def test_refused_spans_are_told_with_the_refusal(sink, run_program):
    """A wrong token loses everything, and nothing waits."""
    sink.answers = [(401, {})] * 100
    assert told(run_program, sink.url, 3000) == (
        f"3000 spans were lost: {sink.url}/v1/traces answered 401. "
        "OTEL_EXPORTER_OTLP_HEADERS sends a token: authorization=Bearer%20TOKEN."
    )


@pytest.mark.slow
def test_spans_under_way_to_an_endpoint_that_never_answers_are_told(sink, run_program):
    """They may have come; nobody knows."""
    hang = threading.Event()
    sink.answers = [lambda _: hang.wait(60)] * 10
    last = told(run_program, sink.url, 3000, 1.5)
    hang.set()
    assert last.startswith("3000 spans were lost (")
    assert "no answer in time" in last


@pytest.mark.slow
def test_an_untrusted_certificate_is_told_and_either_variable_trusts_it(run_program, tmp_path):
    """Metrics and logs go through other exporters, which are told too, whatever `requests` is to trust."""
    made = signed(tmp_path, "localhost")
    chain, key = made.chain, made.key
    with (takes := tls_sink(key, chain)) as url:
        base = url.removesuffix("/v1/traces")
        last = told(run_program, base, 1)
        assert last.startswith(f"1 span was lost: {url} does not take spans (its certificate is not trusted")
        assert last.endswith(
            " OTEL_EXPORTER_OTLP_CERTIFICATE or MLOBS_CERTIFICATE names a file of certificates to trust."
        )
        for variable in ("OTEL_EXPORTER_OTLP_CERTIFICATE", "MLOBS_CERTIFICATE"):
            takes.paths.clear()
            given = {variable: str(chain), "REQUESTS_CA_BUNDLE": certifi.where()}
            assert told(run_program, base, 1, **given) == ""
            assert takes.paths == {"/v1/traces", "/v1/metrics", "/v1/logs"}


def test_nothing_is_said_where_nothing_is_lost():
    """A program's end is quiet."""
    assert sentence({"queue_full": 0}, Answer("accepted"), AT) == ""


def test_every_reason_for_a_loss_has_its_words():
    """Those of the counts, and one that is only known at the end."""
    assert set(WHY) == {*REASONS, *SPOOL_REASONS, "unanswered"}


@pytest.mark.parametrize(
    ("lost", "last", "why"),
    [
        ({"shutdown": 2}, None, "the time for sending them was over. mlobs.shutdown(seconds) allows more."),
        ({"unanswered": 2}, None, f"{AT} gave no answer in time. Look at the log of what listens there."),
        (
            {"unreachable": 2},
            Answer("accepted"),
            f"{AT} was away for too long. MLOBS_SPOOL keeps more on the disk.",
        ),
        (
            {"spool_full": 2},
            Answer("accepted"),
            f"{AT} was away for too long. MLOBS_SPOOL_BYTES_MAX keeps more on the disk.",
        ),
        (
            {"rejected": 2},
            Answer("accepted", refused=2, words="too old"),
            f"{AT} refused 2 of the spans of a request and said: too old.",
        ),
        ({"rejected": 2}, Answer("accepted"), "they were refused. The log said why when it happened."),
        ({"rejected": 2}, Answer("split", words="413: too large."), f"{AT} answered 413: too large."),
    ],
)
def test_the_remedy_is_that_of_the_last_answer_else_of_the_loss(lost, last, why):
    """To start a server helps only where there is none."""
    assert sentence(lost, last, AT) == f"2 spans were lost: {why}"

"""How requests reach an endpoint: HTTP and gRPC, TLS, servers that misbehave, a spool meanwhile."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import requests

from mlobs._extras import pip_install
from mlobs.errors import MissingExtraError, SettingError
from mlobs.instrument.transport import answers
from mlobs.instrument.transport.choice import headers_of, transport_of
from mlobs.instrument.transport.grpc import GrpcTransport
from mlobs.instrument.transport.http import HttpTransport
from mlobs.settings import SdkSettings, load
from tests import sink as sinks
from tests.certificates import signed
from tests.instrument.takers import BODY, Taker, tls_sink


@pytest.fixture
def taker():
    """A gRPC server."""
    handler = Taker()
    server = grpc.server(ThreadPoolExecutor(2), handlers=[handler])
    handler.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield handler
    server.stop(0).wait()


def to(taker, **settings):
    return GrpcTransport(f"http://127.0.0.1:{taker.port}", headers={"X-Team": "ml"}, **settings)


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_grpc_delivers_what_it_is_given(taker, compression):
    """The bytes are those that HTTP would carry."""
    assert to(taker, compression=compression).post(b"\x0a\x00" * 500, 5) == answers.Answer("accepted")
    assert taker.bodies == [b"\x0a\x00" * 500]
    assert taker.metadata[0]["x-team"] == "ml"


@pytest.mark.parametrize(
    ("code", "words", "outcome"),
    [
        ("RESOURCE_EXHAUSTED", "slow down", "retry"),
        ("RESOURCE_EXHAUSTED", "Received message larger than max (5 vs. 4)", "split"),
        ("ABORTED", "", "retry"),
        ("DATA_LOSS", "", "retry"),
        ("UNAVAILABLE", "away", "unreachable"),
        ("INVALID_ARGUMENT", "no OTLP", "rejected"),
        ("UNAUTHENTICATED", "who are you", "rejected"),
    ],
)
def test_grpc_statuses_mean_what_otlp_says(taker, code, words, outcome):
    """Trying again what is refused, or dropping what is only late, are both losses."""
    taker.answers = [(grpc.StatusCode[code], words)]
    answer = to(taker).post(BODY, 5)
    assert answer.outcome == outcome
    assert code in answer.words


def test_grpc_counts_what_a_partial_success_refused(taker):
    """An endpoint may take a request and not all of its spans."""
    assert to(taker).post(b"partial", 5).refused == 3


def test_a_grpc_endpoint_that_is_not_there_or_hangs_costs_the_timeout(taker):
    """And nothing else."""
    gone = GrpcTransport("http://127.0.0.1:9", headers={})
    began = time.monotonic()
    assert gone.post(BODY, 1).outcome in {"unreachable", "retry"}
    assert time.monotonic() - began < 10


def test_settings_choose_the_transport(monkeypatch):
    """The names are OpenTelemetry's."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "a=b%20c,broken,d=e")
    assert headers_of("a=b%20c,broken,d=e") == {"a": "b c", "d": "e"}
    plain = transport_of(load(SdkSettings))
    assert isinstance(plain, HttpTransport)
    assert plain.address == "http://127.0.0.1:4318/v1/traces"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1234/mine")
    assert transport_of(load(SdkSettings)).address == "http://127.0.0.1:1234/mine"
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    assert transport_of(load(SdkSettings)).address == "http://127.0.0.1:4317"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:5555")
    assert transport_of(load(SdkSettings)).address == "http://127.0.0.1:5555"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")
    with pytest.raises(SettingError, match="cannot be used with gRPC: one of none, gzip, deflate"):
        transport_of(load(SdkSettings))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon")
    with pytest.raises(SettingError, match="OTEL_EXPORTER_OTLP_PROTOCOL='carrier-pigeon' cannot be used"):
        load(SdkSettings)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ("authorization=Bearer ключ-s3cret", "'authorization' has a value that no header can have"),
        ("a=b%0d%0ainjected: s3cret", "'a' has a value that no header can have"),
        ("a b=s3cret", "'a b' is no name of a header"),
        ("=s3cret", "'' is no name of a header"),
    ],
)
def test_headers_that_cannot_be_sent_are_told_at_once_without_their_values(headers, words):
    """Each request would fail for a reason that nobody sees, until the program ends."""
    with pytest.raises(SettingError) as error:
        headers_of(headers)
    assert str(error.value).startswith(f"OTEL_EXPORTER_OTLP_HEADERS cannot be used: {words}.")
    assert "s3cret" not in str(error.value)


def test_a_compression_that_is_not_installed_is_said_at_once(monkeypatch):
    """Not after the first spans are lost."""
    import sys

    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression", None)
    with pytest.raises(MissingExtraError, match=re.escape(pip_install("zstd"))):
        HttpTransport("http://127.0.0.1:1", headers={}, compression="zstd")


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [("7", 7, 7), ("Wed, 21 Oct 2037 07:28:00 GMT", 1e7, 1e9), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0)],
)
def test_retry_after_is_read_as_seconds_or_date(header, low, high):
    """Both are in use."""
    from mlobs.instrument.transport.http import answered

    told = answered(503, header, b"").retry_after_s
    assert low <= told <= high
    for odd in ("soon", "Mon, 01 Jan 99999999999999999 00:00:00 GMT"):
        assert answered(503, odd, b"").retry_after_s is None


def test_pauses_grow_to_a_limit_and_keep_to_what_was_asked():
    """A thousand clients that wait the same time come at the same time."""
    backoff = answers.Backoff()
    pauses = [backoff.pause_s() for _ in range(10)]
    assert 0.4 <= pauses[0] <= 0.6
    assert 24 <= pauses[-1] <= 36
    assert backoff.pause_s(100.0) == 100.0
    assert backoff.pause_s(1e9) == answers.TOLD_S_MAX
    backoff.reset()
    assert backoff.pause_s() <= 0.6


def test_a_connection_the_server_has_closed_meanwhile_is_opened_again():
    """Load balancers close idle connections; that is no outage."""
    sink = sinks.start()
    transport = HttpTransport(f"{sink.url}/v1/traces", headers={})
    for _ in range(3):
        sink.answers = [(200, {"Connection": "close"})]
        assert transport.post(BODY, 5).outcome == "accepted"
    assert len(sink.bodies) == 3


def test_tls_with_a_certificate_of_ones_own(tmp_path):
    """Inside companies certificates are their own."""
    made = signed(tmp_path, "localhost")
    key, certificate = made.key, made.chain
    handler = Taker()
    server = grpc.server(ThreadPoolExecutor(1), handlers=[handler])
    pair = (key.read_bytes(), certificate.read_bytes())
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    trusted = GrpcTransport(f"https://localhost:{port}", headers={}, certificate=str(certificate))
    assert trusted.post(BODY, 5).outcome == "accepted"
    assert GrpcTransport(f"https://localhost:{port}", headers={}).post(BODY, 1).outcome != "accepted"
    server.stop(0).wait()
    with tls_sink(key, certificate) as url:
        assert (
            HttpTransport(url, headers={}, certificate=str(certificate)).post(BODY, 5).outcome == "accepted"
        )
        assert HttpTransport(url, headers={}).post(BODY, 5).outcome == "unreachable"


@pytest.mark.slow
def test_spans_survive_an_outage_and_a_restart_on_the_disk(run_program, tmp_path):
    """The endpoint is away, the process ends; the next one brings them when it is back."""
    program = """
import os, mlobs
mlobs.init("spooling", endpoint=os.environ["SINK"])
@mlobs.tool
def work(n): return n
for n in range(int(os.environ["COUNT"])): work(n)
print(mlobs.flush(float(os.environ["FLUSH_S"])))
"""
    folder = tmp_path / "spool"
    away = run_program(program, SINK="http://127.0.0.1:9", COUNT="30", FLUSH_S="10", MLOBS_SPOOL=str(folder))
    assert (away.returncode, away.stdout) == (0, "False\n")
    assert "spans were lost" not in away.stderr
    assert len(list(folder.iterdir())) >= 1
    sink = sinks.start()
    back = run_program(program, SINK=sink.url, COUNT="5", FLUSH_S="60", MLOBS_SPOOL=str(folder))
    assert (back.returncode, back.stdout, back.stderr) == (0, "True\n", "")
    assert len(sink.spans()) == 35
    assert len({span.span_id for span in sink.spans()}) == 35
    assert list(folder.iterdir()) == []


def test_everything_goes_over_grpc_where_that_is_asked_for(taker, run_program):
    """Spans, metrics and logs."""
    done = run_program(
        """
import os, mlobs
mlobs.init("calls", endpoint=os.environ["SINK"])
mlobs.tool(len, name="measure")("abc")
""",
        SINK=f"http://127.0.0.1:{taker.port}",
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
    )
    assert done.returncode == 0, done.stderr
    [span] = sinks.read_spans(b"".join(taker.bodies))
    assert span.name == "execute_tool measure"


def test_the_answer_of_requests_to_a_refused_connection_is_known():
    """`_was_kept` reads exceptions' names; a refused connection must not be tried twice at once."""
    from mlobs.instrument.transport.http import _was_kept

    with pytest.raises(requests.ConnectionError) as refused:
        requests.post("http://127.0.0.1:9", timeout=1)
    assert not _was_kept(refused.value)


@pytest.mark.slow
def test_posting_starts_no_threads(run_program):
    """A library that does would lose what is delivered at a program's end: Python 3.12 starts none then."""
    sink = sinks.start()
    done = run_program(
        """import os, threading
import mlobs

mlobs.init("quiet", endpoint=os.environ["SINK"], metrics="process")
mlobs.tool(lambda: 1, name="work")()
before = set(threading.enumerate())
assert mlobs.flush()
print([one.name for one in set(threading.enumerate()) - before])
""",
        SINK=sink.url,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
    assert sink.signals() >= {"/v1/traces", "/v1/metrics"}

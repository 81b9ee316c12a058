"""The built collector between the SDK and what receives: nothing lost, nothing leaked."""

import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from mlobs.cli.collector.configurations import CONFIGURATIONS, SINKS
from mlobs.semconv import attributes as a
from tests import sink
from tests.collectors import sidecar
from tests.collectors.files import collector
from tests.collectors.validated import GOOD
from tests.processes import free_port, server
from tests.waiting import until

# The first run on a machine compiles the collector.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
KEY = "sk-" + "proj-" + "a1B2" * 8


@pytest.fixture
def receiver():
    return sink.start()


def provider(address):
    """Return an SDK that sends each span at once, and waits for the acknowledgement."""
    made = TracerProvider(resource=Resource.create({a.SERVICE_NAME.name: "shop"}))
    made.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{address}/v1/traces", timeout=60)))
    return made


def send(address, count, name="step"):
    """Send `count` spans in one trace and return their ids."""
    made = provider(address)
    tracer = made.get_tracer("test")
    with tracer.start_as_current_span(name) as parent:
        ids = [parent.get_span_context().span_id]
        for number in range(count - 1):
            with tracer.start_as_current_span(name, attributes={"number": number}) as span:
                ids.append(span.get_span_context().span_id)
    made.shutdown()
    return {format(id_, "016x") for id_ in ids}


def test_every_span_arrives_once(tmp_path, receiver):
    """The queue is on disk and sends in batches: neither may lose or double a span."""
    with sidecar.running(tmp_path, receiver.url) as running:
        sent = send(running.http, 200)
        arrived = receiver.named("step", count=200)
    assert {span.span_id for span in arrived} == sent
    assert len({span.trace_id for span in arrived}) == 1
    assert arrived[0].resource[a.SERVICE_NAME.name] == "shop"
    assert arrived[0].resource["host.name"]


def trace(url, trace_id, spans, within_s=120):
    """Return a trace of the server once it has so many spans."""
    until = time.monotonic() + within_s
    while True:
        with contextlib.suppress(urllib.error.HTTPError):  # 404 until it is loaded
            found = json.load(urllib.request.urlopen(f"{url}/api/traces/{trace_id}", timeout=60))["spans"]
            if len(found) >= spans or time.monotonic() > until:
                return found
        assert time.monotonic() < until, f"the server does not have trace {trace_id}"
        time.sleep(0.1)


PROGRAM = """
import sys, mlobs
mlobs.init("shop", endpoint=sys.argv[1])

@mlobs.llm(model="gpt-4o-mini", provider="openai")
def answer(number):
    mlobs.set({"note": sys.argv[2]})
    mlobs.usage({"prompt_tokens": 1000 + number, "completion_tokens": 7})

@mlobs.agent
def shop():
    for number in range(40):
        answer(number)

shop()
mlobs.flush(60)
mlobs.shutdown()
"""


def test_what_the_sdk_made_is_what_the_server_stored(tmp_path):
    """Decorators, sidecar, server: each span once, its tokens exact, the secret nowhere."""
    with server(tmp_path) as url, sidecar.running(tmp_path, url) as running:
        command = [sys.executable, "-c", PROGRAM, running.http, KEY]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        traces = until(lambda: json.load(urllib.request.urlopen(f"{url}/api/traces", timeout=60))["traces"])
        spans = trace(url, traces[0]["trace_id"], 41)
    assert len(spans) == 41
    assert len({span["span_id"] for span in spans}) == 41
    calls = [span for span in spans if span["noun"] == "llm"]
    assert sorted(span["input_tokens"] for span in calls) == list(range(1000, 1040))
    assert {span["service"] for span in spans} == {"shop"}
    assert {span["attributes"]["note"] for span in calls} == {"[removed: api key]"}  # by the SDK already
    assert KEY not in json.dumps(spans)


def test_secrets_stay_and_token_counts_pass(tmp_path, receiver):
    """What is masked leaves a count, never the value; numbers that cost rests on are untouched."""
    with sidecar.running(tmp_path, receiver.url) as running:
        made = provider(running.http)
        with (
            contextlib.suppress(ValueError),
            made.get_tracer("test").start_as_current_span(f"chat {KEY}") as span,
        ):
            span.set_attribute(a.INPUT_TOKENS.name, 1234)
            span.set_attribute(a.CACHE_READ_TOKENS.name, 34)
            span.set_attribute(a.OPERATION_NAME.name, "chat")
            span.set_attribute("http.request.header.authorization", "Basic dXNlcjpwYXNz")
            span.set_attribute("prompt", f"use the key {KEY} please")
            span.add_event("note", {"text": f"Bearer {'abcdef0123456789' * 2}"})
            raise ValueError(f"bad key {KEY}")
        made.shutdown()
        (seen,) = receiver.named("chat ****")
    bodies = b"".join(body for _, body in receiver.bodies)
    assert KEY.encode() not in bodies
    assert b"abcdef0123456789" not in bodies
    assert b"dXNlcjpwYXNz" not in bodies
    assert seen.attributes[a.INPUT_TOKENS.name] == 1234
    assert seen.attributes[a.CACHE_READ_TOKENS.name] == 34
    assert seen.attributes[a.OPERATION_NAME.name] == "chat"
    assert seen.attributes["prompt"] == "use the key **** please"
    assert seen.attributes["redaction.masked.count"] == 2
    assert "redaction.ignored.count" not in seen.attributes
    assert seen.message == "ValueError: bad key ****"
    exception = dict(seen.events)[a.EXCEPTION_TYPE.name.split(".")[0]]
    assert exception[a.EXCEPTION_MESSAGE.name] == "bad key ****"


def test_a_crash_loses_nothing_that_was_acknowledged(tmp_path, receiver):
    """The server is down, the sidecar is killed, both come back: all spans are there."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    with sidecar.running(tmp_path, nowhere) as running:
        sent = send(running.http, 50)
        running.kill()
    with sidecar.running(tmp_path, receiver.url):
        until(lambda: {span.span_id for span in receiver.spans()} >= sent)
    assert {span.span_id for span in receiver.spans()} == sent


VARIABLES = {
    "MLOBS_GATEWAY_TOKEN_FILE": "token",
    "MLOBS_SAMPLER_TOKEN_FILE": "token",
    "MLOBS_CLICKHOUSE_ENDPOINT": "tcp://127.0.0.1:9000",
    "MLOBS_KAFKA_BROKERS": "[127.0.0.1:9092]",
    "MLOBS_OTLP_ENDPOINT": "127.0.0.1:4317",
    "MLOBS_REMOTE_WRITE_URL": "http://127.0.0.1:9090/api/v1/write",
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_collector_accepts_each_configuration_with_every_sink(name):
    """Its own dry run, by the command people will use."""
    sidecar.build()
    sinks = [word for sink in SINKS if name != "sidecar" for word in ("--sink", sink)]
    done = collector("validate", name, "--endpoint", "http://127.0.0.1:4319", *sinks, **VARIABLES)
    assert done.returncode == 0, done.stderr
    assert "its dry run found nothing wrong" in done.stderr


def test_a_configuration_it_cannot_use_is_refused(tmp_path):
    """What reading alone does not find: exit status 1, and the collector's own words."""
    sidecar.build()
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(GOOD.replace("check_interval: 1s, ", ""))
    done = collector("validate", str(wrong))
    assert done.returncode == 1
    assert "check_interval" in done.stderr

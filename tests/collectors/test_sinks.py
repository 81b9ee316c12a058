"""Sinks beside the server, each with a real one: Prometheus, Kafka, OTLP, ClickHouse's interface, files."""

import contextlib
import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from mlobs.semconv import attributes as a
from tests import sink
from tests.collectors import tiers
from tests.collectors.files import TOP
from tests.collectors.posting import post, request
from tests.kafka_broker import broker
from tests.parts import require
from tests.processes import free_port, process, wait_for
from tests.server.clickhouse.elsewhere import up
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
ANSWERED = 'gen_ai_invoke_agent_duration_seconds_count{service_name="shop", gen_ai_agent_name="shop"}'
TOKENS = 'gen_ai_client_inference_usage_input_tokens_total{service_name="shop"}'
WHOLE = {"MLOBS_SAMPLER_BASE_PERCENT": "100"}
NAMES = ["one", "three", "two"]
STORED = [NAMES, ["a line"], [2.5]]


@contextlib.contextmanager
def prometheus(folder):
    """Run Prometheus, which takes what is written to it; yield its address."""
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text("global: {scrape_interval: 1s}\n")
    command = (
        require("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
    )
    with process(*command, log=folder / "prometheus.log"):
        wait_for(f"http://127.0.0.1:{port}/-/ready", folder / "prometheus.log")
        yield f"http://127.0.0.1:{port}"


def test_prometheus_takes_the_derived_metrics_by_remote_write(tmp_path):
    """Cumulative, under the names that rules and dashboards ask for; and what a service measures itself."""
    receiver = sink.start()
    with prometheus(tmp_path) as url:
        written = {
            "MLOBS_REMOTE_WRITE_URL": f"{url}/api/v1/write",
            "MLOBS_REMOTE_WRITE_LOG": str(tmp_path / "log-of-writes"),
        }
        with tiers.all_in_one(tmp_path, receiver.url, ("mlobs", "remote-write"), **written) as tier:
            spans = (sys.executable, "-m", "tests.collectors.shop", tier.http, "7", tiers.TOKEN)
            done = subprocess.run(spans, cwd=TOP, capture_output=True, text=True, check=False, timeout=300)
            assert done.returncode == 0, done.stderr
            send(tier)
            until(lambda: asked(url, ANSWERED) == [7.0])
            until(lambda: asked(url, TOKENS))
            until(lambda: asked(url, "queue_length{job='shop'}") == [2.5])


def asked(url, query):
    with urllib.request.urlopen(
        f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}", timeout=60
    ) as got:
        return [float(one["value"][1]) for one in json.load(got)["data"]["result"]]


def send(tier):
    """Send a span of each name, a log record and a metric."""
    assert post(tier.http, "/v1/traces", request(NAMES))
    about = {"attributes": [{"key": a.SERVICE_NAME.name, "value": {"stringValue": "shop"}}]}
    now = str(time.time_ns())
    record = {"timeUnixNano": now, "body": {"stringValue": "a line"}}
    assert post(
        tier.http,
        "/v1/logs",
        {"resourceLogs": [{"resource": about, "scopeLogs": [{"logRecords": [record]}]}]},
    )
    gauge = {"name": "queue.length", "gauge": {"dataPoints": [{"timeUnixNano": now, "asDouble": 2.5}]}}
    metrics = [{"resource": about, "scopeMetrics": [{"metrics": [gauge]}]}]
    assert post(tier.http, "/v1/metrics", {"resourceMetrics": metrics})


def stored(url):
    """Return what a server has of what `send` sent."""
    return [
        sorted(value for row in rows(url, statement) for value in row.values())
        for statement in (
            "SELECT SpanName FROM otel_traces",
            "SELECT Body FROM otel_logs",
            "SELECT Value FROM otel_metrics_gauge WHERE MetricName = 'queue.length'",
        )
    ]


def rows(url, statement):
    wanted = urllib.request.Request(
        f"{url}/api/sql", json.dumps({"query": statement}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(wanted, timeout=60) as answer:
        return json.load(answer)["data"]


def test_kafka_has_what_was_sent_as_otlp_and_a_server_takes_it_from_there(tmp_path):
    """A topic a signal; what a message holds is the body of a request, so it can be sent on as it is."""
    kafka = pytest.importorskip("kafka")
    topics = {"otlp_spans": "traces", "otlp_logs": "logs", "otlp_metrics": "metrics"}
    with broker(tmp_path) as address, up(tmp_path / "server") as (url, _):
        brokers = {"MLOBS_KAFKA_BROKERS": f"[{address}]"}
        with tiers.all_in_one(tmp_path, "", ("kafka",), **brokers, **WHOLE) as tier:
            send(tier)
            consumer = kafka.KafkaConsumer(
                *topics,
                bootstrap_servers=address,
                auto_offset_reset="earliest",
                metadata_max_age_ms=500,
                consumer_timeout_ms=120_000,
            )
            came = []
            with contextlib.closing(consumer):
                for message in consumer:
                    came.append(message)
                    if len({one.topic for one in came}) == len(topics) and spans_in(came) == NAMES:
                        break
        for message in came:
            asked = urllib.request.Request(
                f"{url}/v1/{topics[message.topic]}", message.value, {"Content-Type": "application/x-protobuf"}
            )
            urllib.request.urlopen(asked, timeout=60).close()
        until(lambda: stored(url) == STORED)
    # The key is the trace's id, so that a trace stays in one partition.
    assert len({message.key for message in came if message.topic == "otlp_spans"}) == len(NAMES)


def spans_in(messages):
    """Return the names of the spans that came."""
    return sorted(
        span.name
        for message in messages
        if message.topic == "otlp_spans"
        for resource in TracesData.FromString(message.value).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    )


def test_whatever_takes_otlp_over_grpc_gets_what_was_sent(tmp_path):
    """As Tempo does; here it is another server of ours."""
    port = free_port()
    with up(tmp_path / "server", MLOBS_GRPC_PORT=str(port)) as (url, _):
        to = {"MLOBS_OTLP_ENDPOINT": f"127.0.0.1:{port}", "MLOBS_OTLP_INSECURE": "true"}
        with tiers.all_in_one(tmp_path, "", ("otlp",), **to, **WHOLE) as tier:
            send(tier)
            until(lambda: stored(url) == STORED)


def test_clickhouse_s_exporter_fills_the_tables_that_a_server_made(tmp_path):
    """Into the engine that is embedded in a server of ours, by ClickHouse's HTTP interface."""
    port = free_port()
    writes = {"MLOBS_CLICKHOUSE_PORT": str(port), "MLOBS_CLICKHOUSE_WRITES": "1"}
    with up(tmp_path / "server", **writes) as (url, _):
        to = {"MLOBS_CLICKHOUSE_ENDPOINT": f"http://127.0.0.1:{port}?compress=gzip"}
        with tiers.all_in_one(tmp_path, "", ("clickhouse",), **to, **WHOLE) as tier:
            send(tier)
            until(lambda: stored(url) == STORED)


def test_files_hold_what_was_kept_and_older_ones_are_kept_beside_them(tmp_path):
    """One request a line, as OTLP JSON, which a server takes back; a new file at a megabyte."""
    folder = tmp_path / "files"
    small = {"MLOBS_FILE_FOLDER": str(folder), "MLOBS_FILE_MEGABYTES": "1"}
    many = [f"span {number:04}" for number in range(400)]
    with tiers.all_in_one(tmp_path, "", ("file",), **small, **WHOLE) as tier:
        for start in range(0, len(many), 50):
            body = request(many[start : start + 50], size=6_000)
            for one in body["resourceSpans"][0]["scopeSpans"][0]["spans"]:
                one["traceId"] = f"{int(one['name'][5:]) + 1:032x}"
            assert post(tier.http, "/v1/traces", body)
        until(lambda: sorted(names_in(folder)) == many)
    files = list(folder.glob("traces*.jsonl"))
    assert len(files) > 1
    assert max(file.stat().st_size for file in files) <= 1 << 20
    with up(tmp_path / "server") as (url, _):
        for line in (folder / "traces.jsonl").read_text().splitlines():
            assert post(url, "/v1/traces", json.loads(line))


def names_in(folder):
    """Return the names of the spans in the files; the newest may end in half a line, or be renamed."""
    texts = []
    for file in folder.glob("traces*.jsonl"):
        with contextlib.suppress(FileNotFoundError):
            texts.append(file.read_text())
    return [
        span["name"]
        for text in texts
        for line in text.rpartition("\n")[0].splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]

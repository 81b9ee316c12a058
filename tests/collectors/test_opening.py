"""`mlobs collector run` at its start: what it says, ports that are taken, a token that is refused."""

import socket
import time

import pytest

from mlobs import assets
from mlobs.cli.collector.checks import check
from mlobs.cli.collector.configurations import CONFIGURATIONS, SINKS, routes, sources
from mlobs.cli.collector.exposure import public
from mlobs.cli.collector.opening import listening, opening, sending
from mlobs.cli.collector.reading import Source, read
from mlobs.server.ledger.collectors import entries_of
from mlobs.server.ledger.samples import read_samples
from tests import sink
from tests.collectors import sidecar
from tests.collectors.files import collector
from tests.collectors.posting import arrive, post, request
from tests.collectors.validated import GOOD
from tests.processes import free_port
from tests.waiting import until
from tests.yamls import loaded

GIVEN = {
    "MLOBS_ENDPOINT": "https://server:4318",
    "MLOBS_SAMPLERS": "[sampler-0:4337, sampler-1:4337]",
    "MLOBS_KAFKA_BROKERS": "[kafka-0:9092]",
    "MLOBS_CLICKHOUSE_ENDPOINT": "tcp://clickhouse:9000",
    "MLOBS_OTLP_ENDPOINT": "tempo:4317",
    "MLOBS_REMOTE_WRITE_URL": "http://prometheus:9090/api/v1/write",
}


def told(name, *sinks):
    document = read(sources(name, sinks), {**GIVEN, **routes(name, sinks)})
    return opening(name, document, {"otlp_http/mlobs": "the token in /run/token"})


def test_a_sidecar_says_where_it_listens_sends_keeps_and_shows():
    """With the command that tells whether it works."""
    assert told("sidecar") == [
        "sidecar takes OTLP over gRPC at 127.0.0.1:4317, OTLP over HTTP at 127.0.0.1:4318",
        "sends to https://server:4318",
        "keeps what is not sent yet in /var/lib/mlobs-collector",
        "shows health at http://127.0.0.1:13133, its own metrics at http://127.0.0.1:8888",
        "does it work? mlobs doctor --loss --sidecar http://127.0.0.1:8888 --for 60",
    ]


def test_a_gateway_names_its_samplers_once_and_every_sink():
    """Eight exporters share the samplers."""
    lines = told("gateway", "mlobs", "kafka", "remote-write")
    assert lines[1].removeprefix("sends to ").split(", ") == [
        "http://prometheus:9090/api/v1/write",
        "sampler-0:4337 and sampler-1:4337",
        "https://server:4318 with the token in /run/token",
        "Kafka at kafka-0:9092",
    ]
    assert "remote-write" in lines[2]
    assert "the metrics it derives at http://127.0.0.1:8892" in lines[3]
    assert "--gateway http://127.0.0.1:8889" in lines[4]


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("chosen", SINKS)
def test_every_configuration_says_where_what_it_takes_goes(name, chosen):
    """With every sink."""
    sinks = () if name == "sidecar" else tuple(dict.fromkeys((chosen, "mlobs")))
    document = read(sources(name, sinks), {**GIVEN, **routes(name, sinks)})
    assert all(sending(document).values())
    whats = [one.what for one in listening(document)]
    assert {"OTLP over gRPC", "health", "its own metrics"} <= set(whats)


def test_a_file_of_one_s_own_is_told_as_well():
    """With what the collector opens where nothing is said."""
    document = read([Source("my.yaml", GOOD)], {})
    assert opening("my.yaml", document, {}) == [
        "my.yaml takes OTLP over gRPC at 127.0.0.1:4317",
        "sends to http://127.0.0.1:4319",
        "keeps what is not sent yet in /tmp",
        "shows its own metrics at http://localhost:8888",
        "does it work? mlobs doctor --loss --sidecar http://localhost:8888 --for 60",
    ]
    silent = GOOD + "  telemetry: {metrics: {level: none}}\n"
    assert len(opening("my.yaml", read([Source("my.yaml", silent)], {}), {})) == 3


OWN = """
extensions:
  health_check:
  file_storage/used: {directory: /var/used}
  file_storage/idle: {directory: /var/idle}
receivers:
  otlp: {protocols: {grpc: , http: }}
  prometheus: {target_allocator: {endpoint: "http://0.0.0.0:80"}, config: {scrape_configs: []}}
exporters:
  otlp_http:
    traces_endpoint: "http://me:secret@server/t?key=secret"
    sending_queue: {storage: file_storage/used}
  otlp_http/b: {endpoint: "http://server/", headers: {a: b}}
  otlp_http/c: {endpoint: "http://server/"}
  otlp_http/idle: {endpoint: "http://idle", sending_queue: {storage: file_storage/idle}}
service:
  extensions: [health_check, file_storage/used, file_storage/idle]
  pipelines:
    traces: {receivers: [otlp, prometheus], exporters: [otlp_http, otlp_http/b, otlp_http/c]}
"""


def test_what_stands_nowhere_is_told_and_what_is_not_used_is_not():
    """Addresses that are a component's own, places of one signal, the folder of a queue in use."""
    document = read([Source("my.yaml", OWN)], {})
    assert opening("my.yaml", document, {"otlp_http/b": "a token"})[:4] == [
        "my.yaml takes OTLP over gRPC at localhost:4317, OTLP over HTTP at localhost:4318",
        "sends to http://server/t, http://server/ with a token, http://server/",
        "keeps what is not sent yet in /var/used",
        "shows health at http://localhost:13133, its own metrics at http://localhost:8888",
    ]
    assert [str(one) for one in check(document) if "target_allocator" in str(one)] == []
    assert "secret" not in " ".join(map(str, check(document)))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://me:secret@server:4318/otlp?password=secret#x", "http://server:4318/otlp"),
        ("tcp://click:9000?username=a@b&password=secret", "tcp://click:9000"),
        ("http://me:se@cret@server", "http://server"),
        ("http://me:sec/ret@server", "http://..."),
        ("http://me:sec?ret@server", "http://..."),
        ("tempo:4317", "tempo:4317"),
        ("[::1]:4317", "[::1]:4317"),
        ("dns:///tempo:4317", "dns:///tempo:4317"),
    ],
)
def test_a_url_is_told_without_what_may_be_secret(url, told):
    """Whatever is odd about it."""
    assert public(url) == told


def started(folder, **variables):
    """Return what `mlobs collector run` says, with every port free but those of `variables`."""
    sidecar.build()
    ports = {part: f"127.0.0.1:{free_port()}" for part in ("HTTP", "GRPC", "HEALTH")}
    given = {f"MLOBS_SIDECAR_{part}": address for part, address in ports.items()}
    given |= {"MLOBS_SIDECAR_METRICS_PORT": str(free_port()), "MLOBS_SIDECAR_QUEUE": str(folder / "queue")}
    return collector("run", "--endpoint", "http://127.0.0.1:1", **{**given, **variables})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("MLOBS_SIDECAR_HTTP", "127.0.0.1:{}", "where this collector wants to take OTLP over HTTP, is taken"),
        ("MLOBS_SIDECAR_HEALTH", "127.0.0.1:{}", "where this collector wants to show health, is taken"),
        ("MLOBS_SIDECAR_METRICS_PORT", "{}", "where this collector wants to show its own metrics, is taken"),
    ],
)
def test_a_port_that_is_taken_is_one_sentence_with_the_variable(tmp_path, variable, value, said):
    """And the collector is not started."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        done = started(tmp_path, **{variable: value.format(held.getsockname()[1])})
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert said in line
    assert line.endswith(f"Stop what has it, or set ${variable} to another.")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_token_that_is_refused_is_told_at_the_start_counted_and_alerted_and_mended_by_the_file(tmp_path):
    """The collector goes on, or a service might not start; what it sends meanwhile is dropped."""
    receiver = sink.start()
    receiver.answers += [(401, {})] * 1000
    token = tmp_path / "token"
    token.write_text("old\n")
    with sidecar.running(tmp_path, receiver.url, MLOBS_TOKEN_FILE=str(token)) as beside:
        said = (tmp_path / "collector.log").read_text()
        assert f"{receiver.url} refuses the token it was given (401)" in said
        assert "into the file that $MLOBS_TOKEN_FILE names" in said
        assert post(beside.http, "/v1/traces", request(["lost"]))
        until(lambda: beside.own("otelcol_exporter_send_failed_spans") == 1)
        page = "\n".join(sidecar.fetched(beside.metrics))
        [entry] = [
            one
            for one in entries_of(read_samples(page), "sidecar", hop="sidecar", now_s=time.time())
            if one.signal == "traces"
        ]
        assert entry.way.dropped == {"otlp_http gave up": 1}
        token.write_text("new\n")
        receiver.answers.clear()
        until(lambda: "answers now and takes the token." in (tmp_path / "collector.log").read_text())
        assert post(beside.http, "/v1/traces", request(["kept"]))
        arrive(receiver, {"kept"})
    rules = loaded((assets.root() / "alerts" / "mlobs.rules.yml").read_text())
    [alert] = [
        rule
        for group in rules["groups"]
        for rule in group["rules"]
        if rule.get("alert") == "MlobsCollectorDropping"
    ]
    assert "otelcol_exporter_send_failed_spans" in alert["expr"]
    assert alert["labels"]["severity"] == "critical"


@pytest.mark.slow
def test_nobody_at_the_endpoint_is_told_and_does_not_stop_it(tmp_path):
    """What comes waits on disk."""
    with sidecar.running(tmp_path, f"http://127.0.0.1:{free_port()}"):
        said = (tmp_path / "collector.log").read_text()
    assert "yet; what comes waits on disk until somebody does." in said

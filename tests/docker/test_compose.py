"""compose.yaml: what it may be, what it must not forget, and that its parts fit together."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from mlobs.alerts.catalogue import catalogue
from mlobs.alerts.prometheus import WATCHDOG
from mlobs.alerts.routing.file import read_routes
from mlobs.alerts.rulefile import read_rules
from mlobs.cli.alerts.mounted import PATH
from mlobs.cli.collector.configurations import variables_of_all
from mlobs.settings import AlertSettings, ServerSettings, load
from tests.docker import modules
from tests.docker.files import (
    COMPOSE,
    DOCKER,
    KNOWN,
    OTHERS,
    OURS,
    SECRETS,
    SERVICES,
    TOP,
    environment,
    mounts,
    said,
    stage_of,
)
from tests.parts import require

FILES = [["compose.yaml"], ["compose.yaml", "compose.grafana-alerting.yaml"]]
PROMETHEUS = yaml.safe_load((DOCKER / "prometheus.yml").read_text())


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", [names[-1] for names in FILES])
def test_a_file_has_the_shape_that_compose_takes(name):
    """Compose's own schema, from its own module."""
    import jsonschema  # It takes a second to load.

    schema = json.loads((modules.module(modules.COMPOSE) / "schema/compose-spec.json").read_text())
    jsonschema.validate(yaml.safe_load((DOCKER / name).read_text()), schema)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("names", FILES, ids=str)
def test_compose_itself_reads_the_files(names):
    """Merges, variables, networks, volumes and dependencies: its loader refuses what does not fit."""
    program = modules.COMPOSE.replace("@", "/cmd@")
    done = modules.run(program, "-format=json", *[DOCKER / name for name in names])
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)["services"]
    assert set(loaded) == set(SERVICES)
    assert loaded["gateway"]["ports"][0]["host_ip"] == "127.0.0.1"


def test_no_secret_is_in_a_variable_and_none_is_one_of_composes():
    """Variables show in `docker inspect`; Compose cannot give its own to a read-only container."""
    assert "secrets" not in COMPOSE
    for names in FILES:
        for name in names:
            for service, told in yaml.safe_load((DOCKER / name).read_text())["services"].items():
                assert not SECRETS & set(told.get("environment") or {}), service
                assert "secrets" not in told


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened(name):
    """Read-only, without capabilities, without root, within limits."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert re.fullmatch(r"[1-9]\d*:\d+", service["user"])
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_is_the_image_and_the_user_of_the_dockerfile(name):
    """The stage that is built is the image that is named."""
    assert SERVICES[name]["image"].startswith(f"mlobs/{stage_of(name)}:")
    assert SERVICES[name]["user"] == said(stage_of(name), "USER")[-1].text


@pytest.mark.parametrize("name", SERVICES)
def test_every_mount_is_there(name):
    """Docker makes an empty folder of a missing file, and the program dies of it."""
    for mount in mounts(name):
        if mount.is_file_of_ours:
            assert (DOCKER / mount.source).exists(), mount
            assert mount.read_only
        else:
            assert mount.source in COMPOSE["volumes"]
        assert mount.target.startswith("/")


@pytest.mark.parametrize("name", ["server", "sidecar", "gateway", "sampler"])
def test_what_a_service_writes_outlives_the_container(name):
    """Data in a container's own layer is gone with it, and two services never share a volume."""
    kept = [mount for mount in mounts(name) if not mount.read_only]
    assert [mount.target for mount in kept] == [one.text for one in said(stage_of(name), "VOLUME")]
    others = [mount.source for other in SERVICES if other != name for mount in mounts(other)]
    assert not {mount.source for mount in kept} & set(others)


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_this_machines_loopback_only(name):
    """From a network that leads out; the others do not."""
    ports = SERVICES[name].get("ports", [])
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in ports)
    assert bool(ports) == ("outside" in SERVICES[name].get("networks", []))
    assert [network for network, told in COMPOSE["networks"].items() if not told.get("internal")] == [
        "outside"
    ]


def test_a_collector_that_listens_beyond_loopback_asks_for_a_token():
    """What a sidecar receives from stays on the loopback that it shares."""
    for name in ("gateway", "sampler"):
        told = SERVICES[name]["environment"]
        assert told[f"MLOBS_{name.upper()}_TOKEN_FILE"].startswith("/run/mlobs/")
    assert not {"MLOBS_SIDECAR_HTTP", "MLOBS_SIDECAR_GRPC"} & set(SERVICES["sidecar"]["environment"])
    assert SERVICES["sidecar"]["network_mode"] == SERVICES["demo"]["network_mode"] == "service:pod"
    assert {"MLOBS_HOST", "MLOBS_TOKENS"} <= set(SERVICES["server"]["environment"])


def test_every_variable_of_ours_is_read():
    """A variable nobody reads is a wish."""
    for name in OURS:
        for told in SERVICES[name].get("environment") or {}:
            if stage_of(name) == "sidecar":
                assert told in {"GOMEMLIMIT", *variables_of_all()}, told
            else:
                assert told in KNOWN, told
    alerting = yaml.safe_load((DOCKER / "compose.grafana-alerting.yaml").read_text())["services"]
    assert set(alerting["server"]["environment"]) <= KNOWN


@pytest.mark.parametrize("name", ["sidecar", "gateway", "sampler"])
def test_a_collector_keeps_within_its_containers_memory(name):
    """GOMEMLIMIT is 80 % of what it may take, and the container has a quarter more."""
    told = environment(name)
    most = int(told[f"MLOBS_{name.upper()}_MEMORY_MIB"])
    assert told["GOMEMLIMIT"] == f"{round(most * 0.8)}MiB"
    assert int(SERVICES[name]["mem_limit"].removesuffix("m")) >= most * 1.25


def port(name, published):
    return any(entry.endswith(f":{published}") for entry in SERVICES[name]["ports"])


def test_addresses_lead_to_who_listens_there():
    """One wrong port is a stack that sees nothing."""
    server = SERVICES["server"]["environment"]
    assert SERVICES["sampler"]["environment"]["MLOBS_ENDPOINT"] == f"http://server:{server['MLOBS_PORT']}"
    assert SERVICES["gateway"]["environment"]["MLOBS_ENDPOINT"] == f"http://server:{server['MLOBS_PORT']}"
    _, listens = SERVICES["sampler"]["environment"]["MLOBS_SAMPLER_GRPC"].split(":")
    assert SERVICES["gateway"]["environment"]["MLOBS_SAMPLERS"] == f"[sampler:{listens}]"
    _, listens = SERVICES["gateway"]["environment"]["MLOBS_GATEWAY_HTTP"].split(":")
    assert SERVICES["sidecar"]["environment"]["MLOBS_ENDPOINT"] == f"http://gateway:{listens}"
    assert port("gateway", listens)
    assert port("server", server["MLOBS_PORT"])
    grafana = SERVICES["grafana"]["environment"]
    assert grafana["PROMETHEUS_URL"] == "http://prometheus:9090"
    assert grafana["MLOBS_SERVER"] == f"http://127.0.0.1:{server['MLOBS_PORT']}"
    assert (grafana["CLICKHOUSE_HOST"], grafana["MLOBS_CLICKHOUSE_PORT"]) == (
        "server",
        server["MLOBS_CLICKHOUSE_PORT"],
    )
    assert server["MLOBS_PUBLIC_URL"] == f"${{MLOBS_PUBLIC_URL:-{grafana['MLOBS_SERVER']}}}"


def test_who_talks_to_whom_shares_a_network():
    """Names are found on shared networks only."""
    for one, other in (
        ("pod", "gateway"),
        ("gateway", "sampler"),
        ("sampler", "server"),
        ("gateway", "server"),
        ("prometheus", "server"),
        ("prometheus", "pod"),
        ("prometheus", "gateway"),
        ("prometheus", "sampler"),
        ("prometheus", "alertmanager"),
        ("alertmanager", "server"),
        ("grafana", "prometheus"),
        ("grafana", "server"),
    ):
        assert set(SERVICES[one]["networks"]) & set(SERVICES[other]["networks"]), (one, other)


@pytest.mark.parametrize("name", [name for name in OTHERS if SERVICES[name].get("healthcheck")])
def test_a_health_check_asks_the_port_that_is_published(name):
    """In the image's own network, on loopback."""
    [published] = SERVICES[name]["ports"]
    assert SERVICES[name]["healthcheck"]["test"][-1].startswith(
        f"http://127.0.0.1:{published.split(':')[-1]}/"
    )


def test_the_dashboards_are_the_ones_of_the_package():
    """Mounted from the top of the repository, read-only; there is no copy to forget."""
    provider = yaml.safe_load((DOCKER / "grafana/dashboards.yaml").read_text())["providers"][0]
    source = yaml.safe_load((DOCKER / "grafana/datasources.yaml").read_text())["datasources"][0]
    found = {mount.target: mount for mount in mounts("grafana")}
    assert found[provider["options"]["path"]].source == "../dashboards"
    assert source["jsonData"]["timeInterval"] == PROMETHEUS["global"]["scrape_interval"]


def test_the_example_of_routes_can_be_used():
    """It is what somebody copies."""
    assert list(read_routes(DOCKER / "routes.example.yml").sinks) == ["pager", "team"]


def test_the_example_of_rules_can_be_used():
    """It is what somebody copies."""
    [rule] = read_rules(DOCKER / "rules.example.yml", catalogue(AlertSettings())).rules
    assert rule.name == "ShopSearchFails"


def test_what_the_server_keeps_ends_and_spans_a_month(monkeypatch):
    """Without being told: a disk is not filled up, and a budget's month is not forgotten."""
    for name, value in environment("server").items():
        monkeypatch.setenv(name, value)
    settings = load(ServerSettings)
    assert 0 < settings.store_bytes_max <= 20e9
    assert all(days > 31 for days in (settings.traces_days, settings.logs_days, settings.metrics_days))


def test_nobody_has_to_change_a_file_of_the_checkout_to_add_their_own():
    """Files by their whole path; secrets in one that need not be there and that git does not keep."""
    told = SERVICES["server"]
    for name, file in (("MLOBS_ALERT_ROUTES", "routes"), ("MLOBS_ALERT_RULES", "rules")):
        assert told["environment"][name] == f"${{{name}:+/etc/mlobs/{file}.yml}}"
        assert f"${{{name}:-./{file}.example.yml}}:/etc/mlobs/{file}.yml:ro" in told["volumes"]
    assert told["env_file"] == [{"path": "./server.env", "required": False}]
    assert {"server.env", ".env"} <= set((DOCKER / ".gitignore").read_text().splitlines())


def test_alertmanager_gives_the_server_what_only_prometheus_evaluates_and_tells_nobody_the_rest():
    """Each alert is told by one of them."""
    routing = yaml.safe_load((DOCKER / "alertmanager.yml").read_text())
    [route] = routing["route"]["routes"]
    [matcher] = route["matchers"]
    rules = catalogue(AlertSettings())
    only = {rule.name for rule in rules if tuple(rule.engines) == ("prometheus",)} - {WATCHDOG}
    assert set(re.fullmatch(r'alertname=~"([\w|]+)"', matcher)[1].split("|")) == only
    receivers = {one["name"]: one for one in routing["receivers"]}
    assert receivers[routing["route"]["receiver"]] == {"name": "nobody"}
    [hook] = receivers[route["receiver"]]["webhook_configs"]
    assert hook["url"] == f"http://server:{SERVICES['server']['environment']['MLOBS_PORT']}{PATH}"
    assert mounts("alertmanager")[0].source == "./alertmanager.yml"


def test_prometheus_scrapes_what_the_rules_ask_for_by_jobs_that_an_alert_watches():
    """A rule about what nobody scrapes never fires; a job of another name may be down and nobody is told."""
    told = {one["job_name"]: one["static_configs"] for one in PROMETHEUS["scrape_configs"]}
    [rule] = [rule for rule in catalogue(AlertSettings()) if rule.name == "MlobsTargetDown"]
    watched = re.search(r'job=~"([^"]+)"', rule.indicator.promql)[1]
    assert all(re.fullmatch(watched, name) for name in told)
    hosts = {
        target.partition(":")[0] for found in told.values() for one in found for target in one["targets"]
    }
    assert hosts == {"server", "pod", "gateway", "sampler", "alertmanager", "127.0.0.1"}


def test_prometheus_takes_the_configuration_and_the_rules(tmp_path):
    """Checked by its own tool, with the files where compose mounts them."""
    promtool = require("promtool")
    for mount in mounts("prometheus"):
        if mount.is_file_of_ours:
            place = tmp_path / mount.target.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(DOCKER / mount.source, place)
    told = (tmp_path / "etc/prometheus/prometheus.yml").read_text()
    (tmp_path / "token").write_text("a token")
    (tmp_path / "etc/prometheus/prometheus.yml").write_text(
        told.replace("/run/mlobs/token", str(tmp_path / "token"))
    )
    done = subprocess.run(
        [promtool, "check", "config", tmp_path / "etc/prometheus/prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"SUCCESS: \d+ rules found", done.stdout)


@pytest.mark.parametrize("file", [TOP / "alerts/alertmanager.yml", DOCKER / "alertmanager.yml"], ids=str)
def test_alertmanager_takes_the_routing(file):
    """Checked by its own tool."""
    done = subprocess.run(
        [require("amtool"), "check-config", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""The container files: no engine runs them here, so what they say is held against the package."""

import http.server
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest
import yaml

from mlobs.cli import NOUNS
from mlobs.settings import SETTINGS, variable
from tests.parts import require

TOP = Path(__file__).parents[2]
DOCKER = TOP / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
KNOWN = {variable(kind, field) for kind in SETTINGS for field in kind.model_fields}
LOOPBACK = "127.0.0.1"


def stages():
    """Return the instructions of each named stage, continued lines joined."""
    found = {}
    for line in re.sub(r"\\\n\s*", " ", DOCKERFILE).splitlines():
        if match := re.match(r"FROM (\S+) AS (\S+)", line):
            current = found.setdefault(match[2], [("FROM", match[1])])
        elif (match := re.match(r"([A-Z]+) (.*)", line)) and found:
            current.append((match[1], match[2]))
    return found


STAGES = stages()


def instruction(stage, name):
    return [text for word, text in STAGES[stage] if word == name]


def mounts(service):
    return [entry.split(":") for entry in SERVICES[service]["volumes"]]


@pytest.mark.parametrize("stage", ["wheels", "collector", "sidecar", "server"])
def test_everything_that_is_copied_is_there(stage):
    """A missing path stops the build after minutes."""
    for text in instruction(stage, "COPY"):
        *sources, _ = [word for word in shlex.split(text) if not word.startswith("--")]
        if "--from" not in text:
            assert all((TOP / source).exists() for source in sources), text


def test_what_is_copied_is_not_ignored():
    """The ignore file keeps everything out but what it names."""
    kept = {
        line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line[0] == "!"
    }
    for stage in STAGES:
        for text in instruction(stage, "COPY"):
            if "--from" not in text:
                assert {source.split("/")[0] for source in shlex.split(text)[:-1]} <= kept


@pytest.mark.parametrize("stage", ["sidecar", "server"])
def test_images_run_as_a_user_without_rights(stage):
    """Numeric, because Kubernetes cannot tell whether a name is root."""
    assert instruction(stage, "USER") == ["10001:10001"]


def test_the_images_are_built_from_versions():
    """`latest` is another image tomorrow."""
    bases = dict(re.findall(r"^ARG (\w+)=(\S+)$", DOCKERFILE, re.MULTILINE))
    assert re.match(r"3\.1[1-4]-slim", bases["PYTHON"])
    assert re.match(r"1\.2\d-", bases["GO"])
    builder = (TOP / "collectors" / "builder.yaml").read_text()
    assert f"\n  version: {bases['BUILDER']}\n" in builder
    for service in SERVICES.values():
        assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"])


def test_the_server_image_starts_what_the_package_installs():
    """The entry point and its verb are the package's own."""
    scripts = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["scripts"]
    entry, command = (yaml.safe_load(instruction("server", word)[0]) for word in ("ENTRYPOINT", "CMD"))
    assert entry[0] in scripts
    assert command[0] in NOUNS
    extras = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for asked in re.findall(r"\[([\w,]+)\]\"", " ".join(instruction("server", "RUN"))):
        assert set(asked.split(",")) <= set(extras)


def test_every_variable_of_ours_is_a_setting():
    """A variable nobody reads is a wish."""
    image = dict(re.findall(r"(MLOBS_\w+)=(\S+)", " ".join(instruction("server", "ENV"))))
    assert set(image) | set(SERVICES["server"]["environment"]) <= KNOWN
    sidecar = (TOP / "collectors" / "sidecar.yaml").read_text()
    assert all(f"${{env:{name}" in sidecar for name in SERVICES["sidecar"]["environment"])


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_says_what_readyz_says(status, healthy):
    """Run as Docker would, against a server that is ready and one that is not."""

    class Ready(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/readyz" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = http.server.HTTPServer((LOOPBACK, 0), Ready)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = yaml.safe_load(instruction("server", "HEALTHCHECK")[0].partition("CMD ")[2])
    environment = {**os.environ, "MLOBS_PORT": str(server.server_port)}
    done = subprocess.run([sys.executable, *command[1:]], env=environment, capture_output=True, check=False)
    server.shutdown()
    server.server_close()
    assert (done.returncode == 0) is healthy


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened(name):
    """Read-only, without capabilities, without root, within a limit."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert re.fullmatch(r"[1-9]\d*:\d+", service["user"])
    assert service["mem_limit"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_mount_is_there(name):
    """Docker makes an empty folder of a missing file, and the program dies of it."""
    for source, target, *mode in mounts(name):
        if source.startswith("."):
            assert (DOCKER / source).exists(), source
            assert mode == ["ro"]
        else:
            assert source in COMPOSE["volumes"]
        assert target.startswith("/")


@pytest.mark.parametrize("stage", ["server", "sidecar"])
def test_what_the_image_writes_to_outlives_the_container(stage):
    """Data in a container's own layer is gone with it."""
    kept = {target for source, target, *_ in mounts(stage) if not source.startswith(".")}
    assert kept == set(instruction(stage, "VOLUME"))


def test_everything_listens_on_loopback_and_is_found_there():
    """All share the host's network, so one wrong port is a stack that sees nothing."""
    assert all(service["network_mode"] == "host" for service in SERVICES.values())
    server = f"{LOOPBACK}:{SERVICES['server']['environment']['MLOBS_PORT']}"
    scrape = yaml.safe_load((DOCKER / "prometheus.yml").read_text())
    source = yaml.safe_load((DOCKER / "grafana/datasources.yaml").read_text())["datasources"][0]
    listens = {
        name: next(word.partition("=")[2] for word in SERVICES[name]["command"] if "listen-address=1" in word)
        for name in ("prometheus", "alertmanager")
    }
    assert all(address.startswith(f"{LOOPBACK}:") for address in listens.values())
    assert SERVICES["sidecar"]["environment"]["MLOBS_ENDPOINT"] == f"http://{server}"
    assert scrape["scrape_configs"][0]["static_configs"] == [{"targets": [server]}]
    assert scrape["alerting"]["alertmanagers"][0]["static_configs"] == [
        {"targets": [listens["alertmanager"]]}
    ]
    assert source["url"] == f"http://{listens['prometheus']}"
    link = source["jsonData"]["exemplarTraceIdDestinations"][0]["url"]
    assert link == f"http://{server}/traces/$${{__value.raw}}"
    sidecar = yaml.safe_load((TOP / "collectors/sidecar.yaml").read_text())
    http_address = sidecar["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    assert http_address.endswith(f":-{LOOPBACK}:4318}}")
    assert SERVICES["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == LOOPBACK


def test_grafana_finds_our_dashboards_and_data():
    """One copy of each file; the interval is the scrape interval, or every rate is wrong."""
    provider = yaml.safe_load((DOCKER / "grafana/dashboards.yaml").read_text())["providers"][0]
    source = yaml.safe_load((DOCKER / "grafana/datasources.yaml").read_text())["datasources"][0]
    assert provider["folderUid"] == "mlobs"
    assert ["../dashboards", provider["options"]["path"], "ro"] in mounts("grafana")
    assert source["uid"] == "mlobs-prometheus"
    scrape = yaml.safe_load((DOCKER / "prometheus.yml").read_text())
    assert source["jsonData"]["timeInterval"] == scrape["global"]["scrape_interval"]


def test_prometheus_takes_the_configuration_and_the_rules(tmp_path):
    """Checked by its own tool, with the files where compose mounts them."""
    promtool = require("promtool")
    etc = tmp_path / "etc/prometheus"
    for source, target, *_ in mounts("prometheus"):
        if source.startswith("."):
            place = tmp_path / target.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(DOCKER / source, place)
    done = subprocess.run(
        [promtool, "check", "config", etc / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"SUCCESS: \d+ rules found", done.stdout)


def test_alertmanager_takes_the_routing():
    """Checked by its own tool."""
    done = subprocess.run(
        [require("amtool"), "check-config", TOP / "alerts/alertmanager.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

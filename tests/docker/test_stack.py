"""The services of compose.yaml, run as they would run in containers: users, files, networks, secrets."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.collectors.sidecar import build
from tests.docker import files
from tests.docker.engine import Engine, engine
from tests.docker.files import DOCKER, OURS, SERVICES
from tests.parts import require

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ASK = """
import sys, urllib.error, urllib.request
asked = urllib.request.Request(sys.argv[1], data=sys.argv[3].encode() if len(sys.argv) > 3 else None)
asked.add_header("Content-Type", "application/json")
if len(sys.argv) > 2 and sys.argv[2]:
    asked.add_header("Authorization", "Bearer " + sys.argv[2])
try:
    with urllib.request.urlopen(asked, timeout=60) as answer:
        print(answer.status, answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
except OSError as error:
    print(0, error)
"""
SPANS = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "outside"}}]},
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": "5b8efff798038103d269b633813fc60c",
                            "spanId": "eee19b7ec3c1b174",
                            "name": "one",
                            "kind": 1,
                            "startTimeUnixNano": "0",
                            "endTimeUnixNano": "0",
                        }
                    ]
                }
            ],
        }
    ]
}


def ask(stack: Engine, service: str, network: str, port: int, path: str, *more: str) -> tuple[int, str]:
    """Ask a service from outside its container; return status and text, 0 where nobody listens."""
    url = f"http://{stack.address(service, network)}:{port}{path}"
    done = subprocess.run(
        ["ip", "netns", "exec", stack.switch, sys.executable, "-c", ASK, url, *more],
        capture_output=True,
        text=True,
        check=True,
        timeout=150,
    )
    status, _, text = done.stdout.partition(" ")
    return int(status), text


def key(stack: Engine, name: str) -> str:
    return json.loads((stack.volume("keys") / "all/keys.json").read_text())[name]


def eventually(stack: Engine, question, seconds: float = 240, told=lambda: "it never came true"):
    """Ask until the answer is true, as long as every service runs; else fail with what is `told`."""
    until = time.monotonic() + seconds
    while not (found := question()):
        ended = [name for name, process in stack.running.items() if process.poll() is not None]
        assert not ended, f"{ended[0]} ended:\n{stack.log(ended[0]).read_text()[-5000:]}"
        assert time.monotonic() < until, told()
        time.sleep(0.5)
    return found


def traces(stack: Engine, query: str) -> list[dict]:
    status, text = ask(stack, "server", "outside", 4319, f"/api/traces?{query}", key(stack, "people"))
    assert status == 200, text
    return json.loads(text)["traces"]


def health(service: str) -> list[str]:
    return json.loads(files.said(files.stage_of(service), "HEALTHCHECK")[-1].text.partition("CMD ")[2])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The keys are made, then everything of ours is started in the order that Compose would keep."""
    build()
    with engine(tmp_path_factory.mktemp("stack")) as found:
        done = found.run("keys")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        found.start("server")
        found.wait("server", health("server"))
        for service in ("sampler", "gateway", "pod", "sidecar", "demo"):
            assert set(SERVICES[service].get("depends_on", {})) <= {"keys", *found.running}
            found.start(service)
        yield found


def test_the_demo_is_seen_at_the_server_through_every_tier(stack):
    """Sidecar, gateway and sampler each had it, and each showed the next its token."""
    runs = eventually(stack, lambda: traces(stack, "noun=agent"))
    assert runs[0]["service"] == "flight-desk"

    def sent(service: str, port: int) -> float:
        _, text = ask(stack, service, "watching", port, "/metrics")
        return sum(map(float, re.findall(r"^otelcol_exporter_sent_spans\S* (\S+)$", text, re.MULTILINE)))

    for service, port in (("pod", 8888), ("gateway", 8889), ("sampler", 8890)):
        assert eventually(stack, lambda at=(service, port): sent(*at), told=lambda name=service: name)


@pytest.mark.parametrize("service", [name for name in OURS if name != "keys"])
def test_a_service_has_no_rights_and_writes_only_to_its_volumes(stack, service):
    """Read from the kernel, of the running process."""
    process = Path(f"/proc/{stack.running[service].pid}")
    status = dict(re.findall(r"^(\w+):\s*(.*)$", (process / "status").read_text(), re.MULTILINE))
    assert set(status["Uid"].split()) == {SERVICES[service]["user"].partition(":")[0]}
    assert (int(status["CapEff"], 16), status["NoNewPrivs"]) == (0, "1")
    table = [line.split() for line in (process / "mountinfo").read_text().splitlines()]
    places = {line[4] for line in table if "rw" in line[5].split(",")}
    writable = {place for place in places if not place.startswith(("/proc", "/dev"))}
    kept = {mount.target for mount in files.mounts(service) if not mount.read_only}
    assert writable == {*kept, *SERVICES[service]["tmpfs"]}
    assert kept <= {word for one in files.said(files.stage_of(service), "VOLUME") for word in one.words}


def test_what_listens_beyond_its_own_loopback_asks_for_a_token(stack):
    """A container of somebody else's on the same bridge gets nothing, and loses nothing."""
    body = json.dumps(SPANS)
    for service, port in (("gateway", 4318), ("server", 4319)):
        assert ask(stack, service, "outside", port, "/v1/traces", "", body)[0] == 401
        assert ask(stack, service, "outside", port, "/v1/traces", "of-somebody-else", body)[0] == 401
    assert ask(stack, "server", "outside", 4319, "/metrics")[0] == 401
    assert ask(stack, "gateway", "outside", 4318, "/v1/traces", key(stack, "sender"), body)[0] == 200
    assert ask(stack, "pod", "pipeline", 4318, "/v1/traces", "", body)[0] == 0
    # Each token is for one thing.
    assert ask(stack, "server", "outside", 4319, "/api/traces", key(stack, "gateway"))[0] == 403
    assert ask(stack, "server", "outside", 4319, "/v1/traces", key(stack, "prometheus"), body)[0] == 403


def test_programs_of_this_machine_send_to_the_gateway(stack):
    """With the line that `keys show` prints."""
    shown = stack.run("keys", [*files.command("keys"), "show"]).stdout
    token = re.search(r"Authorization=Bearer%20(\w+)", shown)[1]
    spans = json.loads(json.dumps(SPANS))
    now = time.time_ns()
    [span] = spans["resourceSpans"][0]["scopeSpans"][0]["spans"]
    span |= {"startTimeUnixNano": str(now), "endTimeUnixNano": str(now + 1_000_000)}
    assert ask(stack, "gateway", "outside", 4318, "/v1/traces", token, json.dumps(spans))[0] == 200
    assert eventually(stack, lambda: traces(stack, "service=outside"))


def test_a_sidecar_that_is_killed_comes_back_to_its_service(stack):
    """The pod holds the addresses, so the demo finds the new one where the old one was."""
    stack.stop("sidecar", 9)
    stack.start("sidecar")

    def taken() -> str:
        _, text = ask(stack, "pod", "watching", 8888, "/metrics")
        return "".join(re.findall(r"^otelcol_receiver_accepted_spans\S* [1-9]", text, re.MULTILINE))

    assert eventually(stack, taken)


def test_prometheus_finds_and_may_read_everything_it_scrapes(stack):
    """Debian's Prometheus with the arguments, user, files and token that Compose gives to the image's."""
    for service in ("alertmanager", "prometheus"):
        stack.start(service, [require(service), *SERVICES[service]["command"]], environment={})

    def scrapes() -> dict[str, str]:
        status, text = ask(stack, "prometheus", "outside", 9090, "/api/v1/targets?state=active")
        found = json.loads(text)["data"]["activeTargets"] if status == 200 else []
        return {one["labels"]["instance"]: one["lastError"] or one["health"] for one in found}

    scraped = yaml.safe_load((DOCKER / "prometheus.yml").read_text())["scrape_configs"]
    targets = {target for job in scraped for one in job["static_configs"] for target in one["targets"]}
    eventually(stack, lambda: scrapes() == dict.fromkeys(targets, "up"), told=scrapes)

    def alertmanagers() -> list[str]:
        _, text = ask(stack, "prometheus", "outside", 9090, "/api/v1/alertmanagers")
        return [one["url"] for one in json.loads(text)["data"]["activeAlertmanagers"]]

    told = ["http://alertmanager:9093/api/v2/alerts"]
    eventually(stack, lambda: alertmanagers() == told, told=alertmanagers)
    assert eventually(stack, lambda: ask(stack, "alertmanager", "outside", 9093, "/-/ready")[0] == 200)
    _, text = ask(stack, "prometheus", "outside", 9090, "/api/v1/rules")
    rules = [rule for group in json.loads(text)["data"]["groups"] for rule in group["rules"]]
    assert len(rules) > 25
    assert all(rule["health"] != "err" for rule in rules)


def test_alertmanager_tells_the_server_with_its_token_what_only_prometheus_evaluates(stack):
    """The configuration of Compose; what the server evaluates itself does not come a second time."""
    names = ("MlobsCollectorDropping", "MlobsErrorRatioHigh")
    alerts = [{"labels": {"alertname": name, "severity": "warning"}, "annotations": {}} for name in names]
    # Both wait for their groups equally long, so when one has come the other would have.
    assert ask(stack, "alertmanager", "outside", 9093, "/api/v2/alerts", "", json.dumps(alerts))[0] == 200

    def received() -> set[str]:
        status, text = ask(stack, "server", "outside", 4319, "/api/alerts", key(stack, "people"))
        assert status == 200, text
        firing = json.loads(text)["firing"]
        return {one["rule"] for one in firing if one["source"] != "mlobs"}

    assert eventually(stack, lambda: names[0] in received())
    assert names[1] not in received()

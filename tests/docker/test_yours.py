"""docker/kubernetes/yours: what a house adds to the base, and the ways and secrets that the base tells of."""

import re
import subprocess
import sys

import kubernetes_validate
import pytest
import yaml

from mlobs.alerts.catalogue import catalogue
from mlobs.alerts.routing.file import read_routes
from mlobs.alerts.rulefile import read_rules
from mlobs.settings import AlertSettings
from tests.docker.files import DOCKER, KNOWN, KUBERNETES
from tests.docker.manifests import NEWEST, OLDEST, built, containers, objects, workloads

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

YOURS = KUBERNETES / "yours"


def server() -> dict:
    [found] = [
        one for one in built("yours") if (one["kind"], one["metadata"]["name"]) == ("StatefulSet", "server")
    ]
    return found["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_takes_what_the_folder_makes(version):
    """Strictly, as the base."""
    for one in built("yours"):
        if not one["apiVersion"].startswith("monitoring.coreos.com/"):
            kubernetes_validate.validate(one, version, strict=True)


def test_everything_of_the_operator_has_the_charts_label_and_nothing_else_has():
    """Without it that chart's Prometheus takes no notice."""
    found = {one["kind"]: one for one in built("yours") if one["metadata"].get("labels", {}).get("release")}
    assert set(found) == {"ServiceMonitor", "PrometheusRule"}
    monitors = [one for one in built("yours") if one["kind"] in found]
    assert all(one["metadata"]["labels"]["release"] == "kube-prometheus-stack" for one in monitors)
    assert len(monitors) == len([*objects("ServiceMonitor"), *objects("PrometheusRule")])


def test_the_server_has_its_files_beside_what_it_has_in_the_base():
    """A patch adds to lists that have names; what was there is there still."""
    [told] = server()["containers"]
    assert told["image"] == "registry.example.org/mlobs/server:0.1.0"
    base = containers()["server"]
    assert {one["name"] for one in told["env"]} > {one["name"] for one in base["env"]}
    assert {one["name"] for one in told["env"]} <= KNOWN
    [files] = [one["data"] for one in built("yours") if one["metadata"]["name"] == "mlobs-alerts"]
    places = {one["mountPath"]: one["name"] for one in told["volumeMounts"]}
    assert {*places} > {one["mountPath"] for one in base["volumeMounts"]}
    for one in told["env"]:
        if one["name"] in ("MLOBS_ALERT_ROUTES", "MLOBS_ALERT_RULES"):
            folder, _, file = one["value"].rpartition("/")
            assert file in files
            volume = next(each for each in server()["volumes"] if each["name"] == places[folder])
            assert volume["configMap"]["name"] == "mlobs-alerts"


def test_the_server_can_read_the_routes_and_the_rules(tmp_path):
    """With the secrets that the comment makes, where the pod has them."""
    text = (YOURS / "routes.yml").read_text()
    secrets = re.findall(r"--from-file=(\w+)=", (YOURS / "kustomization.yaml").read_text())
    for name in secrets:
        (tmp_path / name).write_text("https://hooks.slack.com/services/a" if name == "slack" else "0" * 32)
    folder = next(
        one["mountPath"]
        for one in server()["containers"][0]["volumeMounts"]
        if one["name"] == "alert-secrets"
    )
    assert sorted(re.findall(rf"{folder}/(\w+)", text)) == sorted(secrets)
    (tmp_path / "routes.yml").write_text(text.replace(folder, str(tmp_path)))
    assert list(read_routes(tmp_path / "routes.yml").sinks) == ["pager", "team"]
    [rule] = read_rules(YOURS / "rules.yml", catalogue(AlertSettings())).rules
    assert rule.name == "ShopSearchFails"


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_ways_that_are_commented_out_can_be_opened_as_they_stand(version):
    """Each # with no space behind it, or two, is before YAML that fits where it is."""
    text, count = re.subn(r"(?m)^( *)#(?=- |  \S)", r"\1", (KUBERNETES / "mlobs/network.yaml").read_text())
    opened = {one["metadata"]["name"]: one for one in yaml.safe_load_all(text)}
    for one in opened.values():
        kubernetes_validate.validate(one, version, strict=True)

    def outwards(name: str) -> set[int]:
        return {port["port"] for rule in opened[name]["spec"]["egress"] for port in rule["ports"]}

    assert outwards("names") == {53, 5353}
    assert outwards("server") == {443, 465, 587, 8080, 8123, 8443}
    closed = {one["metadata"]["name"]: one["spec"] for one in objects("NetworkPolicy")}
    rules = [
        rule for way in ("ingress", "egress") for one in opened.values() for rule in one["spec"].get(way, [])
    ]
    before = [rule for way in ("ingress", "egress") for one in closed.values() for rule in one.get(way, [])]
    assert len(rules) - len(before) == 6
    assert count == 11


def test_every_secret_is_told_of_and_its_files_are_made(tmp_path):
    """Commands that are copied make all that pods, monitors and Grafana name."""
    subprocess.run([sys.executable, "-I", DOCKER / "keys.py", tmp_path], check=True)
    guides = "".join(path.read_text() for path in KUBERNETES.rglob("kustomization.yaml"))
    guides = re.sub(r"\\\n# *", "", guides)
    [who] = re.findall(r"for who in ([\w ]+); do", guides)
    made = {f"mlobs-{one}" for one in who.split()} | set(re.findall(r"secret generic ([\w-]+\w) ", guides))
    volumes = [
        one
        for pod in (server(), *(one["spec"]["template"]["spec"] for one in workloads()))
        for one in pod["volumes"]
    ]
    named = {one["secret"]["secretName"] for one in volumes if "secret" in one}
    assert named | {"mlobs-prometheus", "mlobs-grafana"} == made
    for path in [*re.findall(r"mlobs-keys/([\w-]+/[\w-]+)", guides), *who.split(), "sidecar"]:
        assert (tmp_path / path.removesuffix("/keys")).exists() or path == "all/keys", path


def test_the_store_stays_below_its_volume():
    """It drops its oldest days before the disk is full; the journal and merges have the rest."""
    found = next(one for one in objects("StatefulSet") if one["metadata"]["name"] == "server")
    [claim] = found["spec"]["volumeClaimTemplates"]
    size = int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) << 30
    told = {one["name"]: one["value"] for one in containers()["server"]["env"]}
    assert int(told["MLOBS_STORE_BYTES_MAX"]) == size * 4 // 5
    # Budgets are of a calendar month, so fewer days would forget what it cost.
    assert all(int(told[f"MLOBS_{signal}_DAYS"]) > 31 for signal in ("TRACES", "LOGS", "METRICS"))

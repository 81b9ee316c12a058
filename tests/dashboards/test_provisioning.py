"""The files that Grafana reads at its start, in Compose and in Kubernetes."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from mlobs.alerts.receive.authentication import Authenticator
from mlobs.cli.dashboards.shipped import shipped
from mlobs.dashboards.grafana import contact, sources
from mlobs.dashboards.grafana.address import read_address
from mlobs.settings import SETTINGS, variable
from tests.yamls import loaded

TOP = Path(__file__).parents[2]
DOCKER = TOP / "docker"
GRAFANA = DOCKER / "grafana"
PROVISIONED = sorted(path for path in GRAFANA.rglob("*.yaml") if path.name != "kustomization.yaml")
RULES = TOP / "alerts/grafana/mlobs.rules.yaml"
KUSTOMIZATIONS = sorted(
    path
    for folder in ("dashboards", "alerts", "docker")
    for path in (TOP / folder).rglob("kustomization.yaml")
)
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.5.0"
ENVIRONMENT = {
    "PROMETHEUS_URL": "http://prometheus:9090",
    "MLOBS_SERVER": "http://mlobs:4319",
    "CLICKHOUSE_HOST": "mlobs",
    "MLOBS_CLICKHOUSE_PORT": "8123",
    "MLOBS_TOKEN": "a token",
    "TEMPO_URL": "http://tempo:3200",
    "RECEIVER_URL": "http://mlobs:4319/api/alerts/receive",
    "MLOBS_ALERT_RECEIVE_SECRET": "a secret of some length",
}
LABELS = {"datasource": "grafana_datasource", "dashboard": "grafana_dashboard", "alert": "grafana_alert"}


def expanded(value, environment=ENVIRONMENT):
    """Fill in variables as Grafana does: $$ is one $, $NAME and ${NAME} the variable, "" if unset."""
    if isinstance(value, dict):
        return {key: expanded(one, environment) for key, one in value.items()}
    if isinstance(value, list):
        return [expanded(one, environment) for one in value]
    if not isinstance(value, str):
        return value
    filled = (
        re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda found: environment.get(found[1] or found[2], ""), part)
        for part in value.split("$$")
    )
    return "$".join(filled)


def provisioned(name):
    return loaded((GRAFANA / name).read_text())


def compose(*names):
    """Return the services of Compose files, later ones over earlier ones as Compose merges them."""
    merged = {}
    for name in names:
        for service, told in loaded((DOCKER / name).read_text())["services"].items():
            into = merged.setdefault(service, {"environment": {}, "volumes": []})
            into["environment"] |= told.get("environment") or {}
            into["volumes"] = [*into["volumes"], *(told.get("volumes") or [])]
            into["entrypoint"] = told.get("entrypoint", into.get("entrypoint"))
    return merged


def variables(text):
    """Return the variables that Grafana fills in, without those that comments name."""
    body = re.sub(r"(?m)(^| )#.*$", "", text)
    return set(re.findall(r"(?<!\$)\$\{?(\w+)", body))


def address(text):
    return read_address(text, option="--x")


def texts(value):
    """Return plain numbers as the texts that variables become."""
    return {key: str(one) if type(one) is int else one for key, one in value.items()}


@pytest.mark.parametrize("path", [*PROVISIONED, *KUSTOMIZATIONS], ids=lambda path: str(path.relative_to(TOP)))
def test_every_file_is_yaml_of_the_form_its_reader_takes(path):
    """Grafana does not start with one that is not."""
    told = loaded(path.read_text())
    if path.name == "kustomization.yaml":
        assert (told["apiVersion"], told["kind"]) in {
            ("kustomize.config.k8s.io/v1beta1", "Kustomization"),
            ("kustomize.config.k8s.io/v1alpha1", "Component"),
        }
    else:
        assert told["apiVersion"] == 1
        assert len({"datasources", "providers", "contactPoints"} & set(told)) == 1


def test_there_is_no_file_of_notification_policies():
    """It would replace the whole tree of whoever loads it."""
    for path in (*PROVISIONED, RULES):
        assert not {"policies", "resetPolicies"} & set(loaded(path.read_text()))


@pytest.mark.parametrize("path", PROVISIONED, ids=lambda path: str(path.relative_to(GRAFANA)))
def test_every_variable_is_explained_in_the_file_and_every_other_dollar_is_doubled(path):
    """A $ too few, and Grafana fills in nothing."""
    text = path.read_text()
    head = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    named = variables(text)
    assert named <= set(ENVIRONMENT)
    assert all(name in head for name in named)
    known = {variable(kind, field) for kind in SETTINGS for field in kind.model_fields}
    assert {name for name in named if name.startswith("MLOBS_")} <= known


def test_the_provisioned_data_sources_are_those_that_push_makes():
    """One of the two would be forgotten otherwise."""
    ours = {
        source.uid: source
        for source in (
            sources.prometheus(
                address("http://prometheus:9090"),
                interval="15s",
                tempo=False,
                traces=address("http://mlobs:4319"),
            ),
            sources.tempo(address("http://tempo:3200")),
            sources.clickhouse(address("http://mlobs:8123"), "a token"),
        )
    }
    files = [*provisioned("datasources.yaml")["datasources"], *provisioned("tempo/tempo.yaml")["datasources"]]
    assert {one["uid"] for one in files} == set(ours)
    for told in map(expanded, files):
        source = ours[told["uid"]]
        assert (told["name"], told["type"], told["url"]) == (source.name, source.type, source.url)
        assert texts(told["jsonData"]) == texts(source.json_data)
        assert told.get("secureJsonData", {}).get("password", "") == source.password


def test_one_data_source_at_most_is_the_default():
    """Grafana does not start with two."""
    files = [*provisioned("datasources.yaml")["datasources"], *provisioned("tempo/tempo.yaml")["datasources"]]
    assert [one["uid"] for one in files if one.get("isDefault")] == ["mlobs-prometheus"]


def test_dashboards_and_rules_find_their_data_sources():
    """Rules by uid, dashboards by a variable of the type."""
    files = [*provisioned("datasources.yaml")["datasources"], *provisioned("tempo/tempo.yaml")["datasources"]]
    uids, types = {one["uid"] for one in files}, {one["type"] for one in files}
    rules = [rule for group in loaded(RULES.read_text())["groups"] for rule in group["rules"]]
    asked = {step["datasourceUid"] for rule in rules for step in rule["data"]} - {"__expr__"}
    assert asked <= uids
    for board in shipped().values():
        chosen = [one for one in board["templating"]["list"] if one["type"] == "datasource"]
        assert chosen
        assert {one["query"] for one in chosen} <= types
    linked = re.findall(r'"datasourceUid": "([^"]+)"', json.dumps(files))
    assert set(linked) <= uids


def test_the_folder_is_one_for_dashboards_and_rules():
    """Links and permissions rest on its uid; rules name it by its title."""
    (provider,) = provisioned("dashboards.yaml")["providers"]
    assert (provider["folder"], provider["folderUid"]) == ("mlobs", "mlobs")
    assert "foldersFromFilesStructure" not in provider["options"]
    assert {group["folder"] for group in loaded(RULES.read_text())["groups"]} == {"mlobs"}


def test_the_provider_finds_no_dashboard_that_it_would_refuse():
    """It walks sub-folders and reads every .json; the newer form is refused there."""
    found = sorted((TOP / "dashboards").rglob("*.json"))
    assert {path.parent for path in found} == {TOP / "dashboards"}
    uids = [json.loads(path.read_text())["uid"] for path in found]
    assert len(uids) == len(set(uids))


def test_the_contact_point_is_the_one_that_push_makes_and_signs_as_the_receiver_expects():
    """The same uid and name, so that whoever changes over does not get two."""
    (point,) = provisioned("alerting/contact.yaml")["contactPoints"]
    (receiver,) = expanded(point["receivers"])
    assert (point["name"], receiver["uid"], receiver["type"]) == (contact.NAME, contact.UID, "webhook")
    told = receiver["settings"]["hmacConfig"]
    headers = {told["header"].lower(): "x", told["timestampHeader"].lower(): "1"}
    assert Authenticator(secret=told["secret"]).admit(headers) is False
    assert receiver["settings"]["url"] == ENVIRONMENT["RECEIVER_URL"]


@pytest.mark.parametrize("names", [["compose.yaml"], ["compose.yaml", "compose.grafana-alerting.yaml"]])
def test_compose_mounts_files_that_there_are_and_gives_grafana_every_variable(names):
    """A path too many becomes an empty folder, a variable too few an empty address."""
    grafana = compose(*names)["grafana"]
    mounted = [entry.split(":") for entry in grafana["volumes"] if str(entry).startswith(".")]
    [exported] = re.findall(r"export ([\w ]+);", grafana["entrypoint"][-1])
    known = {*grafana["environment"], *exported.split()}
    assert all((DOCKER / source).exists() for source, *_ in mounted)
    targets = [target for _, target, *_ in mounted]
    assert len(targets) == len(set(targets))
    for source, target, *_ in mounted:
        if "/provisioning/" in target:
            told = (DOCKER / source).read_text()
            kinds = {"datasources": "datasources", "dashboards": "providers"}
            kind = kinds.get(Path(target).parent.name)
            assert ({kind} if kind else {"contactPoints", "groups"}) & set(loaded(told))
            if source != "../alerts/grafana/mlobs.rules.yaml":
                assert variables(told) <= known


def test_no_dollar_of_the_rules_is_filled_in():
    """Nothing in what Grafana expands may look like a variable: labels, and what stands around them."""
    for group in loaded(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            kept = {key: value for key, value in rule.items() if key not in ("data", "annotations")}
            assert expanded(kept, {}) == kept or "$$" in json.dumps(kept)
            assert expanded(rule["annotations"], {}) == rule["annotations"]


def test_the_sdk_knows_every_field_of_the_rules():
    """Grafana's own models read each rule, spelled as the API spells it, and give it back whole."""
    models = pytest.importorskip("grafana_foundation_sdk.models.alerting", reason="needs the dev extra")
    from mlobs.dashboards.grafana.rules import read_groups
    from tests.dashboards.grafana_models import plain

    for group in read_groups(RULES.read_text()):
        for rule in group.rules:
            placed = {**rule, "orgID": 1, "folderUID": "mlobs", "ruleGroup": group.name}
            assert plain(models.Rule.from_json(placed)) == placed


def test_kubernetes_lists_every_dashboard_once():
    """Kustomize has no wildcards; whoever adds a dashboard adds a line to dashboards/kustomization.yaml."""
    told = loaded((TOP / "dashboards/kustomization.yaml").read_text())
    listed = [file.partition("=")[2] for one in told["configMapGenerator"] for file in one["files"]]
    assert sorted(listed) == sorted(path.name for path in (TOP / "dashboards").glob("*.json"))
    assert all(len(one["files"]) == 1 for one in told["configMapGenerator"])


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: str(path.parent.relative_to(TOP)))
def test_what_kustomizations_name_is_there_and_below_them(path):
    """Kustomize reads no file above the folder it builds, only whole folders."""
    told = loaded(path.read_text())
    for generator in told.get("configMapGenerator", []):
        for file in generator["files"]:
            assert ".." not in file
            assert (path.parent / file.rpartition("=")[2]).is_file()
    for resource in told.get("resources", []):
        named = path.parent / resource
        assert (named / "kustomization.yaml").is_file() or (named.is_file() and ".." not in resource)


def built(folder):
    """Return what Kustomize makes of a folder, by kubectl or built by Go."""
    if shutil.which("kubectl"):
        command = ["kubectl", "kustomize", str(folder)]
    elif shutil.which("go"):
        command = ["go", "run", KUSTOMIZE, "build", str(folder)]
    else:
        pytest.skip("needs kubectl, or Go to build kustomize: apt-get install golang-go")
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", env={**os.environ, "GOFLAGS": ""})
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.slow
@pytest.mark.timeout(900)  # Kustomize is built first.
@pytest.mark.parametrize(
    ("folder", "kinds"),
    [
        ("docker/kubernetes/grafana", {"dashboard", "datasource"}),
        ("docker/kubernetes/grafana-alerting", {"alert"}),
        ("docker/grafana/tempo", {"datasource"}),
    ],
)
def test_kustomize_makes_config_maps_that_hold_the_very_files(folder, kinds):
    """No copy of a file is kept for Kubernetes, so none can lag behind."""
    maps = built(TOP / folder)
    files = {path.read_text() for path in (*PROVISIONED, RULES, *(TOP / "dashboards").glob("*.json"))}
    names = [name for one in maps for name in one["data"]]
    assert len(names) == len(set(names))  # The sidecar puts them all into one folder.
    labels = {label for one in maps for label in one["metadata"]["labels"]}
    assert labels == {LABELS[kind] for kind in kinds}
    for one in maps:
        assert one["kind"] == "ConfigMap"
        assert set(one["data"].values()) <= files
        assert sum(map(len, one["data"].values())) < 1 << 20

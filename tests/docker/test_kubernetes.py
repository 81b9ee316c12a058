"""docker/kubernetes: built by Kustomize, checked against Kubernetes' and the operator's schemas."""

import re
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest

from mlobs.alerts.catalogue import catalogue
from mlobs.cli.collector.binary import binary
from mlobs.cli.collector.configurations import variables_of_all
from mlobs.semconv.metrics import DERIVED, JUDGED
from mlobs.settings import AlertSettings
from tests.collectors.sidecar import build
from tests.docker import modules
from tests.docker.files import IMAGES, KNOWN, KUBERNETES, SERVICES, TOP, image_environment, said
from tests.docker.manifests import FOLDERS, NEWEST, OLDEST, built, containers, objects, pods
from tests.yamls import loaded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

OF_SERVICES = {"server": "server", "gateway": "gateway", "sampler": "sampler", "mlobs-sidecar": "sidecar"}


def variables(container: dict) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container["env"]}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("folder", FOLDERS)
def test_kubernetes_takes_every_object(folder, version):
    """Strictly: a field that is spelled wrongly is a field that is missing."""
    for one in built(folder):
        if not one["apiVersion"].startswith("monitoring.coreos.com/"):
            kubernetes_validate.validate(one, version, strict=True)


def closed(schema):
    """Return a schema that takes no fields it does not name, as the API server prunes them in silence."""
    if isinstance(schema, dict):
        found = {name: closed(one) for name, one in schema.items()}
        if "properties" in found and not found.get("x-kubernetes-preserve-unknown-fields"):
            found.setdefault("additionalProperties", False)
        if found.pop("x-kubernetes-int-or-string", False):
            found["type"] = ["integer", "string"]
        return found
    return [closed(one) for one in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("kind", ["PrometheusRule", "ServiceMonitor", "PodMonitor"])
def test_the_prometheus_operator_takes_its_objects(kind):
    """By the definitions that its release installs."""
    crds = modules.module(modules.OPERATOR) / "example/prometheus-operator-crd"
    crd = loaded((crds / f"monitoring.coreos.com_{kind.lower()}s.yaml").read_text())
    [version] = [one for one in crd["spec"]["versions"] if one["storage"]]
    schema = version["schema"]["openAPIV3Schema"]
    schema["properties"]["metadata"] = {
        "type": "object",
        "properties": {"name": {}, "labels": {}, "namespace": {}},
    }
    # Its patterns are Go's, so it is not checked against the schema of schemas first.
    validator = jsonschema.Draft202012Validator(closed(schema))
    found = [*objects(kind), *(one for one in built("alertmanager") if one["kind"] == kind)]
    assert found
    for one in found:
        validator.validate(one)
        assert not validator.is_valid({**one, "spec": {**one["spec"], "misspelt": []}})


def test_the_rules_are_those_of_the_rule_file():
    """One catalogue, two wrappings."""
    [rule] = objects("PrometheusRule")
    assert rule["spec"] == loaded((TOP / "alerts/mlobs.rules.yml").read_text())


def test_every_pod_is_as_the_restricted_profile_wants_it():
    """The namespace enforces it, so a pod that is not would never start."""
    [namespace] = objects("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in pods():
        told = pod["spec"]["securityContext"]
        assert (told["runAsNonRoot"], told["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
        assert f"{told['runAsUser']}:{told['runAsGroup']}" == said("server", "USER")[-1].text
        assert told["fsGroup"] == told["runAsGroup"]
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod["spec"])
        assert all({"hostPath"} != set(one) - {"name"} for one in pod["spec"]["volumes"])
    for one in containers().values():
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} <= set(one["resources"])
        assert "memory" in one["resources"]["limits"]


def test_the_sidecar_is_a_native_one():
    """Up before the service and gone after it; its startup probe holds the service back."""
    sidecar = containers()["mlobs-sidecar"]
    [pod] = [pod for pod in pods() if sidecar in pod["spec"].get("initContainers", [])]
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["startupProbe"]
    assert variables(pod["spec"]["containers"][0])["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"
    assert not {"MLOBS_SIDECAR_HTTP", "MLOBS_SIDECAR_GRPC"} & set(variables(sidecar))


def test_images_are_those_of_the_dockerfile_and_start_as_in_compose():
    """The same arguments, and behind them the same files; only the gateway finds its samplers otherwise."""
    for name, one in containers().items():
        service = OF_SERVICES.get(name, "demo")
        assert one["image"] == SERVICES[service]["image"]
        assert one["image"].partition("/")[2].partition(":")[0] in IMAGES
        told = SERVICES[service].get("command") or said(SERVICES[service]["build"]["target"], "CMD")[-1].json
        more = ["--config=file:/etc/mlobs-more/load-balancing.yaml"] if name == "gateway" else []
        assert one["args"] == [*told, *more]


def test_every_variable_is_read():
    """A variable nobody reads is a wish."""
    for name, one in containers().items():
        for told in variables(one):
            if OF_SERVICES.get(name) in ("gateway", "sampler", "sidecar"):
                assert told in {"GOMEMLIMIT", *variables_of_all()}, told
            else:
                assert told in KNOWN, told


@pytest.mark.parametrize("name", ["gateway", "sampler", "mlobs-sidecar"])
def test_a_collector_keeps_within_its_containers_memory(name):
    """GOMEMLIMIT is 80 % of what it may take, and the container has a quarter more."""
    one = containers()[name]
    told = variables(one)
    most = int(told[f"MLOBS_{OF_SERVICES[name].upper()}_MEMORY_MIB"])
    assert told["GOMEMLIMIT"] == f"{round(most * 0.8)}MiB"
    assert int(one["resources"]["limits"]["memory"].removesuffix("Mi")) >= most * 1.25


def test_what_is_written_to_is_a_volume():
    """Root file systems are read-only."""
    for pod in pods():
        volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
        for one in (*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]):
            places = {mount["mountPath"]: mount for mount in one["volumeMounts"]}
            stage = one["image"].partition("/")[2].partition(":")[0]
            for written in (word.text for word in said(stage, "VOLUME")):
                assert not places[written].get("readOnly")
            if "HOME" in image_environment(stage):
                assert image_environment(stage)["HOME"] in places
            for mount in places.values():
                assert mount["name"] in volumes or mount["name"] in ("data", "queue")


def test_secrets_are_named_and_not_held():
    """They are files in pods, for the group of the pod only: the server refuses what everybody may read."""
    assert objects("Secret") == []
    named = set()
    for pod in pods():
        for one in pod["spec"]["volumes"]:
            if "secret" in one:
                named.add(one["secret"]["secretName"])
                assert one["secret"]["defaultMode"] == 0o440
    guide = (KUBERNETES / "mlobs/kustomization.yaml").read_text()
    guide += (KUBERNETES / "example/kustomization.yaml").read_text()
    for secret in named:
        assert secret in guide or ("for who in" in guide and secret.removeprefix("mlobs-") in guide)
    [server] = [one for one in objects("ServiceMonitor") if one["metadata"]["name"] == "server"]
    credentials = server["spec"]["endpoints"][0]["authorization"]["credentials"]
    assert credentials == {"name": "mlobs-prometheus", "key": "token"}


def ports(pod: dict) -> dict[str, int]:
    told = pod["spec"]
    every = (*told.get("initContainers", []), *told["containers"])
    return {port["name"]: port["containerPort"] for one in every for port in one.get("ports", [])}


def chosen(selector: dict) -> list[dict]:
    """Return the pods that a selector finds."""
    wanted = selector.get("matchLabels", selector)
    return [pod for pod in pods() if wanted.items() <= pod["metadata"]["labels"].items()]


def test_services_monitors_probes_and_budgets_find_what_they_name():
    """Selectors and port names are texts; nobody complains of one that finds nothing."""
    for service in objects("Service"):
        [pod] = chosen(service["spec"]["selector"])
        for port in service["spec"]["ports"]:
            assert ports(pod)[port["targetPort"]] == port["port"]
    for budget in objects("PodDisruptionBudget"):
        assert len(chosen(budget["spec"]["selector"])) == 1
    for one in containers().values():
        named = {port["name"] for port in one.get("ports", [])}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert probe not in one or one[probe]["httpGet"]["port"] in named
    for monitor in objects("ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        [service] = [one for one in objects("Service") if wanted.items() <= one["metadata"]["labels"].items()]
        named = {port["name"] for port in service["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= named
    [monitor] = objects("PodMonitor")
    [pod] = chosen(monitor["spec"]["selector"])
    assert monitor["spec"]["podMetricsEndpoints"][0]["port"] in ports(pod)
    for name, address in (("sampler", "MLOBS_SAMPLER_GRPC"), ("gateway", "MLOBS_GATEWAY_HTTP")):
        told = variables(containers()[name])[address]
        assert int(told.rpartition(":")[2]) in ports(chosen({"app.kubernetes.io/name": name})[0]).values()


def test_every_target_belongs_to_a_job_that_an_alert_watches():
    """Who relabels a job otherwise is told by nobody that a target of it is down."""
    [rule] = [rule for rule in catalogue(AlertSettings()) if rule.name == "MlobsTargetDown"]
    watched = re.search(r'job=~"([^"]+)"', rule.indicator.promql)[1]
    monitors = [*objects("ServiceMonitor"), *objects("PodMonitor"), *built("alertmanager")]
    for monitor in monitors:
        told = monitor["spec"]
        for endpoint in told.get("endpoints") or told["podMetricsEndpoints"]:
            [job] = [one["replacement"] for one in endpoint["relabelings"] if one["targetLabel"] == "job"]
            assert re.fullmatch(watched, job), monitor["metadata"]["name"]


def test_the_server_is_reached_while_its_disk_is_full():
    """A pod that is not ready has no address: webhooks and people would be cut off."""
    server = containers()["server"]
    paths = {
        server[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert paths == {"/healthz"}


@pytest.mark.parametrize("name", ["gateway", "mlobs-sidecar"])
def test_a_volume_has_room_for_full_queues_and_the_compaction_of_one(name):
    """The kubelet evicts a pod that has more in an emptyDir than it may, and the service in it."""
    [pod] = [
        pod
        for pod in pods()
        if containers()[name] in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    ]
    [limit] = [
        int(one["emptyDir"]["sizeLimit"].removesuffix("Gi")) << 30
        for one in pod["spec"]["volumes"]
        if one["name"].endswith("queue")
    ]
    texts = [
        (TOP / "collectors" / Path(argument).relative_to("--config=file:/etc/mlobs")).read_text()
        for argument in containers()[name]["args"]
        if argument.startswith("--config=file:/etc/mlobs/")
    ]
    sizes = [int(size) for text in texts for size in re.findall(r"queue_size: (?:\$\{env:\w+:-)?(\d+)", text)]
    # A sidecar has one for each signal, a gateway eight of traces, and its sink two, of metrics and logs.
    queues = {"mlobs-sidecar": 3 * sizes, "gateway": [*8 * sizes[:1], *2 * sizes[1:]]}[name]
    assert limit >= sum(queues) + 2 * max(queues)


def test_the_policies_let_through_what_talks_and_nothing_else():
    """Everything is closed first; then each way that the configurations use is open, at both ends."""
    policies = {one["metadata"]["name"]: one["spec"] for one in objects("NetworkPolicy")}
    assert policies["nothing-else"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}

    def opened(name, way, other):
        peers = "from" if way == "ingress" else "to"
        labels = {"matchLabels": {"app.kubernetes.io/name": other}}
        found = set()
        for rule in policies[name][way]:
            for peer in rule.get(peers, []):
                told = peer.get("podSelector", {})
                listed = [value for one in told.get("matchExpressions", []) for value in one["values"]]
                if told == labels or other in listed:
                    found |= {port["port"] for port in rule["ports"]}
        return found

    for one, other, port in (
        ("gateway", "sampler", 4337),
        ("gateway", "server", 4318),
        ("sampler", "server", 4318),
    ):
        assert opened(one, "egress", other) == {port}
        assert opened(other, "ingress", one) == {port}
    for name in ("gateway", "sampler", "server"):
        [pod] = chosen(policies[name]["podSelector"])
        inwards = {port["port"] for rule in policies[name]["ingress"] for port in rule["ports"]}
        assert inwards <= set(ports(pod).values())
        assert not {port for word, port in ports(pod).items() if word == "health"} & inwards


def test_spans_and_scores_are_counted_once():
    """The gateways count all of them; of the server exactly those families are dropped."""
    [server] = [one for one in objects("ServiceMonitor") if one["metadata"]["name"] == "server"]
    [drop] = server["spec"]["endpoints"][0]["metricRelabelings"]
    names = re.fullmatch(r"\(([^()]*)\)\(_bucket\|_sum\|_count\)\?", drop["regex"])[1].split("|")
    assert (drop["action"], drop["sourceLabels"]) == ("drop", ["__name__"])
    assert names == [metric.prometheus for metric in (*DERIVED, *JUDGED)]
    [gateway] = [one for one in objects("ServiceMonitor") if one["metadata"]["name"] == "gateway"]
    assert "derived" in [endpoint["port"] for endpoint in gateway["spec"]["endpoints"]]


@pytest.mark.parametrize("name", ["gateway", "sampler", "mlobs-sidecar"])
def test_the_collector_takes_its_configuration_as_it_is_in_the_cluster(name, tmp_path):
    """Its own dry run, with the variables and files of the pod."""
    build()
    one = containers()[name]
    places = {
        "/etc/mlobs-more": KUBERNETES / "mlobs",
        "/etc/mlobs": TOP / "collectors",
        "/run/mlobs": tmp_path,
    }

    def here(text: str) -> str:
        for place, folder in places.items():
            text = text.replace(f"{place}/", f"{folder}/")
        return text

    told = {key: here(value) for key, value in variables(one).items()}
    for value in told.values():
        if Path(value).parent == tmp_path:
            Path(value).write_text("Authorization: Bearer a-token\n")
    done = subprocess.run(
        [binary(), "validate", *map(here, one["args"])], env=told, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

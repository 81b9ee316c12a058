"""The manifests of docker/kubernetes, built, and what they hold."""

import functools
import shutil
import subprocess

import yaml

from tests.docker import modules
from tests.docker.files import KUBERNETES

FOLDERS = ("mlobs", "example")
NEWEST, OLDEST = "1.37", "1.29"


@functools.cache
def built(folder: str) -> list[dict]:
    """Return what Kustomize makes of a folder, by kubectl or compiled by Go."""
    if shutil.which("kubectl"):
        command = ["kubectl", "kustomize", str(KUBERNETES / folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    else:
        done = modules.run(modules.KUSTOMIZE, "build", KUBERNETES / folder)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def objects(kind: str) -> list[dict]:
    return [one for folder in FOLDERS for one in built(folder) if one["kind"] == kind]


def workloads() -> list[dict]:
    return [one for kind in ("Deployment", "StatefulSet") for one in objects(kind)]


def pods() -> list[dict]:
    return [one["spec"]["template"] for one in workloads()]


def containers() -> dict[str, dict]:
    found = [
        one for pod in pods() for one in (*pod["spec"].get("initContainers", []), *pod["spec"]["containers"])
    ]
    assert len({one["name"] for one in found}) == len(found)
    return {one["name"]: one for one in found}

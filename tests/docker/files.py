"""What docker/ says: the stages of the Dockerfile, the services of Compose, and an image's settings."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockerfile_parse import DockerfileParser

from mlobs._secret_files import ENDING, file_variables
from mlobs.settings import SETTINGS, variable
from tests.yamls import loaded

TOP = Path(__file__).parents[2]
DOCKER = TOP / "docker"
KUBERNETES = DOCKER / "kubernetes"
COMPOSE = loaded((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# What programs of ours read, and what of it is secret.
FILES = {file for kind in SETTINGS for file in file_variables(kind).values()}
SECRETS = {file.removesuffix(ENDING) for file in FILES}
KNOWN = {variable(kind, field) for kind in SETTINGS for field in kind.model_fields} | FILES
OURS = [name for name, service in SERVICES.items() if "build" in service]
OTHERS = [name for name in SERVICES if name not in OURS]


@dataclass(frozen=True)
class Instruction:
    """One instruction of the Dockerfile."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """Return its words, options left out."""
        return [word for word in shlex.split(self.text) if not word.startswith("--")]

    @property
    def json(self) -> list[str]:
        """Return its words where they are a list."""
        found = json.loads(self.text)
        assert isinstance(found, list), self.text
        return found


def _stages() -> dict[str, tuple[str, list[Instruction]]]:
    """Return the base and the instructions of each stage."""
    found: dict[str, tuple[str, list[Instruction]]] = {}
    for part in DockerfileParser(path=str(DOCKER / "Dockerfile"), cache_content=True).structure:
        name, value = part["instruction"], part["value"]
        if name == "FROM":
            base, _, stage = re.split(r"\s+", value)
            current: list[Instruction] = []
            found[stage] = (base, current)
        elif name != "COMMENT" and found:
            current.append(Instruction(name, value))
    return found


STAGES = _stages()
IMAGES = ("server", "sidecar", "demo")


def lineage(stage: str) -> list[Instruction]:
    """Return the instructions of a stage after those of the stages it is made from."""
    base, own = STAGES[stage]
    return [*(lineage(base) if base in STAGES else []), *own]


def said(stage: str, name: str) -> list[Instruction]:
    return [one for one in lineage(stage) if one.name == name]


def image_environment(stage: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in said(stage, "ENV"):
        for word in one.words:
            name, _, value = word.partition("=")
            found[name] = value.replace("$PATH", found.get("PATH", "/usr/local/bin:/usr/bin:/bin"))
    return found


def stage_of(service: str) -> str:
    return str(SERVICES[service]["build"]["target"])


def command(service: str) -> list[str]:
    """Return what Compose runs: its own entry point and command before those of the image."""
    told, stage = SERVICES[service], stage_of(service)
    entry = told.get("entrypoint") or said(stage, "ENTRYPOINT")[-1].json
    ending = told.get("command")
    if ending is None:
        ending = [] if "entrypoint" in told else said(stage, "CMD")[-1].json
    return [*entry, *ending]


def environment(service: str) -> dict[str, str]:
    """Return what a service's process finds in its environment; what is unset here is not passed on."""
    told = SERVICES[service].get("environment") or {}
    filled = {name: defaulted(str(value)) for name, value in told.items() if value is not None}
    return {**image_environment(stage_of(service)), **filled}


def defaulted(text: str) -> str:
    """Fill in Compose's variables as for somebody who has set none."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    return re.sub(r"\$\{\w+:\+[^}]*\}", "", text)


@dataclass(frozen=True)
class Mount:
    """One volume or file of a service."""

    source: str
    target: str
    read_only: bool
    subpath: str = ""

    @property
    def is_file_of_ours(self) -> bool:
        """Whether it is of the checkout, and no volume."""
        return self.source.startswith(".")


def mounts(service: str) -> list[Mount]:
    found = []
    for entry in SERVICES[service].get("volumes") or []:
        if isinstance(entry, dict):
            subpath = entry["volume"]["subpath"]
            found.append(Mount(entry["source"], entry["target"], entry["read_only"], subpath))
        else:
            source, target, *mode = re.split(r":(?!-)", defaulted(entry))
            found.append(Mount(source, target, mode == ["ro"]))
    return found

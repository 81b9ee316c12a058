"""The lists of what is in the images: made by the Dockerfile's own commands, checked against CycloneDX."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from mlobs.cli.collector.binary import binary
from tests.collectors.sidecar import build
from tests.docker import modules
from tests.docker.files import STAGES, TOP

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def line(stage: str, program: str) -> list[str]:
    """Return the words of the command in a stage that begins with a program."""
    [text] = [one.text for one in STAGES[stage][1] if one.name == "RUN" and program in one.text]
    return shlex.split(re.sub(r"--mount=\S+", "", text))


def checked(file: Path) -> dict:
    """Return a list that is as CycloneDX wants it."""
    text = file.read_text()
    listed = json.loads(text)
    version = SchemaVersion.from_version(listed["specVersion"])
    assert JsonStrictValidator(version).validate_str(text) is None
    return listed


def test_pythons_list_names_every_package_with_its_version(tmp_path):
    """Of this environment, which stands for the image's."""
    words = line("server-files", "cyclonedx-py")
    file = tmp_path / "server.cdx.json"
    here = {"/sbom/server.cdx.json": str(file), "/opt/mlobs/bin/python": sys.executable}
    words = [here.get(word, word) for word in words]
    words[0] = str(Path(sys.executable).parent / words[0])
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {one["name"].lower(): one for one in checked(file)["components"]}
    assert {"mlobs", "numpy", "starlette", "grpcio", "opentelemetry-sdk"} <= set(found)
    assert found["numpy"]["purl"] == f"pkg:pypi/numpy@{found['numpy']['version']}"


def test_gos_list_names_every_module_that_is_compiled_in(tmp_path):
    """Read out of the program, by the tool and version of the Dockerfile."""
    build()
    words = line("collector", "cyclonedx-gomod")
    told = dict(one.text.split("=") for one in STAGES["collector"][1] if one.name == "ARG")
    program = words[2].replace("${CYCLONEDX}", told["CYCLONEDX"])
    file = tmp_path / "sidecar.cdx.json"
    here = {"sidecar.cdx.json": str(file), "built/mlobs-collector": str(binary())}
    done = modules.run(program, *[here.get(word, word) for word in words[3:]])
    assert done.returncode == 0, done.stderr
    found = {one["name"]: one["version"] for one in checked(file)["components"]}
    wanted = re.findall(
        r"^  - gomod: (\S+) (\S+)$", (TOP / "collectors/builder.yaml").read_text(), re.MULTILINE
    )
    assert dict(wanted).items() <= found.items()

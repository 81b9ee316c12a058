"""The Dockerfile: read by a parser, and held against the package, because no engine builds it here."""

import http.server
import json
import os
import re
import ssl
import subprocess
import sys
import threading
import tomllib
from pathlib import PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlobs.cli import NOUNS
from mlobs.cli.collector.configurations import CONFIGURATIONS, DEFAULT_SINK, WEIGHTS
from tests.certificates import certificate as certificate
from tests.docker.files import DOCKER, IMAGES, KNOWN, SERVICES, STAGES, TOP, image_environment, lineage, said

PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
TEXT = (DOCKER / "Dockerfile").read_text()
ARGUMENTS = dict(re.findall(r"^ARG (\w+)=(\S+)$", TEXT, re.MULTILINE))
IMAGE_PYTHON = {"python_version": "3.13", "python_full_version": "3.13.9"}


def copied(stage):
    """Return what a stage copies from the checkout."""
    return [one.words for one in STAGES[stage][1] if one.name == "COPY" and "--from" not in one.text]


def ignored(path):
    """Tell whether the ignore file keeps a path out; as Docker does, the last line that fits counts."""
    out = False
    for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        parents = [str(parent) for parent in (PurePosixPath(path), *PurePosixPath(path).parents)]
        if pattern == "*" or pattern in parents or PurePosixPath(path).match(pattern):
            out = not line.startswith("!")
    return out


@pytest.mark.parametrize("stage", STAGES)
def test_everything_that_is_copied_is_there_and_not_ignored(stage):
    """A missing path stops the build after minutes."""
    for *sources, _ in copied(stage):
        for source in sources:
            assert (TOP / source).exists(), source
            assert not ignored(source), source


def test_what_is_not_copied_is_not_sent_to_the_builder():
    """Least of all secrets and data."""
    for path in (
        "docker/keys",
        "keys/all/keys.json",
        ".git/config",
        ".venv/bin/python",
        "mlobs-data/x",
        ".env",
    ):
        assert ignored(path)
    assert ignored("mlobs/cli/__pycache__")


def test_the_wheel_is_built_from_all_that_it_is_made_of():
    """What hatch puts into the wheel is what the stage copies."""
    wheel = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel["force-include"], *PROJECT["license-files"], PROJECT["readme"]}
    assert {source for *sources, _ in copied("wheel") for source in sources} == {*needed, "pyproject.toml"}


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_copied_from_other_stages_is_made_there(stage):
    """By a name that exists, and before."""
    order = list(STAGES)
    for one in lineage(stage):
        for source in re.findall(r"(?:--from|from)=(\w[\w-]*)", one.text):
            assert order.index(source) < order.index(stage)
    base = STAGES[stage][0]
    assert base in order[: order.index(stage)] or base == "scratch" or "${" in base


@pytest.mark.parametrize("image", IMAGES)
def test_images_run_as_a_user_without_rights(image):
    """Numeric, because Kubernetes cannot tell whether a name is root; nothing is run after."""
    assert said(image, "USER")[-1].text == "10001:10001"
    assert "RUN" not in [one.name for one in STAGES[image][1]]


@pytest.mark.parametrize("image", IMAGES)
def test_images_say_what_they_are(image):
    """The version is the package's."""
    labels = dict(
        word.removeprefix("org.opencontainers.image.").split("=", 1)
        for one in said(image, "LABEL")
        for word in one.words
    )
    assert labels["title"] == f"mlobs {image}"
    assert labels["licenses"] == PROJECT["license"]
    assert (labels["version"], labels["revision"]) == ("${VERSION}", "${REVISION}")
    assert {one.text for one in STAGES[image][1] if one.name == "ARG"} == {"VERSION", "REVISION"}
    assert ARGUMENTS["VERSION"] == PROJECT["version"]
    assert f"mlobs/{image}:{PROJECT['version']}" in TEXT


def test_the_final_images_have_nothing_that_installs_or_compiles():
    """The collector's is empty but for what it runs; Python's loses pip."""
    assert STAGES["sidecar"][0] == "scratch"
    assert "pip uninstall --yes" in " ".join(one.text for one in said("server", "RUN"))
    for image in ("server", "demo"):
        assert "apt-get" not in " ".join(one.text for one in lineage(image))
        assert all("tools" not in one.text for one in lineage(image))
    assert "--without-pip" in " ".join(one.text for one in said("server-files", "RUN"))


@pytest.mark.parametrize("image", IMAGES)
def test_every_image_has_the_list_of_what_is_in_it(image):
    """Where scanners and people find it, and all three by --target sbom."""
    assert any(one.words[-1] == "/usr/share/mlobs/sbom.cdx.json" for one in said(image, "COPY"))
    assert any(f"{image}.cdx.json" in one.text for one in said("sbom", "COPY"))


def test_the_base_images_and_tools_have_versions():
    """`latest` is another image tomorrow."""
    assert re.fullmatch(r"3\.1[1-4]-slim-\w+", ARGUMENTS["PYTHON"])
    assert re.fullmatch(r"1\.2\d-\w+", ARGUMENTS["GO"])
    assert re.search(
        r"^  version: \d+\.\d+\.\d+$", (TOP / "collectors/builder.yaml").read_text(), re.MULTILINE
    )
    for name, service in SERVICES.items():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name


@pytest.mark.parametrize("image", ["server", "demo"])
def test_python_images_start_what_the_package_installs(image):
    """The entry point and its verb are the package's own."""
    entry, words = said(image, "ENTRYPOINT")[-1].json, said(image, "CMD")[-1].json
    assert entry[0] in PROJECT["scripts"]
    assert words[0] in NOUNS
    assert image_environment(image)["PATH"].startswith("/opt/mlobs/bin:")


def test_every_variable_of_an_image_is_read_by_what_it_runs():
    """A variable nobody reads is a wish."""
    texts = "".join(path.read_text() for path in (TOP / "collectors").rglob("*.yaml"))
    assert {name for name in image_environment("server") if name.startswith("MLOBS")} <= KNOWN
    for name in image_environment("sidecar"):
        assert name == "GOMEMLIMIT" or f"${{env:{name}:-" in texts


def test_the_collector_runs_the_sidecar_unless_told_otherwise():
    """Of the files that are copied with it."""
    assert said("sidecar", "CMD")[-1].json == ["--config=file:/etc/mlobs/sidecar.yaml"]
    assert ["collectors", "/etc/mlobs"] in copied("sidecar")


@pytest.mark.parametrize("role", ["sidecar", "gateway", "sampler"])
def test_each_role_of_the_collector_gets_the_files_that_mlobs_would_give_it(role):
    """`mlobs collector run` knows which, and in which order."""
    names = [*CONFIGURATIONS[role], *([] if role == "sidecar" else [f"sinks/{DEFAULT_SINK}"])]
    wanted = [f"--config=file:/etc/mlobs/{name}.yaml" for name in names]
    assert SERVICES[role]["command"] == [*wanted, *([WEIGHTS] if role == "sampler" else [])]


def pins(name):
    """Return the packages of a lock, with how many hashes each has."""
    found = {}
    for line in (DOCKER / "requirements" / name).read_text().replace("\\\n", " ").splitlines():
        if match := re.match(r"([\w.-]+)==(\S+)(.*)", line):
            found[canonicalize_name(match[1])] = (match[2], len(re.findall(r"sha256:[0-9a-f]{64}", match[3])))
    return found


def wanted(requirements, extras=("",)):
    """Yield the requirements that hold in the image."""
    for text in requirements:
        one = Requirement(text)
        for extra in extras:
            if one.marker is None or one.marker.evaluate({**IMAGE_PYTHON, "extra": extra}):
                yield one
                break


@pytest.mark.parametrize(("lock", "extras"), [("server.txt", ["server", "drift"]), ("demo.txt", ["demo"])])
def test_the_locks_hold_what_the_package_asks_for(lock, extras):
    """Each in a version that it takes, with the hashes of its files."""
    locked = pins(lock)
    asked = list(PROJECT["dependencies"])
    for extra in extras:
        asked += PROJECT["optional-dependencies"][extra]
    while ours := next((text for text in asked if text.startswith("mlobs[")), None):
        asked.remove(ours)
        for extra in Requirement(ours).extras:
            asked += PROJECT["optional-dependencies"][extra]
    for one in wanted(asked):
        version, hashes = locked[canonicalize_name(one.name)]
        assert one.specifier.contains(version), f"{one} is {version} in {lock}: make the lock anew"
        assert hashes
    assert all(hashes for _, hashes in locked.values())
    assert set(extras) <= set((DOCKER / "requirements" / lock).read_text().split("-o ")[0].split())


def test_the_tools_of_the_build_are_pinned_too():
    """The backend that pyproject.toml names, and what is asked for in build.in."""
    asked = [line for line in (DOCKER / "requirements/build.in").read_text().splitlines() if line[0] != "#"]
    locked = pins("build.txt")
    assert set(asked) <= set(locked)
    assert all(hashes for _, hashes in locked.values())
    [backend] = tomllib.loads((TOP / "pyproject.toml").read_text())["build-system"]["requires"]
    assert Requirement(backend).specifier.contains(locked[Requirement(backend).name][0])


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_says_what_readyz_says(status, healthy, secure, certificate):
    """Run as Docker would, against a server that is ready and one that is not, with TLS and without."""

    class Ready(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/readyz" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Ready)
    environment = {**os.environ, "MLOBS_PORT": str(server.server_port)}
    environment.pop("MLOBS_TLS_CERTIFICATE", None)
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        environment["MLOBS_TLS_CERTIFICATE"] = str(certificate.chain)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    words = json.loads(said("server", "HEALTHCHECK")[-1].text.partition("CMD ")[2])
    done = subprocess.run([sys.executable, *words[1:]], env=environment, capture_output=True, check=False)
    server.shutdown()
    server.server_close()
    assert (done.returncode == 0) is healthy

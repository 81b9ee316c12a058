"""What users get: the wheel, installed where nothing of the checkout is in sight."""

import os
import shlex
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXTRAS_PROBE = """
import mlobs.assets, sys
root = mlobs.assets.root()
folders = [root / name for name in ("dashboards", "alerts", "collectors")]
names = sorted(item.name for folder in folders for item in folder.iterdir())
print(root, *names)
"""


def run(*command: object, **given: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd="/", **given)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def fresh(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the core installed from the wheel."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=True)
    run(folder / "bin/python", "-m", "pip", "install", "-q", *built.glob("*.whl"))
    return folder


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_wheel_finds_its_dashboards_rules_and_collectors(fresh):
    """A wheel without its assets works in the checkout and nowhere else."""
    found = run(fresh / "bin/python", "-c", EXTRAS_PROBE)
    assert str(fresh) in found
    for name in ("overview.json", "mlobs.rules.yml", "sidecar.yaml", "builder.yaml"):
        assert name in found


def test_a_checkout_finds_its_dashboards_rules_and_collectors():
    """Editable installs included."""
    found = run(sys.executable, "-c", EXTRAS_PROBE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert str(ROOT) in found
    assert "overview.json" in found


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_core_alone_traces_and_says_what_the_rest_needs(fresh):
    """A service installs the core; the door must open without numpy, chdb and friends.

    What the sentence gives to pip is where this copy came from: on PyPI the name is another project's.
    """
    python = fresh / "bin/python"
    run(python, "-c", "import mlobs\nmlobs.init('s', endpoint='http://127.0.0.1:9')\nmlobs.tool(print)('x')")
    done = subprocess.run([fresh / "bin/mlobs", "up"], capture_output=True, text=True, cwd="/tmp")
    assert done.returncode == 2
    assert ".whl[server]'\n" in done.stderr
    said = shlex.split(done.stderr.rpartition("Install it with: ")[2])
    run(python, "-m", *said, "--dry-run", "--no-deps", "-q")
    done = subprocess.run([fresh / "bin/mlobs", "demo"], capture_output=True, text=True, cwd="/tmp")
    assert (done.returncode, ".whl[demo]'\n" in done.stderr) == (2, True)
    nobody = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}  # where none listens, ever
    done = subprocess.run(
        [fresh / "bin/mlobs", "doctor"], capture_output=True, text=True, cwd="/tmp", env=nobody
    )
    assert (done.returncode, done.stderr) == (1, ""), "it finds no server, and needs no extra to say so"
    done = subprocess.run(
        [fresh / "bin/mlobs", "dashboards", "list"], capture_output=True, text=True, cwd="/tmp"
    )
    assert (done.returncode, ".whl[cli]'\n" in done.stderr) == (2, True)
    done = subprocess.run([python, "-c", "import mlobs; mlobs.Monitor"], capture_output=True, text=True)
    assert ".whl[drift]'\n" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_core_is_light(fresh):
    """Under 40 MB beyond pip and setuptools, which brings pkg_resources; five direct dependencies."""
    site = next((fresh / "lib").glob("python*/site-packages"))
    bytes_used = sum(
        path.stat().st_size
        for path in site.rglob("*")
        if path.is_file()
        and path.relative_to(site).parts[0] not in {"pip", "setuptools", "pkg_resources", "_distutils_hack"}
    )
    assert bytes_used < 40 << 20, f"{bytes_used >> 20} MB"
    listed = run(
        fresh / "bin/python",
        "-c",
        "from importlib.metadata import requires\nprint(*[r for r in requires('mlobs') if 'extra' not in r])",
    )
    assert len(listed.split()) <= 5


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_wheel_holds_no_tests_and_the_sdist_all_it_is_built_from(built):
    """What is shipped is meant to be."""
    [wheel] = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"mlobs", "mlobs-0.1.0.dist-info"}
    assert "mlobs/py.typed" in names
    assert any(name.endswith(".sql") for name in names)
    assert any(name.endswith(".proto") for name in names)

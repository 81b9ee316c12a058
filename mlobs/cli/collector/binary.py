"""Compiles the collector's distribution with Go, once, into the user's cache.

The cache's folder is named by a hash of `collectors/builder.yaml`.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from mlobs import assets
from mlobs.cli.printing import console
from mlobs.errors import DataError, ServerError, SettingError

BINARY = "mlobs-collector"
BUILDER = "go.opentelemetry.io/collector/cmd/builder"
SOURCES_ONLY = "--skip-compilation"


def binary() -> Path:
    """Return where the collector of this version of builder.yaml is, or would be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(_manifest().encode()).hexdigest()[:16]
    return cache / "mlobs" / "collector" / key / BINARY


def compile_collector(built: Path) -> None:
    """Compile the collector to `built`.

    Raises:
        SettingError: Go is missing.
        ServerError: The builder failed.
        DataError: builder.yaml names no version.
    """
    built.parent.mkdir(parents=True, exist_ok=True)
    with (
        (built.parent / "lock").open("w") as lock,
        tempfile.TemporaryDirectory(dir=built.parent, prefix="building-") as folder,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once would take twice as long, and every core
        if built.exists():
            return
        made = _built(Path(folder), "compiling the collector; takes minutes the first time")
        (made / BINARY).replace(built)  # complete or absent


def generate(folder: Path) -> Path:
    """Write the sources of the collector below `folder`, and return where they are.

    Raises:
        SettingError: Go is missing.
        ServerError: The builder failed.
        DataError: builder.yaml names no version.
    """
    return _built(folder, "writing the collector's sources", SOURCES_ONLY)


def build_tags() -> str:
    """Return the tags that the collector is compiled with."""
    found = re.search(r"^  build_tags: (\S+)$", _manifest(), re.MULTILINE)
    return found[1] if found else ""


def _built(folder: Path, doing: str, *more: str) -> Path:
    go = shutil.which("go")
    if go is None:
        raise SettingError(
            "Building the collector needs Go 1.26 or newer, and no 'go' is on the PATH. Install it from "
            "https://go.dev/dl or your distribution, or use the image of docker/Dockerfile."
        )
    manifest = _manifest()
    version = re.search(r"^  version: (\S+)$", manifest, re.MULTILINE)
    if version is None:
        raise DataError("collectors/builder.yaml has no line '  version: X.Y.Z' under dist; add it.")
    (folder / "builder.yaml").write_text(manifest)
    command = [go, "run", f"{BUILDER}@v{version[1]}", "--config", "builder.yaml", *more]
    with console(stderr=True).status(doing):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "downloading" not in line]
        raise ServerError(
            "The collector could not be compiled. Is the Go module proxy reachable, and Go new enough? "
            "The builder said:\n" + "\n".join(said[-12:])
        )
    return folder / "built"


def _manifest() -> str:
    return (assets.root() / "collectors" / "builder.yaml").read_text()

"""`mlobs collector`: build, check, show and run the OpenTelemetry Collector that mlobs configures.

Nothing here knows what a collector does: these verbs find files, compile the distribution of
`collectors/builder.yaml` with Go, keep it in the user's cache under a hash of that file, and
start it.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import as_file
from pathlib import Path
from typing import Any, NoReturn

from mlobs import assets
from mlobs.cli.printing import console
from mlobs.errors import DataError, ServerError, SettingError

BINARY = "mlobs-collector"
BUILDER = "go.opentelemetry.io/collector/cmd/builder"
ENDPOINT = "MLOBS_ENDPOINT"
RUN_EPILOG = """\
examples:
  MLOBS_ENDPOINT=http://127.0.0.1:4319 mlobs collector run
  mlobs collector run --endpoint http://127.0.0.1:4319 my-collector.yaml

The variables of the configuration are at its top: mlobs collector config
"""


def register(nouns: Any) -> None:
    """Add `collector` and its verbs."""
    noun = nouns.add_parser("collector", help="the OpenTelemetry Collector beside a service")
    verbs = noun.add_subparsers(title="verbs", metavar="VERB", required=True)
    build = _verb(verbs, "build", _build, "Compile the collector with Go, once; takes minutes.")
    build.add_argument(
        "-o", "--output", metavar="DIR", type=Path, help="put it here as well (default: the cache)"
    )
    _configuration(_verb(verbs, "config", _config, "Print a configuration that ships with mlobs."))
    validate = _verb(verbs, "validate", _validate, "Let the collector check a configuration.")
    run = _verb(verbs, "run", _run, "Run the collector in the foreground.")
    run.epilog, run.formatter_class = RUN_EPILOG, argparse.RawDescriptionHelpFormatter
    for verb in (validate, run):
        _configuration(verb)
        verb.add_argument(
            "--endpoint",
            metavar="URL",
            default=os.environ.get(ENDPOINT, ""),
            help=f"where it sends to: an mlobs server (default: ${ENDPOINT})",
        )


def binary() -> Path:
    """Return where the collector of this version of builder.yaml is, or would be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(_manifest().encode()).hexdigest()[:16]
    return cache / "mlobs" / "collector" / key / BINARY


def _verb(verbs: Any, name: str, handler: Any, about: str) -> argparse.ArgumentParser:
    verb: argparse.ArgumentParser = verbs.add_parser(name, help=about, description=about)
    verb.set_defaults(handler=handler)
    return verb


def _configuration(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "configuration",
        metavar="CONFIG",
        nargs="?",
        default="sidecar",
        help="sidecar, or a file (default: sidecar)",
    )


def _build(arguments: argparse.Namespace) -> int:
    built = binary()
    if not built.exists():
        _compile(built)
    if arguments.output:
        arguments.output.mkdir(parents=True, exist_ok=True)
        built = Path(shutil.copy2(built, arguments.output / BINARY))
    print(built)
    return 0


def _config(arguments: argparse.Namespace) -> int:
    print(_text(arguments.configuration), end="")
    return 0


def _validate(arguments: argparse.Namespace) -> int:
    command, environment = _command("validate", arguments)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr.strip() or done.stdout.strip(), file=sys.stderr)
        return 1
    console(stderr=True).print(f"{arguments.configuration}: the collector can use it")
    return 0


def _run(arguments: argparse.Namespace) -> NoReturn:
    command, environment = _command("", arguments)
    sys.stdout.flush()
    # Replaces this process, so that signals and exit status are the collector's own.
    os.execve(command[0], command, environment)  # noqa: S606  a list of our own, and no shell wanted


def _command(verb: str, arguments: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    text = _text(arguments.configuration)
    if not arguments.endpoint and f"env:{ENDPOINT}}}" in text:
        raise SettingError(
            f"The configuration {arguments.configuration!r} sends to ${ENDPOINT}, which is not set. "
            f"Give the address of an mlobs server with --endpoint, such as http://127.0.0.1:4319."
        )
    built = binary()
    if not built.exists():
        raise SettingError(
            f"The collector is not built yet: {built} does not exist. Build it with: mlobs collector build"
        )
    command = [str(built), *([verb] if verb else []), f"--config=file:{_path(arguments.configuration)}"]
    return command, {**os.environ, ENDPOINT: arguments.endpoint}


def _compile(built: Path) -> None:
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
    built.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=built.parent, prefix="building-") as folder:
        (Path(folder) / "builder.yaml").write_text(manifest)
        command = [go, "run", f"{BUILDER}@v{version[1]}", "--config", "builder.yaml"]
        with console(stderr=True).status("compiling the collector; takes minutes the first time"):
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if "downloading" not in line]
            raise ServerError(
                "The collector could not be compiled. Is the Go module proxy reachable, and Go new enough? "
                "The builder said:\n" + "\n".join(said[-12:])
            )
        (Path(folder) / "built" / BINARY).replace(built)  # complete or absent, also when two build at once


def _manifest() -> str:
    return (assets.root() / "collectors" / "builder.yaml").read_text()


def _text(configuration: str) -> str:
    try:
        return Path(_path(configuration)).read_text()
    except OSError as error:
        shipped = sorted(
            file.name.removesuffix(".yaml")
            for file in (assets.root() / "collectors").iterdir()
            if file.name.endswith(".yaml") and file.name != "builder.yaml"
        )
        raise DataError(
            f"The configuration {configuration!r} cannot be read: {error.strerror}. "
            f"Give a file, or one that ships with mlobs: {', '.join(shipped)}."
        ) from None


def _path(configuration: str) -> Path:
    """Return the file of a shipped configuration's name, or the file that was named."""
    shipped = assets.root() / "collectors" / f"{configuration}.yaml"
    if configuration == "builder" or "/" in configuration or not shipped.is_file():
        return Path(configuration)
    # A wheel is unpacked on installation, so the file outlives this.
    with as_file(shipped) as path:
        return path

"""`mlobs collector run`: run the collector in the foreground."""

import argparse
import math
import os
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

from mlobs.cli.collector.beforehand import absences, check_certificates, check_ports, tokens
from mlobs.cli.collector.binary import binary
from mlobs.cli.collector.config import add_configuration, added
from mlobs.cli.collector.configurations import SAMPLER, VARIABLES, WEIGHTS, routes, sources
from mlobs.cli.collector.destinations import Configured
from mlobs.cli.collector.exposure import is_loopback
from mlobs.cli.collector.folders import check_held, cramped
from mlobs.cli.collector.judging import unread, warnings
from mlobs.cli.collector.opening import opening
from mlobs.cli.collector.reading import Source, merged, read, required
from mlobs.cli.collector.watching import watch
from mlobs.cli.verbs import add_verb
from mlobs.errors import SettingError
from mlobs.settings import TRUSTED

ENDPOINT = "MLOBS_ENDPOINT"
TOKEN_FILE, FROM_FILE, ELSE = "MLOBS_TOKEN_FILE", "MLOBS_TOKEN_FROM_FILE", "MLOBS_TOKEN_ELSE"
CERTIFICATE, OF_SAMPLERS = "MLOBS_CERTIFICATE", "MLOBS_SAMPLER_CERTIFICATE"
SAMPLERS, INSECURE = "MLOBS_SAMPLERS", "MLOBS_SAMPLER_INSECURE"
SCRAPE, JOB = "MLOBS_SIDECAR_SCRAPE", "MLOBS_SIDECAR_SCRAPE_JOB"
# Variables of configurations that are numbers, by how their names end.
NUMBERS = re.compile(r"_(MIB|BYTES|PORT|PERCENT|MS|USD|BELOW|SPANS|SAMPLER_TRACES|MEGABYTES|BACKUPS)$")
EPILOG = """\
examples:
  MLOBS_ENDPOINT=http://127.0.0.1:4319 mlobs collector run
  mlobs collector run --endpoint http://127.0.0.1:4319 my-collector.yaml
  mlobs collector run gateway --sink mlobs --sink remote-write --with mine.yaml

The variables of a configuration are at its top: mlobs collector config gateway
"""


def register(verbs: Any) -> None:
    """Add `run` to the verbs of `collector`."""
    about = "Run the collector in the foreground."
    run = add_verb(verbs, "run", _run, about, EPILOG)
    add_configuration(run)
    add_endpoint(run)


def add_endpoint(verb: argparse.ArgumentParser) -> None:
    """Add the address that a configuration sends to."""
    verb.add_argument(
        "--endpoint",
        metavar="URL",
        default=os.environ.get(ENDPOINT, ""),
        help=f"where it sends to: an mlobs server or a gateway (default: ${ENDPOINT})",
    )


def variables(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the environment the collector gets."""
    # The collector takes an empty variable for set, and would read the file of no name.
    given = {name: value for name, value in os.environ.items() if value or not name.startswith("MLOBS_")}
    found = {**routes(arguments.configuration, arguments.sink), **given}
    if arguments.endpoint:
        found[ENDPOINT] = arguments.endpoint
    here = all(map(is_loopback, found.get(SAMPLERS, "127.0.0.1:4337").strip("[] ").split(",")))
    if here and OF_SAMPLERS not in found:
        found.setdefault(INSECURE, "true")
    if found.get(TOKEN_FILE):
        found.setdefault(FROM_FILE, "true")
        found[ELSE] = ""  # Beside a file it would be warned of at each start.
    if TRUSTED in found:
        found.setdefault(CERTIFICATE, found[TRUSTED])
    return found


def command(verb: str, files: list[Source], environment: dict[str, str]) -> list[str]:
    """Return how the collector is started.

    Raises:
        SettingError: It is not built, or a variable it needs is not set.
    """
    missing = {name: about for name, about in required(files).items() if not environment.get(name)}
    if ENDPOINT in missing:
        raise SettingError(
            f"The configuration {files[-1].name!r} sends to ${ENDPOINT}, which is not set. "
            f"Give the address of an mlobs server with --endpoint, such as http://127.0.0.1:4319."
        )
    if missing:
        told = "; ".join(f"${name}{f' ({about})' if about else ''}" for name, about in missing.items())
        raise SettingError(f"The configuration needs variables that are not set. Set them: {told}.")
    _check_numbers(files, environment)
    _check_trust(files, environment)
    if environment.get(SCRAPE, "").strip("[] ") and not environment.get(JOB):
        raise SettingError(
            f"${SCRAPE} is set and ${JOB} is not, so that the series of all services would be one. "
            f"Set ${JOB} to the service's name."
        )
    built = binary()
    if not built.exists():
        raise SettingError(
            f"The collector is not built yet: {built} does not exist. Build it with: mlobs collector build"
        )
    configs = [f"--config=file:{Path(file.name).absolute()}" for file in files]
    samples = any(name.split("/")[0] == SAMPLER for name in merged(files).get("processors") or {})
    return [str(built), *([verb] if verb else []), *configs, *([WEIGHTS] if samples else [])]


def _check_trust(files: list[Source], environment: dict[str, str]) -> None:
    """With certificates to trust the collector speaks TLS, whatever else is said."""
    asked = {name for file in files for name in VARIABLES.findall(file.text)}
    for open_, trusted in ((INSECURE, OF_SAMPLERS), ("MLOBS_OTLP_INSECURE", "MLOBS_OTLP_CERTIFICATE")):
        if trusted in asked and environment.get(trusted) and environment.get(open_, "").lower() == "true":
            raise SettingError(
                f"${open_} is true and ${trusted} is set, and with a certificate to trust the collector "
                f"speaks TLS all the same. Unset one of them."
            )


def _check_numbers(files: list[Source], environment: dict[str, str]) -> None:
    """A text where a number belongs stops the collector late, or becomes a part of a condition."""
    texts = "".join(file.text for file in files)
    for name in sorted(set(VARIABLES.findall(texts))):
        given = environment.get(name)
        if not given or not NUMBERS.search(name):
            continue
        try:
            number = float(given)
        except ValueError:
            number = math.nan
        least = -math.inf if name.endswith("_BELOW") else 0
        most = 100 if name.endswith("_PERCENT") else math.inf
        if not least <= number <= most:
            wanted = "a number from 0 to 100" if most == 100 else "a number, such as its default"
            raise SettingError(f"${name} is {given!r}. Give {wanted}.")


def _run(arguments: argparse.Namespace) -> NoReturn:
    environment = variables(arguments)
    more = added(arguments)
    files = sources(arguments.configuration, arguments.sink, more)
    started = command("", files, environment)
    document = read(files, environment)
    configured = Configured(merged(files), document, environment)
    ports = check_ports(files, document)
    check_certificates(configured)
    check_held(configured)
    said = opening(arguments.configuration, document, tokens(configured))
    found = warnings(arguments.configuration, files, more, configured)
    odd = unread(files, os.environ)
    for line in (*said, *found, *odd, *ports, *cramped(configured), *absences(configured)):
        print(f"mlobs: {line}", file=sys.stderr)
    watch(configured)
    # Replaces this process, so that signals and exit status are the collector's own.
    os.execve(started[0], started, environment)  # noqa: S606  a list of our own, and no shell wanted

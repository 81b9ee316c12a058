"""`mlobs collector config`: print a configuration that ships with mlobs, in one piece."""

import argparse
from collections.abc import Sequence
from typing import Any

from mlobs.cli.collector.configurations import CONFIGURATIONS, SINKS, routed, routes, sources
from mlobs.cli.collector.reading import Source, dumped, merged
from mlobs.cli.verbs import add_verb


def register(verbs: Any) -> None:
    """Add `config` to the verbs of `collector`."""
    about = "Print a configuration that ships with mlobs."
    config = add_verb(verbs, "config", _config, about)
    add_configuration(config)


def add_configuration(verb: argparse.ArgumentParser) -> None:
    """Add what names a configuration and its sinks."""
    verb.add_argument(
        "configuration",
        metavar="CONFIG",
        nargs="?",
        default="sidecar",
        help=f"{', '.join(CONFIGURATIONS)}, or a file (default: sidecar)",
    )
    verb.add_argument(
        "more",
        metavar="FILE",
        nargs="*",
        help="files of yours that come after it and change it: certificates, another sink",
    )
    verb.add_argument(
        "--with",
        metavar="FILE",
        dest="beside",
        action="append",
        default=[],
        help="the same as FILE, wherever it stands; FILE itself must come before the options",
    )
    verb.add_argument(
        "--sink",
        metavar="SINK",
        action="append",
        default=[],
        help=f"where a gateway or sampler sends to, may be given again: {', '.join(SINKS)} (default: mlobs)",
    )


def added(arguments: argparse.Namespace) -> list[str]:
    """Return the user's own files, in the order they were given."""
    return [*arguments.more, *arguments.beside]


def text(configuration: str, sinks: Sequence[str], more: Sequence[str]) -> str:
    """Return a configuration as one file: as it is, or its parts together."""
    files = sources(configuration, sinks, more)
    if len(files) == 1:
        return files[0].text
    document = routed(merged(files), routes(configuration, sinks))
    return "#\n".join(map(_first_lines, files)) + dumped(document)


def _config(arguments: argparse.Namespace) -> int:
    print(text(arguments.configuration, arguments.sink, added(arguments)), end="")
    return 0


def _first_lines(file: Source) -> str:
    """Return what a file says about itself and its variables."""
    lines = []
    for line in file.text.splitlines(keepends=True):
        if not line.startswith("#"):
            break
        lines.append(line)
    return "".join(lines)

"""`mlobs dashboards build`."""

import argparse
from pathlib import Path
from typing import Any

from mlobs.cli.verbs import add_verb
from mlobs.errors import DataError


def register(verbs: Any) -> None:
    """Add `build`."""
    build = add_verb(
        verbs, "build", _build, "Write the dashboards: classic JSON, and the newer form under v2."
    )
    build.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("dashboards"),
        help="where to write (default: dashboards)",
    )
    build.add_argument(
        "--traces", metavar="URL", default="", help="the mlobs server as people open it, for runs to lead to"
    )


def _build(arguments: argparse.Namespace) -> int:
    from mlobs.dashboards.build import build
    from mlobs.dashboards.grafana.address import read_address
    from mlobs.settings import AlertSettings, load

    pages = read_address(arguments.traces, option="--traces").text if arguments.traces else ""
    try:
        for name, text in build(load(AlertSettings), pages).items():
            path = arguments.output / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(path)
    except OSError as error:
        raise DataError(
            f"The folder {str(arguments.output)!r} cannot be written: {error.strerror}. "
            f"Choose another with -o DIR."
        ) from None
    return 0

"""Whom `mlobs alerts deliveries`, `redrive` and `silence` ask: a server, or a file of deliveries itself."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlobs.alerts.desk import Desk
    from mlobs.alerts.outbox import Outbox
    from mlobs.alerts.silencing import Silencing

MISSING = (
    "The server knows nothing of deliveries: it is of an older release. Upgrade it, or name its file of "
    "deliveries with --file."
)
NO_SILENCES = (
    "The server knows nothing of silences: it is of an older release. Upgrade it, or name its file of "
    "deliveries with --file."
)


def add_whom(verb: argparse.ArgumentParser) -> None:
    """Add the flags that say whom to ask."""
    whom = verb.add_mutually_exclusive_group()
    whom.add_argument("--server", metavar="URL", help="the server to ask (default: the one on this machine)")
    whom.add_argument(
        "--file",
        metavar="FILE",
        type=Path,
        help="a file of deliveries instead: alerts-received.sqlite in the folder of mlobs alerts receive",
    )


def deliveries(arguments: argparse.Namespace, query: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sinks and the newest deliveries.

    Raises:
        QueryError: The question cannot be answered.
        ServerError: No server answers.
        StoreError: The file cannot be read.
    """
    asked = {name: str(value) for name, value in query.items() if value is not None}
    if arguments.file is None:
        from mlobs.cli.alerts.desk_routes import DELIVERIES
        from mlobs.cli.asking import ask

        found: dict[str, Any] = ask(arguments.server, DELIVERIES, asked, missing=MISSING)
        return found
    with _Opened(arguments.file) as outbox:
        return _desk(outbox).deliveries(asked)


def redrive(arguments: argparse.Namespace, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Put dead letters back and return which.

    Raises:
        QueryError: The server refuses.
        ServerError: No server answers.
        StoreError: The file cannot be written.
    """
    import json

    if arguments.file is None:
        from mlobs.cli.alerts.desk_routes import REDRIVE
        from mlobs.cli.asking import client

        with client(arguments.server) as asked:
            found: dict[str, Any] = asked.post(REDRIVE, dict(wanted), missing=MISSING)
        return found
    with _Opened(arguments.file) as outbox:
        return _desk(outbox).redrive(json.dumps(wanted).encode())


def silences(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the silences that hold, and those that have ended lately.

    Raises:
        ServerError: No server answers.
        StoreError: The file cannot be read.
    """
    if arguments.file is None:
        from mlobs.cli.alerts.silence_routes import SILENCES
        from mlobs.cli.asking import ask

        found: dict[str, Any] = ask(arguments.server, SILENCES, missing=NO_SILENCES)
        return found
    with _Opened(arguments.file) as outbox:
        return _silencing(outbox).listed()


def silence(arguments: argparse.Namespace, wanted: Mapping[str, Any], end: str = "") -> dict[str, Any]:
    """Make a silence, or end one, and return it.

    Args:
        arguments: Whom to ask.
        wanted: What the silence is like, or who ends it.
        end: Which one ends; "" to make one.

    Raises:
        PayloadError: It cannot be made, or there is none to end.
        QueryError: The server refuses.
        ServerError: No server answers.
        StoreError: The file cannot be written.
    """
    if arguments.file is None:
        from urllib.parse import quote

        from mlobs.cli.alerts.silence_routes import SILENCES
        from mlobs.cli.asking import client

        path = f"{SILENCES}/{quote(end, safe='')}/end" if end else SILENCES
        with client(arguments.server) as asked:
            found: dict[str, Any] = asked.post(path, dict(wanted), missing=NO_SILENCES)
        return found
    with _Opened(arguments.file) as outbox:
        made = _silencing(outbox)
        return made.end(end, str(wanted["who"])) if end else made.silence(wanted)


def _desk(outbox: "Outbox") -> "Desk":
    import time

    from mlobs.alerts.desk import Desk

    return Desk(outbox, None, time.time)


def _silencing(outbox: "Outbox") -> "Silencing":
    import time

    from mlobs.alerts.silencing import Silencing

    return Silencing(outbox, time.time)


class _Opened:
    """Opens a file of deliveries that is there; who delivers from it may go on meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> "Outbox":
        from mlobs.alerts.outbox import Outbox
        from mlobs.alerts.routing import memory
        from mlobs.errors import SettingError

        if not self._path.is_file():
            raise SettingError(f"--file {self._path}: there is no such file of deliveries.")
        self._outbox = Outbox(self._path, extra_schema=(memory.SCHEMA,))
        return self._outbox

    def __exit__(self, *_: object) -> None:
        self._outbox.close()

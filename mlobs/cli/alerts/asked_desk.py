"""Whom `mlobs alerts deliveries`, `redrive`, `silence` and `end` ask: a server, or a file of deliveries."""

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlobs.cli.verbs import add_server

if TYPE_CHECKING:
    from mlobs.alerts.desk import Desk
    from mlobs.alerts.outbox import Outbox
    from mlobs.alerts.silencing import Silencing
    from mlobs.server.client import Client

HEALTH_SECONDS = 5.0
MISSING = (
    "The server knows nothing of deliveries: it is of an older release. Upgrade it, or name its file of "
    "deliveries with --file."
)
NO_SILENCES = (
    "The server knows nothing of silences: it is of an older release. Upgrade it, or name its file of "
    "deliveries with --file."
)
NO_ENDS = (
    "The server cannot end alerts by hand: it is of an older release. Upgrade it, or name its file of "
    "deliveries with --file."
)


def add_whom(verb: argparse.ArgumentParser) -> None:
    """Add the flags that say whom to ask."""
    whom = verb.add_mutually_exclusive_group()
    add_server(whom)
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

        with _server(arguments.server, MISSING) as server:
            found: dict[str, Any] = server.get(DELIVERIES, asked, missing=MISSING)
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

        return _posted(arguments.server, REDRIVE, wanted, MISSING)
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

        with _server(arguments.server, NO_SILENCES) as server:
            found: dict[str, Any] = server.get(SILENCES, missing=NO_SILENCES)
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

        path = f"{SILENCES}/{quote(end, safe='')}/end" if end else SILENCES
        return _posted(arguments.server, path, wanted, NO_SILENCES)
    with _Opened(arguments.file) as outbox:
        made = _silencing(outbox)
        return made.end(end, str(wanted["who"])) if end else made.silence(wanted)


def end(arguments: argparse.Namespace, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """End an alert from elsewhere by hand, and return what was ended.

    Raises:
        PayloadError: There is none, or it is the server's own.
        QueryError: The server refuses.
        ServerError: No server answers.
        StoreError: The file cannot be written.
    """
    if arguments.file is None:
        from mlobs.cli.alerts.silence_routes import ENDED

        return _posted(arguments.server, ENDED, wanted, NO_ENDS)
    with _Opened(arguments.file) as outbox:
        import time

        from mlobs.alerts.receive.by_hand import ByHand

        return ByHand(outbox, time.time).end(wanted)


def _posted(url: str | None, path: str, wanted: Mapping[str, Any], missing: str) -> dict[str, Any]:
    with _server(url, missing) as server:
        found: dict[str, Any] = server.post(path, dict(wanted), missing=missing)
    return found


@contextmanager
def _server(url: str | None, missing: str) -> Iterator["Client"]:
    """Give a client of the server; where it lacks what is asked, find out whether it is a receiver.

    Raises:
        QueryError: The server refuses, or is none of those that can be asked.
    """
    from mlobs.cli.asking import client
    from mlobs.errors import QueryError

    with client(url) as server:
        try:
            yield server
        except QueryError as error:
            if str(error) == missing and _receives(server.url):
                raise QueryError(
                    f"At {server.url} is mlobs alerts receive, which cannot be asked. Name its file with "
                    "--file: alerts-received.sqlite in the folder that it names at its start."
                ) from None
            raise


def _receives(url: str) -> bool:
    """Return whether `mlobs alerts receive` answers there, of which no server has the page."""
    import requests

    try:
        return requests.get(f"{url}/-/healthy", timeout=HEALTH_SECONDS).text == "healthy\n"
    except requests.RequestException:
        return False


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
        from mlobs.alerts.receive import ledger
        from mlobs.alerts.routing import memory
        from mlobs.errors import SettingError

        if not self._path.is_file():
            raise SettingError(f"--file {self._path}: there is no such file of deliveries.")
        self._outbox = Outbox(self._path, extra_schema=(memory.SCHEMA, ledger.SCHEMA))
        return self._outbox

    def __exit__(self, *_: object) -> None:
        self._outbox.close()

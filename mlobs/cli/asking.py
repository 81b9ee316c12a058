"""Asks a server's API, for the commands that show what it knows."""

from typing import Any

from mlobs.server.client import Client
from mlobs.settings import ClientSettings, from_flags

SECONDS_MAX = 30.0


def client(server: str | None) -> Client:
    """Return a client of the server that a flag names; of the one in the environment if it is None.

    Raises:
        SettingError: The flag is no address.
    """
    settings = from_flags(ClientSettings, server=server)
    return Client(settings.server, timeout_s=SECONDS_MAX)


def ask(server: str | None, path: str, query: dict[str, Any] | None = None, *, missing: str = "") -> Any:
    """Return what a server's API answers; `missing` is what to say if it has no such thing.

    Raises:
        ServerError: No server answers there.
        QueryError: It refuses the question.
    """
    with client(server) as asked:
        return asked.get(path, query, missing=missing)

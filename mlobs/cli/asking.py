"""Asks a server's API, for the commands that show what it knows."""

from typing import Any

import requests

from mlobs.errors import QueryError, ServerError
from mlobs.settings import ClientSettings, from_flags

SECONDS_MAX = 15.0


def ask(server: str | None, path: str, query: dict[str, Any] | None = None, *, missing: str = "") -> Any:
    """Return what a server's API answers; `missing` is what to say if it has no such thing.

    Raises:
        ServerError: No server answers there.
        QueryError: It refuses the question.
    """
    address = from_flags(ClientSettings, server=server).server
    given = {name: value for name, value in (query or {}).items() if value is not None}
    try:
        answer = requests.get(f"{address}{path}", params=given, timeout=SECONDS_MAX)
        body = answer.json()
    except (requests.ConnectionError, requests.Timeout):
        raise ServerError(
            f"No server answers at {address}. Start one with: mlobs up, or name another with --server."
        ) from None
    except requests.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise ServerError(
            f"What answers at {address} is not an mlobs server. Name one with --server."
        ) from None
    if missing and answer.status_code == 404:
        raise QueryError(missing)
    if not answer.ok:
        raise QueryError(str(body.get("error", body)))
    return body

"""Where a ClickHouse is: clickhouse://user:password@host:8123/database?secure=1."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEME = "clickhouse"
PORT, PORT_SECURE = 8123, 8443
OPTIONS = ("secure", "verify", "ca")
_SWITCHES = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True)
class Place:
    """One ClickHouse.

    Attributes:
        database: "" for the user's own.
        secure: TLS.
        verify: Whether its certificate is checked.
        ca: A file of certificates that are trusted; "" for the system's.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str = ""
    secure: bool = False
    verify: bool = True
    ca: str = ""

    def for_client(self) -> dict[str, Any]:
        """Return what clickhouse-connect's `get_client` is given of it, all but the database."""
        return {
            "host": self.host,
            "port": self.port,
            "username": self.user,
            "password": self.password,
            "secure": self.secure,
            "verify": self.verify,
            "ca_cert": self.ca or None,
        }


def parts(text: str, options: Collection[str] = OPTIONS) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the fields of the place that an address names, and the options that it gives.

    >>> fields, options = parts("clickhouse://ana:secret@db/sales?secure=1")
    >>> Place(**fields)
    Place(host='db', port=8443, user='ana', database='sales', secure=True, verify=True, ca='')

    Args:
        text: The address.
        options: Those that may be given.

    Raises:
        ValueError: It cannot be used. The words say why, with neither the password nor the user in them.
    """
    try:
        found = urlsplit(text)
        port, host = found.port, found.hostname
    except ValueError:
        raise ValueError("it is not an address") from None
    if found.scheme != SCHEME or not host:
        raise ValueError(f"it does not begin with {SCHEME}:// and a host")
    given = dict(parse_qsl(found.query, keep_blank_values=True))
    for name in given:
        if name not in options:
            raise ValueError(f"the option {name[:40]!r} is not known; {', '.join(options)} are")
    secure, verify = _switch(given, "secure", usual="0"), _switch(given, "verify", usual="1")
    fields = {
        "host": host,
        "port": port or (PORT_SECURE if secure else PORT),
        "user": unquote(found.username or "default"),
        "password": unquote(found.password or ""),
        "database": unquote(found.path).strip("/"),
        "secure": secure,
        "verify": verify,
        "ca": given.get("ca", ""),
    }
    return fields, given


def _switch(given: dict[str, str], name: str, *, usual: str) -> bool:
    value = given.get(name, usual)
    if value.lower() not in _SWITCHES:
        raise ValueError(f"{name}={value[:20]!r} came, 0 or 1 was expected")
    return _SWITCHES[value.lower()]

"""Where a ClickHouse is: clickhouse://user:password@host:8123/database?secure=1&cluster=NAME."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from mlobs.errors import SettingError

SHAPE = "clickhouse://user:password@host:8123/database?secure=1&cluster=NAME"
PORT, PORT_SECURE = 8123, 8443
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
CLUSTER = re.compile(r"[A-Za-z0-9_.{}-]{1,64}")  # Braces: a macro of the server's.
SWITCHES = {"1": True, "true": True, "0": False, "false": False}
OPTIONS = ("secure", "verify", "ca", "cluster")


@dataclass(frozen=True)
class Address:
    """One ClickHouse.

    Attributes:
        secure: TLS.
        verify: Whether its certificate is checked.
        ca: A file of certificates that are trusted; "" for the system's.
        cluster: Its tables are replicated and distributed over the cluster of this name; "" for one server.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    secure: bool = False
    verify: bool = True
    ca: str = ""
    cluster: str = ""

    def __str__(self) -> str:
        """Return it without what is secret."""
        return f"clickhouse://{self.host}:{self.port}/{self.database}"


def address(text: str) -> Address:
    """Return what MLOBS_STORE names.

    Raises:
        SettingError: It cannot be used. The sentence has neither the password nor the user in it.
    """
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise _wrong("it is not an address") from None
    if parts.scheme != "clickhouse" or not host:
        raise _wrong("it does not begin with clickhouse:// and a host")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in given:
        if name not in OPTIONS:
            raise _wrong(f"the option {name[:40]!r} is not known; {', '.join(OPTIONS)} are")
    switches = {}
    for name, usual in (("secure", "0"), ("verify", "1")):
        value = given.get(name, usual).lower()
        if value not in SWITCHES:
            raise _wrong(f"{name}={value[:20]!r} came, 0 or 1 was expected")
        switches[name] = SWITCHES[value]
    database = unquote(parts.path).strip("/") or "mlobs"
    if not NAME.fullmatch(database):
        raise _wrong(f"{database[:60]!r} is no database's name; letters, digits and _ are")
    cluster = given.get("cluster", "")
    if cluster and not CLUSTER.fullmatch(cluster):
        raise _wrong(f"{cluster[:60]!r} is no cluster's name")
    return Address(
        host=host,
        port=port or (PORT_SECURE if switches["secure"] else PORT),
        user=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=database,
        ca=given.get("ca", ""),
        cluster=cluster,
        **switches,
    )


def _wrong(why: str) -> SettingError:
    return SettingError(f"MLOBS_STORE cannot be used: {why}. {SHAPE} was expected.")

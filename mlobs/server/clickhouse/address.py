"""Where a ClickHouse is: clickhouse://user:password@host:8123/database?secure=1&cluster=NAME."""

import re
from dataclasses import dataclass

from mlobs._clickhouse import OPTIONS, SCHEME, Place, parts
from mlobs.errors import SettingError

SHAPE = "clickhouse://user:password@host:8123/database?secure=1&cluster=NAME"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
CLUSTER = re.compile(r"[A-Za-z0-9_.{}-]{1,64}")  # Braces: a macro of the server's.


@dataclass(frozen=True)
class Address(Place):
    """One ClickHouse, or a cluster.

    Attributes:
        cluster: Its tables are replicated and distributed over the cluster of this name; "" for one server.
    """

    cluster: str = ""

    def __str__(self) -> str:
        """Return it without what is secret."""
        return f"{SCHEME}://{self.host}:{self.port}/{self.database}"


def address(text: str) -> Address:
    """Return what MLOBS_STORE names.

    Raises:
        SettingError: It cannot be used. The sentence has neither the password nor the user in it.
    """
    try:
        fields, options = parts(text, (*OPTIONS, "cluster"))
    except ValueError as error:
        raise _wrong(str(error)) from None
    database, cluster = fields["database"] or "mlobs", options.get("cluster", "")
    if not NAME.fullmatch(database):
        raise _wrong(f"{database[:60]!r} is no database's name; letters, digits and _ are")
    if cluster and not CLUSTER.fullmatch(cluster):
        raise _wrong(f"{cluster[:60]!r} is no cluster's name")
    return Address(**{**fields, "database": database, "cluster": cluster})


def _wrong(why: str) -> SettingError:
    return SettingError(f"MLOBS_STORE cannot be used: {why}. {SHAPE} was expected.")

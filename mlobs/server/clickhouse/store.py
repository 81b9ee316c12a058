"""The tables in a ClickHouse elsewhere: the same statements as for the embedded engine.

Several servers may use one. The first that starts makes the tables while the others wait: a table named
`migrating` stands for the right to do so, because making one is what only a single server succeeds in.
"""

import logging
import queue
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlobs.errors import StoreError
from mlobs.server.clickhouse.address import Address
from mlobs.server.clickhouse.definitions import adapted, spread
from mlobs.server.clickhouse.instance import instance
from mlobs.server.clickhouse.remote import Remote
from mlobs.server.engine import Connection, EngineError, Value, literal
from mlobs.server.migrations import migrate, newest_version
from mlobs.server.store import READERS, ROWS_MAX, SETTINGS, Store

VERSION_TRIED = (26, 5)
LOCK = "migrating"
LOCK_SECONDS, LOCK_PAUSE_SECONDS = 600.0, 0.5
EXISTS_ALREADY = 57
HOLDER = "SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = {name:String}"
# What changes while somebody makes them: definitions, and rows of tables that take the place of another.
STATE = (
    "SELECT sum(cityHash64(name, metadata_modification_time, "
    "if(endsWith(name, '_2'), ifNull(total_rows, 0), 0))) AS state "
    "FROM system.tables WHERE database = currentDatabase() AND name != {name:String}"
)
WRITE_SECONDS = 300.0  # That one statement which fills a table may take; LOCK_SECONDS must be more.
QUERY_BYTES_MAX = 16 << 20  # Long parameters are in the text of a statement.
ALL = "_all"  # Behind a database's name: the tables over all shards.

log = logging.getLogger("mlobs.server")


class RemoteStore(Store):
    """The tables.

    Args:
        address: Where they are.
        data: The folder of this server, which has its name.
        memory_bytes_max: What one statement may use.
        query_seconds_max: How long one question may take.

    Raises:
        StoreError: It cannot be reached or used, or another server makes the tables and does not end.
    """

    def __init__(
        self, address: Address, data: Path, *, memory_bytes_max: int, query_seconds_max: float
    ) -> None:
        self._address = address
        self._name = instance(data)
        self._memory_bytes_max = memory_bytes_max
        self._query_seconds_max = query_seconds_max
        self._known: dict[str, Value] = {}
        self._connections = []
        self._readers = queue.SimpleQueue()
        try:
            self._prepare()
            with self.writing() as connection, self._alone(connection):
                migrate(connection, str(address), newest_version())
                self._spread(connection)
            for _ in range(READERS):
                self._readers.put(self._reader())
        except BaseException:
            self.close()
            raise

    @property
    def folder(self) -> Path:  # type: ignore[override]
        """There is none.

        Raises:
            StoreError: Always.
        """
        raise StoreError(
            f"The tables are in {self._address}, not in a folder here. "
            f"Use ClickHouse's own BACKUP and RESTORE."
        )

    def connection(self) -> Connection:
        """Return a new connection that may write, for as long as the store is open."""
        connection = Remote(
            self._address,
            self._address.database,
            self._usual({"async_insert": 0}),
            seconds_max=WRITE_SECONDS,
            session=True,
            name=self._name,
        )
        self._connections.append(connection)
        return connection

    @property
    def databases(self) -> tuple[str, ...]:
        """The databases that are ours: on a cluster, that of all rows and that of one server's."""
        return tuple(dict.fromkeys((self._everything, self._address.database)))

    @property
    def sharded(self) -> bool:
        """Whether the rows are spread over several servers: on a cluster; see `Store.sharded`."""
        return bool(self._address.cluster)

    def guest(self, settings: Mapping[str, Value]) -> Connection:
        """Return a connection for somebody else's statements; see `Store.guest`."""
        seconds = float(settings.get("max_execution_time", self._query_seconds_max))
        return Remote(self._address, self._everything, self._usual(settings), seconds_max=seconds)

    def _reader(self) -> Connection:
        settings: dict[str, Value] = {
            "max_execution_time": self._query_seconds_max,
            "max_result_rows": ROWS_MAX,
            "output_format_json_validate_utf8": 1,
            "date_time_output_format": "iso",
            "readonly": 1,
        }
        reader = Remote(
            self._address, self._everything, self._usual(settings), seconds_max=self._query_seconds_max
        )
        self._connections.append(reader)
        return reader

    def _usual(self, settings: Mapping[str, Value]) -> dict[str, Value]:
        """Return settings beside what the embedded engine has anyway."""
        found: dict[str, Value] = {
            **self._known,
            "max_query_size": QUERY_BYTES_MAX,
            "max_memory_usage": self._memory_bytes_max,
            "output_format_json_quote_64bit_integers": 0,
        }
        if self._address.cluster:
            found["distributed_product_mode"] = "global"
        return found | dict(settings)

    @property
    def _everything(self) -> str:
        """The database that questions are asked of."""
        return self._address.database + (ALL if self._address.cluster else "")

    def _prepare(self) -> None:
        """Make the databases, if they are missing, and look at the version and which settings it has."""
        where = self._address
        connection = Remote(self._address, None, {}, seconds_max=WRITE_SECONDS)
        try:
            version = str(connection.run("SELECT version() AS version")[0]["version"])
            if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < VERSION_TRIED:
                tried = ".".join(map(str, VERSION_TRIED))
                log.warning("%s is version %s, the statements were tried with %s", where, version, tried)
            names = ", ".join(map(literal, SETTINGS))
            known = connection.run(f"SELECT name FROM system.settings WHERE name IN ({names})")
            self._known = {row["name"]: SETTINGS[row["name"]] for row in known}
            present = {row["name"] for row in connection.run("SELECT name FROM system.databases")}
            for name in {self._address.database, self._everything} - present:
                statement = f"CREATE DATABASE IF NOT EXISTS {name}"
                connection.run(adapted(statement, self._address.cluster))
        finally:
            connection.close()

    @contextmanager
    def _alone(self, connection: Connection) -> Iterator[None]:
        """Wait until no other server makes the tables, for as long as it gets on with it."""
        until, before = 0.0, None
        while not self._locked(connection):
            state = connection.run(STATE, {"name": LOCK})[0]["state"]
            if state != before:
                until, before = time.monotonic() + LOCK_SECONDS, state
            elif time.monotonic() > until:
                raise StoreError(
                    f"Another server began to make the tables in {self._address} and has not got on with it "
                    f"for {LOCK_SECONDS:g} s. Start that server again: it goes on where it ended. Only if it "
                    f"is gone for good, and no other is starting, DROP TABLE {self._address.database}.{LOCK} "
                    f"and start again."
                )
            time.sleep(LOCK_PAUSE_SECONDS)
        yield
        # Not after a failure: the same server goes on where it ended, when it starts again.
        connection.run(connection.adapted(f"DROP TABLE IF EXISTS {LOCK}"))

    def _locked(self, connection: Connection) -> bool:
        create = f"CREATE TABLE {LOCK} (Nothing UInt8) ENGINE = MergeTree ORDER BY Nothing"
        try:
            connection.run(connection.adapted(create) + f" COMMENT '{self._name}'")
        except EngineError as error:
            if error.code != EXISTS_ALREADY:
                raise
            held = connection.run(HOLDER, {"name": LOCK})
            return [row["comment"] for row in held] == [self._name]
        return True

    def _spread(self, connection: Connection) -> None:
        """Make the tables over all shards anew, which hold nothing themselves."""
        if not self._address.cluster:
            return
        asked = (
            "SELECT name FROM system.tables WHERE database = currentDatabase() "
            "AND engine LIKE '%MergeTree' AND name != {lock:String}"
        )
        for row in connection.run(asked, {"lock": LOCK}):
            connection.run(
                spread(row["name"], self._address.database, self._everything, self._address.cluster)
            )

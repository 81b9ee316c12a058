"""The embedded ClickHouse engine: one folder, several connections.

Reads go through a small pool of connections that were made read-only with limits on time,
memory and rows, so they run beside inserts and can change nothing. Each loader has a
connection of its own. One process holds one folder at a time; close the store to open another.
"""

import queue
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlobs.errors import QueryError
from mlobs.server.embedded import library
from mlobs.server.engine import Connection, EngineError, Value
from mlobs.server.migrations import migrate, newest_version
from mlobs.server.queries import statement

READERS = 3
ROWS_MAX = 100_000
# Every connection has these. With either of the last two, the engine (26.5) answers ORDER BY of an indexed
# column with a LIMIT below a thousand from the blocks with the highest values before it filters their rows,
# and so leaves rows out.
SETTINGS: Mapping[str, Value] = {
    "session_timezone": "UTC",
    "use_skip_indexes_for_top_k": 0,
    "use_top_k_dynamic_filtering": 0,
}


class Store:
    """The tables.

    Args:
        folder: Made when missing.
        memory_bytes_max: What one statement may use.
        query_seconds_max: How long one question may take.
        schema: The version to make the tables of; this release's when not given.
    """

    def __init__(
        self, folder: Path, *, memory_bytes_max: int, query_seconds_max: float, schema: int | None = None
    ) -> None:
        engine = library()
        self.folder = folder
        self._memory_bytes_max = memory_bytes_max
        self._query_seconds_max = query_seconds_max
        self._engine = engine
        self._connections: list[Connection] = []
        self._readers: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        try:
            with self.writing() as connection:
                migrate(connection, str(folder), schema or newest_version())
            for _ in range(READERS):
                self._readers.put(self._reader())
        except BaseException:
            self.close()
            raise

    def query(self, statement: str, params: Mapping[str, Value] | None = None) -> list[dict[str, Any]]:
        """Answer one question. Placeholders are written `{name:Type}`.

        Times come as text in UTC, Nullable columns without a value as None.

        Raises:
            QueryError: The engine refused it, or it went over a limit.
        """
        connection = self._readers.get()
        try:
            return connection.run(statement, params)
        except EngineError as error:
            raise QueryError(f"The question cannot be answered: {error}") from error
        finally:
            self._readers.put(connection)

    def named(self, name: str, params: Mapping[str, Value] | None = None) -> list[dict[str, Any]]:
        """Answer the question in `queries/NAME.sql`."""
        return self.query(statement(name), params)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Lend a connection that may write, and close it."""
        connection = self.connection()
        try:
            yield connection
        finally:
            with suppress(ValueError):  # Whoever closed the store meanwhile has forgotten it.
                self._connections.remove(connection)
            connection.close()

    def connection(self) -> Connection:
        """Return a new connection that may write, for as long as the store is open."""
        connection = Connection(self._engine, self.folder)
        try:
            for line in (
                "CREATE DATABASE IF NOT EXISTS mlobs",
                "USE mlobs",
            ):
                connection.run(line)
            connection.change({**SETTINGS, "max_memory_usage": self._memory_bytes_max})
        except BaseException:
            connection.close()
            raise
        self._connections.append(connection)
        return connection

    @property
    def databases(self) -> tuple[str, ...]:
        """The databases that are ours; questions are asked of the first."""
        return ("mlobs",)

    @property
    def sharded(self) -> bool:
        """Whether the rows are spread over several servers, of which one connection changes only one's."""
        return False

    def guest(self, settings: Mapping[str, Value]) -> Connection:
        """Return a new connection for somebody else's statements, which they close.

        Args:
            settings: As names and values of the engine.
        """
        connection = Connection(self._engine, self.folder)
        try:
            connection.run(f"USE {self.databases[0]}")
            connection.change({**SETTINGS, **settings})
        except BaseException:
            connection.close()
            raise
        return connection

    def kill(self, beginning: str) -> None:
        """Stop the statements that begin so."""
        connection = self.guest({})
        try:
            connection.run(
                "KILL QUERY WHERE startsWith(query, {beginning:String}) ASYNC", {"beginning": beginning}
            )
        finally:
            connection.close()

    def close(self) -> None:
        """Close every connection. Questions that run are waited for."""
        for connection in tuple(self._connections):
            connection.close()
        self._connections.clear()

    def _reader(self) -> Connection:
        connection = self.connection()
        reading: dict[str, Value] = {
            "max_execution_time": self._query_seconds_max,
            "max_result_rows": ROWS_MAX,
            "output_format_json_validate_utf8": 1,
            "date_time_output_format": "iso",
            "readonly": 1,
        }
        connection.change(reading)
        return connection

"""The embedded ClickHouse engine: one folder, several connections.

Reads go through a small pool of connections that were made read-only with limits on time,
memory and rows, so they run beside inserts and can change nothing. Each loader has a
connection of its own. One process holds one folder at a time; close the store to open another.
"""

import json
import logging
import queue
import re
import threading
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from mlobs._extras import require
from mlobs.errors import QueryError, StoreError
from mlobs.server.derived import latest_views, totals_view
from mlobs.server.wire import MESSAGES, POINTS, STRUCTURES, TABLES, expand

READERS = 3
ROWS_MAX = 100_000
BLOCK_BYTES = 4 << 20  # Of a segment, read at a time.
ROWS_IN_SEGMENT_MAX = 1 << 40
Value = str | int | float
INSERTING: Mapping[str, Value] = {
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # One block for each segment: it is stored whole or not at all, and is the same block when it
    # is inserted again. A block that takes too much memory is refused, and the loader halves it.
    "max_insert_threads": 1,
    "input_format_max_block_size_bytes": BLOCK_BYTES,
    "min_insert_block_size_bytes": 0,
    "min_insert_block_size_rows": ROWS_IN_SEGMENT_MAX,
    "max_insert_block_size": ROWS_IN_SEGMENT_MAX,
    # Spans of many months are one program's clock, not a reason to refuse the others'.
    "max_partitions_per_insert_block": 0,
}

log = logging.getLogger("mlobs.server")


class EngineError(StoreError):
    """The engine refused a statement. `code` is ClickHouse's number for the reason, 0 if unknown."""

    def __init__(self, message: str) -> None:
        found = re.search(r"Code: (\d+)", message)
        self.code = int(found[1]) if found else 0
        super().__init__(_shortened(message))


class LoadError(EngineError):
    """A segment was refused: by which table, and whether that table is as it was before."""

    def __init__(self, error: EngineError, table: int, *, untouched: bool) -> None:
        super().__init__(str(error))
        self.code = error.code
        self.table = table
        self.untouched = untouched


class Connection:
    """One connection; statements on it run one after the other."""

    def __init__(self, engine: Any, folder: Path) -> None:
        try:
            self._connection = engine.connect(str(folder))
        except RuntimeError as error:
            raise StoreError(f"The store in {folder} cannot be opened: {_shortened(str(error))}") from error
        self._lock = threading.Lock()

    def run(self, statement: str, params: Mapping[str, Value] | None = None) -> list[dict[str, Any]]:
        """Run one statement and return its rows.

        Raises:
            EngineError: The engine refused it.
        """
        bound = {name: _bound(value) for name, value in (params or {}).items()}
        with self._lock:
            try:
                answer = self._connection.query(statement, "JSONEachRow", params=bound)
            except RuntimeError as error:
                raise EngineError(str(error)) from error
            lines = answer.bytes() if answer is not None else b""
        return [json.loads(line) for line in lines.splitlines()] if lines else []

    def close(self) -> None:
        """Give the connection up, after the statement that runs."""
        with self._lock:
            self._connection.close()


class Store:
    """The tables.

    Args:
        folder: Made when missing.
        memory_bytes_max: What one statement may use.
        query_seconds_max: How long one question may take.
    """

    def __init__(self, folder: Path, *, memory_bytes_max: int, query_seconds_max: float) -> None:
        engine = require("chdb", extra="server", feature="The server")
        self.folder = folder
        self._memory_bytes_max = memory_bytes_max
        self._query_seconds_max = query_seconds_max
        self._engine = engine
        self._connections: list[Connection] = []
        self._readers: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        try:
            self._migrate(self.connection())
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

    def connection(self) -> Connection:
        """Return a new connection that may write."""
        connection = Connection(self._engine, self.folder)
        self._connections.append(connection)
        for line in (
            "CREATE DATABASE IF NOT EXISTS mlobs",
            "USE mlobs",
            "SET session_timezone = 'UTC'",
            f"SET max_memory_usage = {self._memory_bytes_max}",
        ):
            connection.run(line)
        return connection

    def load(self, connection: Connection, signal: str, path: Path, first: int = 0) -> None:
        """Insert a segment's rows into their tables; a segment that is already there changes nothing.

        Args:
            connection: May write.
            signal: traces, metrics or logs.
            path: The segment.
            first: The number of the first table, in the order of TABLES, that is to get rows.

        Raises:
            LoadError: The engine refused it.
        """
        with as_file(files("mlobs.server") / "otlp.proto") as schema:
            reading: dict[str, Value] = {
                # A path, not the text: from text the engine makes a cache folder where the process stands.
                "format_schema": f"{schema}:{MESSAGES[signal]}",
                "input_format_protobuf_oneof_presence": 1,
                "output_format_json_escape_forward_slashes": 1,  # `wire` counts on it.
                "max_threads": 1,
            }
            tables = dict(list(enumerate(TABLES[signal]))[first:])
            if len(TABLES[signal]) > 1:
                try:
                    counted = self._run(connection, "segment_points", path, POINTS, reading)[0]
                except EngineError as error:
                    raise LoadError(error, first, untouched=True) from error
                tables = {number: table for number, table in tables.items() if counted[table]}
            inserting = {**reading, **INSERTING, "insert_deduplication_token": path.stem}
            for number, table in tables.items():
                newest = _newest_part(connection, table)
                try:
                    self._run(connection, f"load_{table}", path, STRUCTURES[table], inserting)
                except EngineError as error:
                    untouched = _newest_part(connection, table) == newest
                    raise LoadError(error, number, untouched=untouched) from error

    def _run(
        self, connection: Connection, name: str, path: Path, structure: str, settings: Mapping[str, Value]
    ) -> list[dict[str, Any]]:
        ending = ", ".join(f"{key} = {_literal(value)}" for key, value in settings.items())
        text = f"{expand(statement(name))} SETTINGS {ending}"
        return connection.run(text, {"path": str(path), "structure": structure})

    def close(self) -> None:
        """Close every connection. Questions that run are waited for."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def _reader(self) -> Connection:
        connection = self.connection()
        for line in (
            f"SET max_execution_time = {self._query_seconds_max}",
            f"SET max_result_rows = {ROWS_MAX}",
            "SET output_format_json_validate_utf8 = 1",
            "SET date_time_output_format = 'iso'",
            "SET readonly = 1",
        ):
            connection.run(line)
        return connection

    def _migrate(self, connection: Connection) -> None:
        """Bring the tables to this release's version; views are made anew each time."""
        connection.run(
            "CREATE TABLE IF NOT EXISTS schema_version (Version UInt32, Applied DateTime DEFAULT now()) "
            "ENGINE = MergeTree ORDER BY Version"
        )
        found = connection.run("SELECT max(Version) AS version FROM schema_version")[0]["version"]
        folder = files("mlobs.server") / "schema"
        steps = sorted(
            (one for one in folder.iterdir() if one.name.endswith(".sql")), key=lambda one: one.name
        )
        newest = int(steps[-1].name.partition("_")[0])
        if found > newest:
            raise StoreError(
                f"The store in {self.folder} has version {found}; this release knows {newest}. "
                f"Start the newer release that made it, or choose another folder with --data."
            )
        for step in steps:
            version = int(step.name.partition("_")[0])
            if version > found:
                for part in statements(step.read_text()):
                    connection.run(part)
                connection.run(
                    "INSERT INTO schema_version (Version) VALUES ({version:UInt32})", {"version": version}
                )
        for name, create in {"metric_totals_view": totals_view(), **latest_views()}.items():
            connection.run(f"DROP VIEW IF EXISTS {name}")
            connection.run(create)


def statement(name: str) -> str:
    """Return the text of `queries/NAME.sql`."""
    return (files("mlobs.server") / "queries" / f"{name}.sql").read_text()


def statements(text: str) -> list[str]:
    """Return the statements of a schema file, which end in a semicolon at the end of a line."""
    return [part.strip() for part in re.split(r";\s*$", text, flags=re.MULTILINE) if part.strip()]


def _newest_part(connection: Connection, table: str) -> int:
    """Return a number that grows with each part that is stored in `table`."""
    asked = (
        "SELECT max(max_block_number) AS newest FROM system.parts "
        "WHERE database = 'mlobs' AND table = {table:String}"
    )
    newest: int = connection.run(asked, {"table": table})[0]["newest"]
    return newest


def _bound(value: Value) -> str:
    """Return a parameter as the engine reads it: text with its control characters escaped."""
    if not isinstance(value, str):
        return str(value)
    for plain, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0")):
        value = value.replace(plain, escaped)
    return value


def _literal(value: Value) -> str:
    if not isinstance(value, str):
        return str(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _shortened(message: str) -> str:
    """Return the engine's reason without its version and repetitions."""
    reason = message.rpartition("DB::Exception: ")[2] or message
    return reason.partition(" (version ")[0].strip()[:500]

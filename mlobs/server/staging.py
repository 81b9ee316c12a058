"""Reads a journal segment into memory and fills the tables from there.

The segment is parsed once, whatever the number of tables. Its nested values are turned into text by
Python (`values`), each different one once, and looked up by the statements.

What fills a table is one block: stored whole or not at all, and the same block when the segment is
loaded again, which the store then recognises by the segment's name.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from mlobs.prices.book import Book
from mlobs.server.canonical import INDEXES
from mlobs.server.costs.untold import costs, used_calls
from mlobs.server.engine import Connection, EngineError, Value, literal
from mlobs.server.framing import NUMBER_DIGITS, frame
from mlobs.server.queries import statement
from mlobs.server.values import text
from mlobs.server.wire import MESSAGES, NESTED, STRUCTURES, TABLES, expand, foreign, odd

BLOCK_BYTES = 4 << 20  # Of a segment, read at a time.
ROWS_IN_SEGMENT_MAX = 1 << 40
LOOKED_UP_BYTES = 4 << 20  # Of texts, sent to the engine at a time.
ODD_COLUMNS = "raw String, json String"
INSERTING: Mapping[str, Value] = {
    "max_threads": 1,
    "max_insert_threads": 1,
    # The newer analyzer takes 100 ms to plan what the older one plans in 30.
    "enable_analyzer": 0,
    "min_insert_block_size_bytes": 0,
    "min_insert_block_size_rows": ROWS_IN_SEGMENT_MAX,
    "max_insert_block_size": ROWS_IN_SEGMENT_MAX,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # Spans of many days are one program's clock, not a reason to refuse the others'.
    "max_partitions_per_insert_block": 0,
    # Merges make them; what is not merged yet is little, and is read.
    "exclude_materialize_skip_indexes_on_insert": ",".join(("content_text", *INDEXES)),
}


class LoadError(EngineError):
    """A segment was refused: by which table, and whether that table is as it was before."""

    def __init__(self, error: Exception, table: int, *, untouched: bool, stored: int = 0) -> None:
        super().__init__(str(error))
        self.code = error.code if isinstance(error, EngineError) else 0
        self.table = table
        self.untouched = untouched
        self.stored = stored  # Rows that the tables before it have got.


class Stage:
    """Where one loader's connection puts a segment.

    Args:
        connection: May write; has one stage for each signal.
        signal: traces, metrics or logs.
        filling: Held while a table is filled.
        alone: Held instead where a segment has spans without ids, so that nobody else here fills a table:
            what is stored of it could not be told from what is stored of others. `filling` when not given.
        text_bytes_max: Longer texts are cut.
        book: Returns what calls that tell no cost are priced with.
    """

    def __init__(
        self,
        connection: Connection,
        signal: str,
        filling: AbstractContextManager[object],
        *,
        text_bytes_max: int,
        alone: AbstractContextManager[object] | None = None,
        book: Callable[[], Book] = Book,
    ) -> None:
        self._connection = connection
        self._filling = filling
        self._alone = alone or filling
        self._signal = signal
        self._book = book
        self._text_bytes_max = text_bytes_max
        self._odd = odd(signal, text_bytes_max)

    def load(self, path: Path, first: int = 0) -> int:
        """Insert a segment's rows into their tables, and return how many it has.

        A segment that is already there changes nothing.

        Args:
            path: The segment. Its name is what a repetition is recognised by.
            first: The number of the first table, in the order of TABLES, that is to get rows.

        Raises:
            LoadError: The engine refused it.
        """
        tables = dict(list(enumerate(TABLES[self._signal]))[first:])
        stored = 0
        try:
            try:
                self._read(path)
                looked_up = self._look_up()
                translated, priced = self._prepare(looked_up)
                counted = self._run(statement(f"segment_{self._signal}"))[0]
                tables = {number: table for number, table in tables.items() if counted[table]}
            except (EngineError, DecodeError) as error:
                raise LoadError(error, first, untouched=True) from error
            for number, table in tables.items():
                insert = _insert(table, looked_up, self._text_bytes_max, translated, priced)
                with self._alone if counted.get("unnamed") else self._filling:
                    self._fill(number, table, path.stem, insert, stored)
                stored += int(counted[table])
        finally:
            with suppress(EngineError):  # What is left is dropped before the next segment.
                self._empty()
        return stored

    def _read(self, path: Path) -> None:
        self._empty()
        self._connection.run(f"CREATE TEMPORARY TABLE stage ({STRUCTURES[self._signal]}) ENGINE = Memory")
        self._connection.run(f"CREATE TEMPORARY TABLE odd ({ODD_COLUMNS}) ENGINE = Join(ANY, LEFT, raw)")
        if self._connection.far:
            self._send(path)
            return
        with as_file(files("mlobs.server") / "otlp.proto") as schema:
            self._run(
                "INSERT INTO stage SELECT * FROM file({path:String}, 'Protobuf', {structure:String})",
                {"path": str(path), "structure": STRUCTURES[self._signal]},
                # A path, not the text: from text the engine makes a cache folder where the process stands.
                format_schema=f"{schema}:{MESSAGES[self._signal]}",
                input_format_protobuf_oneof_presence=1,
                input_format_max_block_size_bytes=BLOCK_BYTES,
            )

    def _send(self, path: Path) -> None:
        settings: dict[str, Value] = {
            "format_schema_source": "string",
            "format_schema": (files("mlobs.server") / "otlp.proto").read_text(),
            "format_schema_message_name": MESSAGES[self._signal],
            "input_format_protobuf_oneof_presence": 1,
            "input_format_max_block_size_bytes": BLOCK_BYTES,
            "async_insert": 0,
        }
        self._connection.send(
            f"INSERT INTO stage SETTINGS {_settings(settings)} FORMAT Protobuf", path.read_bytes()
        )

    def _empty(self) -> None:
        for name in ("stage", "odd"):
            self._connection.run(f"DROP TEMPORARY TABLE IF EXISTS {name}")

    def _look_up(self) -> frozenset[int]:
        """Put the texts of odd values beside the segment; return what kinds there are, or may be."""
        lines: list[tuple[bytes, str]] = []
        size = 0
        kinds = set(NESTED)
        for row in self._run(self._odd):
            kinds.add(row["kind"])
            shown = text(row["kind"], bytes.fromhex(row["raw"]), self._text_bytes_max)
            lines.append((bytes([row["kind"]]) + bytes.fromhex(row["raw"]), shown))
            size += len(row["raw"]) + len(shown)
            if size > LOOKED_UP_BYTES:
                self._keep(lines)
                lines, size = [], 0
        if lines:
            self._keep(lines)
        return frozenset(kinds)

    def _prepare(self, looked_up: frozenset[int]) -> tuple[bool, bool]:
        """Return whether there are spans of other dialects, and calls whose cost was put beside them."""
        if self._signal != "traces":
            return False, False
        found = self._run(foreign())[0]
        translated = bool(found["found"])
        if not found["unpriced"]:
            return translated, False
        asked = expand(
            used_calls(), looked_up=looked_up, text_bytes_max=self._text_bytes_max, translated=translated
        )
        lines = costs(self._run(asked), self._book())
        if lines:
            self._keep(lines)
        return translated, bool(lines)

    def _keep(self, lines: list[tuple[bytes, str]]) -> None:
        if self._connection.far:  # RowBinary has texts as framed messages are.
            rows = b"".join(frame(raw) + frame(shown.encode()) for raw, shown in lines)
            self._connection.send("INSERT INTO odd SETTINGS async_insert = 0 FORMAT RowBinary", rows)
            return
        self._connection.run(
            "INSERT INTO odd SELECT unhex(raw), json "
            "FROM format(JSONEachRow, {columns:String}, {lines:String})",
            {
                "columns": ODD_COLUMNS,
                "lines": "\n".join(json.dumps({"raw": raw.hex(), "json": shown}) for raw, shown in lines),
            },
        )

    def _fill(self, number: int, table: str, name: str, insert: str, stored: int) -> None:
        newest = _newest_part(self._connection, table)
        try:
            self._run(
                insert,
                {"written": int(name.rpartition("-")[2][:NUMBER_DIGITS])},
                **INSERTING,
                insert_deduplication_token=self._connection.token(name),
            )
        except EngineError as error:
            untouched = self._is_untouched(table, newest)
            raise LoadError(error, number, untouched=untouched, stored=stored) from error

    def _is_untouched(self, table: str, newest: int) -> bool:
        """Return whether nothing of the segment was stored; when that cannot be found out, some was.

        A part that is new may be another server's, or the exporter's, so spans are looked for by their ids.
        """
        try:
            if _newest_part(self._connection, table) == newest:
                return True
            return table == "otel_traces" and not self._run(statement("segment_spans"))[0]["found"]
        except EngineError:
            return False

    def _run(
        self, statement: str, params: Mapping[str, Value] | None = None, **settings: Value
    ) -> list[dict[str, Any]]:
        ending = _settings({"max_threads": 1, **settings})
        return self._connection.run(f"{statement} SETTINGS {ending}", params)


def _settings(settings: Mapping[str, Value]) -> str:
    return ", ".join(f"{key} = {literal(value)}" for key, value in settings.items())


@cache
def _insert(
    table: str,
    looked_up: frozenset[int],
    text_bytes_max: int,
    translated: bool,  # noqa: FBT001
    priced: bool,  # noqa: FBT001
) -> str:
    return expand(
        statement(f"load_{table}"),
        looked_up=looked_up,
        text_bytes_max=text_bytes_max,
        translated=translated,
        priced=priced,
    )


def _newest_part(connection: Connection, table: str) -> int:
    """Return a number that grows with each part that is stored in `table`."""
    asked = (  # Replicated tables number the parts of each partition apart.
        "SELECT sum(newest) AS newest FROM (SELECT max(max_block_number) AS newest FROM system.parts "
        "WHERE database = currentDatabase() AND table = {table:String} GROUP BY partition_id)"
    )
    newest: int = connection.run(asked, {"table": table})[0]["newest"]
    return newest

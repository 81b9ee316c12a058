"""Keeps rows that can be read only once, or that are dear to read, for the passes that follow.

A little is kept in memory. More goes to a temporary file, in Arrow's stream format: one stream for
each run of tables of the same types. The file is removed with the spool.
"""

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlobs._extras import require
from mlobs.errors import DataError

MEMORY_BYTES_MAX = 64 << 20
DISK_BYTES_MAX = 64 << 30
FREE_BYTES_MIN = 1 << 30


class Spool:
    """Arrow tables in the order in which they were added.

    Args:
        what: The data, as it is called in errors.
    """

    def __init__(self, what: str) -> None:
        self._arrow = require("pyarrow", extra="drift", feature="Reading data twice")
        self._what = what
        self._tables: list[Any] = []
        self._bytes = 0
        self._path: Path | None = None
        self._file: Any = None
        self._writer: Any = None  # of the stream that is open
        self._schema: Any = None
        self._starts: list[int] = []  # of the streams in the file
        self.rows = 0

    def add(self, table: Any) -> None:
        """Keep a table, or a record batch.

        Raises:
            DataError: There is no room for it.
        """
        self.rows += table.num_rows
        if self._file is None:
            self._tables.append(self._table(table))
            self._bytes += table.nbytes
            if self._bytes <= MEMORY_BYTES_MAX:
                return
            self._path = self._temporary()
            self._file = self._arrow.OSFile(str(self._path), "wb")
            for kept in self._tables:
                self._write(kept)
            self._tables = []
            return
        self._write(table)

    def finish(self) -> None:
        """Say that all tables were added, so that they can be read."""
        if self._writer is not None:
            self._writer.close()
        if self._file is not None:
            self._file.close()

    def __iter__(self) -> Iterator[Any]:
        if self._path is None:
            yield from self._tables
            return
        with self._arrow.memory_map(str(self._path)) as file:
            for start in self._starts:
                file.seek(start)
                with self._arrow.ipc.open_stream(file) as reader:
                    yield from map(self._table, reader)

    def _table(self, found: Any) -> Any:
        arrow = self._arrow
        return found if isinstance(found, arrow.Table) else arrow.Table.from_batches([found])

    def _write(self, table: Any) -> None:
        try:
            if self._writer is None or self._schema != table.schema:
                if self._writer is not None:
                    self._writer.close()
                self._starts.append(self._file.tell())
                self._schema = table.schema
                self._writer = self._arrow.ipc.new_stream(self._file, table.schema)
            self._writer.write(table)
            used = self._file.tell()
        except OSError as error:
            raise DataError(self._no_room(error.strerror or str(error))) from None
        if used > DISK_BYTES_MAX:
            raise DataError(self._no_room(f"they take more than {DISK_BYTES_MAX} bytes"))
        if shutil.disk_usage(str(self._path)).free < FREE_BYTES_MIN:
            raise DataError(self._no_room("the disk is almost full"))

    def _temporary(self) -> Path:
        try:
            number, name = tempfile.mkstemp(prefix="mlobs-", suffix=".arrows")
        except OSError as error:
            raise DataError(self._no_room(error.strerror or str(error))) from None
        os.close(number)
        weakref.finalize(self, Path(name).unlink, missing_ok=True)
        return Path(name)

    def _no_room(self, why: str) -> str:
        return (
            f"The rows of {self._what} do not fit into {tempfile.gettempdir()}: {why}. Read fewer rows or "
            f"columns, set TMPDIR to a folder with more room, or convert the data to Parquet."
        )

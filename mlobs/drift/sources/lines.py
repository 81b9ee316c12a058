"""Reads files of lines, CSV and JSON, once: into a spool, with the types that all of their rows have.

A file of lines does not say what types its columns have. So every block is read with the types of
its own values; at the end the common types are known, and blocks are cast as they are read back.
Where that would lose something, because a column that looked like numbers or dates turns out to be
text, the files are read once more, with that column as text from the start.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mlobs._extras import require
from mlobs.drift.sources.csv_lines import read_csv
from mlobs.drift.sources.json_lines import read_json
from mlobs.drift.sources.paths import DataFile
from mlobs.drift.sources.spool import Spool
from mlobs.drift.sources.types import common
from mlobs.errors import DataError

READERS = {"csv": read_csv, "json": read_json}


class Lines:
    """The rows of some files of lines, kept for reading them again.

    Args:
        files: CSV and JSON lines.
        columns: Only these; all if None.
        stored: Types that the columns have in other files of the same data.
        progress: Called with the number of rows of each block that was read.
        refused: Turns an error of Arrow's into one of ours.
    """

    def __init__(
        self,
        files: Sequence[DataFile],
        columns: Sequence[str] | None,
        stored: Mapping[str, Any],
        progress: Callable[[int], None] | None,
        refused: Callable[[DataFile, Exception], DataError],
    ) -> None:
        self._arrow = require("pyarrow", extra="drift", feature="Reading data files")
        self._files = files
        self._columns = columns
        self._stored = stored
        self._progress = progress
        self._refused = refused
        self.rows: list[int] = []  # of each file
        self.types: dict[str, Any] = {}
        texts = {name for name, kind in stored.items() if self._arrow.types.is_string(kind)}
        again = True
        while again:
            again = self._read(texts)

    def tables(self) -> Iterator[Iterator[Any]]:
        """Yield the tables of each file. They must be read before the next file's."""
        kept = iter(self.spool)
        for rows in self.rows:
            yield _first(kept, rows)

    def _read(self, texts: set[str]) -> bool:
        """Read all files; add to `texts` what turned out to be text, and return whether there was any."""
        self.spool = Spool(str(self._files[0].path))
        self.types = dict(self._stored)
        empty: set[str] = set()  # of CSV: which texts count as missing depends on the type
        late: set[str] = set()
        self.rows = []
        for file in self._files:
            self.rows.append(0)
            try:
                for table in READERS[file.kind](file.path, file.packing, self._columns, texts):
                    for field in table.schema:
                        if self._merge(file, field.name, field.type):
                            late.add(field.name)
                        if file.kind == "csv" and self._arrow.types.is_null(field.type):
                            empty.add(field.name)
                    self.spool.add(table)
                    self.rows[-1] += table.num_rows
                    if self._progress is not None:
                        self._progress(table.num_rows)
            except (self._arrow.ArrowException, OSError) as error:
                raise self._refused(file, error) from None
        self.spool.finish()
        late |= {name for name in empty if self._arrow.types.is_string(self.types[name])}
        late -= texts
        texts |= late
        return bool(late)

    def _merge(self, file: DataFile, name: str, kind: Any) -> bool:
        """Take note of a block's type, and return whether it makes a column of other values a text."""
        before = self.types.get(name, self._arrow.null())
        found = common(before, kind)
        if found is not None:
            self.types[name] = found
            return False
        stored = self._stored.get(name)
        if stored is not None and not self._arrow.types.is_string(stored):
            raise DataError(
                f"Column {name!r} is {kind} in {file.path} and {stored} in other files. "
                f"Wanted: files with the same types."
            )
        self.types[name] = self._arrow.string()
        return True


def _first(tables: Iterator[Any], rows: int) -> Iterator[Any]:
    """Yield so many rows; no table has rows of two files."""
    while rows > 0:
        table = next(tables)
        rows -= table.num_rows
        yield table

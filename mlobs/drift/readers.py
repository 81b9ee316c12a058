"""Reads Parquet, Arrow, CSV and JSON lines files as batches, in bounded memory.

A file is opened and looked at when `Files` is made, so that a wrong path is known before any work
is done. Each pass over the batches reads Parquet and Arrow files anew. CSV and JSON lines are read
once, into a temporary file that the passes read: what types their columns have is only known at
their end, and parsing text is what takes the time. How texts are understood stands in
`sources.csv_lines` and `sources.json_lines`.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mlobs._extras import require
from mlobs.drift.columns import Batch
from mlobs.drift.frames import refuse_duplicates
from mlobs.drift.sources import stored
from mlobs.drift.sources.batching import batch_rows, batched, fitted
from mlobs.drift.sources.csv_lines import names_of
from mlobs.drift.sources.lines import READERS, Lines
from mlobs.drift.sources.paths import DataFile, data_files
from mlobs.drift.sources.types import common
from mlobs.errors import DataError

Progress = Callable[[int], None]


class Files:
    """The rows of some files, one file after the other.

    Args:
        paths: Files that end in .parquet, .csv, .jsonl, .arrow or .feather (texts also packed, .csv.gz),
            patterns such as 2025/*.parquet, and folders. All have the same columns, but for JSON lines,
            where a field that is not there is missing. Folders named key=value add a column.
        columns: Read only these, where the format allows to leave out the rest.
        progress: Called with the number of rows of each batch that was read.

    Raises:
        DataError: A file is missing, empty, of an unknown kind or not what its ending says.
    """

    yields_batches = True

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        columns: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.arrow = require("pyarrow", extra="drift", feature="Reading data files")
        self.files = data_files(paths)
        self.progress = progress
        self._text = [file for file in self.files if file.kind in READERS]
        self._fields = any(file.kind == "json" for file in self.files)  # known when all is read
        self._lines: Lines | None = None
        self._types: dict[str, Any] = {}  # of the files that say them
        names = self._common_names()
        keys = {name: kind for name, kind in _key_types(self.arrow, self.files).items() if name not in names}
        self._keys = keys
        self._wanted = columns
        self._columns = None if self._fields else _chosen([*names, *keys], columns)

    @property
    def rows(self) -> int | None:
        """Return how many rows there are, or None if only reading them would tell."""
        total = 0
        if self._text:
            if self._lines is None:
                return None
            total = self._lines.spool.rows
        for file in self.files:
            if file.kind not in READERS:
                count = stored.rows(file)
                if count is None:
                    return None
                total += count
        return total

    def __iter__(self) -> Iterator[Batch]:
        if self._text and self._lines is None:
            self._lines = Lines(self._text, self._columns, self._types, self.progress, unreadable)
        types = {**(self._lines.types if self._lines is not None else self._types), **self._keys}
        names = _chosen(list(types), self._wanted) if self._columns is None else self._columns
        schema = self.arrow.schema([(name, types[name]) for name in names if name in types])
        if not len(schema):
            return
        for batch in batched(self._tables(schema), batch_rows(len(schema))):
            yield batch
            if self.progress is not None:
                self.progress(batch.rows)

    def _common_names(self) -> list[str]:
        """Look at every file, note the types it says, and return the columns that all have."""
        first: tuple[DataFile, list[str]] | None = None
        for file in self.files:
            if _size(file) == 0:
                raise DataError(f"{file.path} is empty. Wanted: a {file.kind} file with at least one row.")
            try:
                if file.kind == "json":
                    continue
                found = names_of(file.path, file.packing) if file.kind == "csv" else self._noted(file)
            except (self.arrow.ArrowException, OSError) as error:
                raise unreadable(file, error) from None
            refuse_duplicates(found, str(file.path))
            first = first or (file, found)
            if set(found) != set(first[1]):
                raise DataError(
                    f"{file.path} and {first[0].path} differ in the columns "
                    f"{', '.join(sorted(set(found) ^ set(first[1])))}. Wanted: files with the same columns."
                )
        return first[1] if first else []

    def _noted(self, file: DataFile) -> list[str]:
        schema = stored.schema(file)
        unnamed = stored.unnamed_index(schema)
        names = [name for name in schema.names if name not in unnamed]
        for field in schema:
            if field.name in unnamed:
                continue
            before = self._types.get(field.name, self.arrow.null())
            found = common(before, field.type)
            if found is None:
                raise DataError(
                    f"Column {field.name!r} is {field.type} in {file.path} and {before} in files before it. "
                    f"Wanted: files with the same types."
                )
            self._types[field.name] = found
        return names

    def _tables(self, schema: Any) -> Iterator[Any]:
        """Yield the rows of all files as Arrow tables of this schema."""
        lines = self._lines.tables() if self._lines is not None else iter(())
        for file in self.files:
            if file.kind in READERS:
                pieces = next(lines)
            else:
                inside = [name for name in schema.names if name not in self._keys]
                pieces = stored.tables(file, inside, batch_rows(len(schema)))
            try:
                for piece in pieces:
                    yield fitted(self.arrow, piece, schema, file.keys)
            except (self.arrow.ArrowException, OSError) as error:
                raise unreadable(file, error) from None


def unreadable(file: DataFile, error: Exception) -> DataError:
    """Return the error for a file that Arrow cannot read."""
    why = str(error).strip().rstrip(".")
    return DataError(f"{file.path} cannot be read as {file.kind}: {why}. Repair or remove it.")


def _size(file: DataFile) -> int:
    return file.path.stat().st_size


def _chosen(names: list[str], wanted: Sequence[str] | None) -> list[str]:
    """Return the names that are wanted; all if one is not there, so that an error can name those."""
    if wanted is None or not set(wanted) <= set(names):
        return names
    chosen = frozenset(wanted)
    return [name for name in names if name in chosen]


def _key_types(arrow: Any, files: Sequence[DataFile]) -> dict[str, Any]:
    """Return the types of the values in the names of folders: whole numbers, dates or texts."""
    values: dict[str, list[str]] = {}
    for file in files:
        for key, value in file.keys.items():
            values.setdefault(key, []).extend([] if value is None else [value])
    found = {}
    for key, given in values.items():
        found[key] = arrow.string()
        for kind in (arrow.int64(), arrow.date32()):
            try:
                arrow.array(given, arrow.string()).cast(kind)
            except arrow.ArrowInvalid:
                continue
            found[key] = kind
            break
    return found

"""Reads Parquet, CSV and JSON lines files as batches, in bounded memory.

A file is opened and looked at when `Files` is made, so that a wrong path is known before any work
is done. Each pass over the batches reads the files anew.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mlobs._extras import require
from mlobs.drift.columns import Batch, from_arrow
from mlobs.drift.frames import BATCH_ROWS, refuse_duplicates
from mlobs.errors import DataError

Progress = Callable[[int], None]
ENDINGS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".jsonl": "json", ".ndjson": "json"}
CSV_BLOCK_BYTES = 8 << 20


class Files:
    """The rows of some files, one file after the other.

    Args:
        paths: Files ending in .parquet, .csv or .jsonl, all with the same columns.
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
        self.paths = [Path(path) for path in paths]
        self.columns = columns
        self.progress = progress
        names = [self._names(path) for path in self.paths]
        for path, found in zip(self.paths, names, strict=True):
            refuse_duplicates(found, str(path))
            if set(found) != set(names[0]):
                raise DataError(
                    f"{path} and {self.paths[0]} differ in the columns "
                    f"{', '.join(sorted(set(found) ^ set(names[0])))}. Wanted: files with the same columns."
                )

    @property
    def rows(self) -> int | None:
        """Return how many rows there are, or None if only reading them would tell."""
        if any(_format(path) != "parquet" for path in self.paths):
            return None
        return sum(int(self._parquet(path).metadata.num_rows) for path in self.paths)

    def __iter__(self) -> Iterator[Batch]:
        for path in self.paths:
            for table in self._read(path):
                names = [n for n in table.schema.names if self.columns is None or n in self.columns]
                yield Batch(table.num_rows, {name: from_arrow(table.column(name)) for name in names})
                if self.progress is not None:
                    self.progress(table.num_rows)

    def _names(self, path: Path) -> list[str]:
        if path.is_dir():
            raise DataError(f"{str(path)!r} is a folder. Wanted: files, such as {path}/*.parquet.")
        if not path.is_file():
            raise DataError(f"There is no file {str(path)!r}. Wanted: a .parquet, .csv or .jsonl file.")
        kind = _format(path)
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty. Wanted: a {kind} file with at least one row.")
        if kind == "parquet":
            return list(self._parquet(path).schema_arrow.names)
        return list(self._schema(path).names)

    def _read(self, path: Path) -> Iterator[Any]:
        try:
            if _format(path) == "parquet":
                file = self._parquet(path)
                wanted = self.columns and [n for n in file.schema_arrow.names if n in self.columns]
                yield from file.iter_batches(batch_size=BATCH_ROWS, columns=wanted)
            else:
                yield from self._stream(path, self._schema(path))
        except self.arrow.ArrowException as error:
            raise DataError(_unreadable(path, error)) from None

    def _parquet(self, path: Path) -> Any:
        parquet = require("pyarrow.parquet", extra="drift", feature="Reading Parquet files")
        try:
            return parquet.ParquetFile(path)
        except (self.arrow.ArrowException, OSError) as error:
            raise DataError(_unreadable(path, error)) from None

    def _schema(self, path: Path) -> Any:
        """Guess the types from the first block, wide enough for what later blocks may hold."""
        try:
            return _widened(self.arrow, self._stream(path, None).schema)
        except self.arrow.ArrowException as error:
            raise DataError(_unreadable(path, error)) from None

    def _stream(self, path: Path, schema: Any) -> Any:
        if _format(path) == "csv":
            csv = require("pyarrow.csv", extra="drift", feature="Reading CSV files")
            types = {field.name: field.type for field in schema} if schema is not None else None
            return csv.open_csv(
                path,
                read_options=csv.ReadOptions(block_size=CSV_BLOCK_BYTES),
                convert_options=csv.ConvertOptions(column_types=types, strings_can_be_null=True),
            )
        json = require("pyarrow.json", extra="drift", feature="Reading JSON lines files")
        return json.open_json(
            path,
            read_options=json.ReadOptions(block_size=CSV_BLOCK_BYTES),
            parse_options=json.ParseOptions(explicit_schema=schema),
        )


def _format(path: Path) -> str:
    if path.suffix.lower() not in ENDINGS:
        raise DataError(
            f"The ending of {str(path)!r} does not say what it is. Wanted: one of {', '.join(ENDINGS)}."
        )
    return ENDINGS[path.suffix.lower()]


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path} cannot be read as {_format(path)}: {str(error).strip().rstrip('.')}. Repair or remove it."


def _widened(arrow: Any, schema: Any) -> Any:
    """Return `schema` with doubles for integers and strings where the first block had only nulls."""

    def wide(kind: Any) -> Any:
        if arrow.types.is_integer(kind):
            return arrow.float64()
        return arrow.string() if arrow.types.is_null(kind) else kind

    return arrow.schema([field.with_type(wide(field.type)) for field in schema])

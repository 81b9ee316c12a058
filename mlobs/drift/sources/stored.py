"""Reads Parquet and Arrow files, which know their types.

Both are read piece by piece. Arrow files may be of the file format, which Feather is, or of the
stream format.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlobs._extras import require
from mlobs.drift.sources.batching import CELLS_MAX
from mlobs.drift.sources.paths import DataFile
from mlobs.drift.sources.spool import Spool

ARROW_FILE = b"ARROW1"
WIDE = 1_000
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


def schema(file: DataFile) -> Any:
    """Return the Arrow schema of a file."""
    if file.kind == "parquet":
        with _parquet(file.path) as opened:
            return opened.schema_arrow
    with _source(file.path) as source, _arrow(source) as reader:
        return reader.schema


def unnamed_index(schema: Any) -> set[str]:
    """Return the columns that pandas made of an index without a name: row numbers, and no data."""
    try:
        found = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
        columns = found.get("index_columns", ())
    except (ValueError, AttributeError):  # somebody else's note under this name
        return set()
    return {name for name in columns if isinstance(name, str) and UNNAMED_INDEX.fullmatch(name)}


def rows(file: DataFile) -> int | None:
    """Return how many rows a file has, or None if only reading it would tell."""
    if file.kind == "parquet":
        with _parquet(file.path) as opened:
            return int(opened.metadata.num_rows)
    with _source(file.path) as source, _arrow(source) as reader:
        if not hasattr(reader, "num_record_batches"):
            return None
        return sum(int(reader.get_batch(i).num_rows) for i in range(reader.num_record_batches))


def tables(file: DataFile, columns: Sequence[str], rows_max: int) -> Iterator[Any]:
    """Yield the rows as record batches of these columns, those of Parquet with so many rows at most."""
    if file.kind == "parquet":
        with _parquet(file.path) as opened:
            if len(columns) > WIDE:
                for group in range(opened.num_row_groups):
                    yield from _wide(opened, group, columns, rows_max)
            else:
                yield from opened.iter_batches(batch_size=rows_max, columns=list(columns))
        return
    with _source(file.path) as source, _arrow(source) as reader:
        if not hasattr(reader, "num_record_batches"):
            yield from (batch.select(list(columns)) for batch in reader)
            return
        for i in range(reader.num_record_batches):
            yield reader.get_batch(i).select(list(columns))


def _wide(opened: Any, group: int, columns: Sequence[str], rows_max: int) -> Iterator[Any]:
    """Yield the rows of a row group with many columns.

    To read rows, the pages of all columns must be in memory, half a megabyte of each and more. So the
    columns are unpacked some at a time, into a temporary file, and the rows are read from there.
    """
    arrow = require("pyarrow", extra="drift", feature="Reading Parquet files")
    rows = opened.metadata.row_group(group).num_rows
    at_once = max(CELLS_MAX // max(rows, 1), 1)
    spool = Spool("a wide Parquet file")
    for start in range(0, len(columns), at_once):
        table = opened.read_row_group(group, columns=list(columns[start : start + at_once]))
        spool.add(table.combine_chunks())
    spool.finish()
    parts = [part for part in spool if part.num_rows]
    whole = arrow.Table.from_arrays(
        [column for part in parts for column in part.columns],
        names=[name for part in parts for name in part.schema.names],
    )
    for start in range(0, rows, rows_max):
        yield whole.slice(start, rows_max)


def _parquet(path: Path) -> Any:
    parquet = require("pyarrow.parquet", extra="drift", feature="Reading Parquet files")
    return parquet.ParquetFile(path, pre_buffer=False)  # ahead of time a whole row group would be read


def _source(path: Path) -> Any:
    return require("pyarrow", extra="drift", feature="Reading Arrow files").memory_map(str(path))


def _arrow(source: Any) -> Any:
    ipc = require("pyarrow.ipc", extra="drift", feature="Reading Arrow files")
    start = source.read(len(ARROW_FILE))
    source.seek(0)
    return ipc.open_file(source) if start == ARROW_FILE else ipc.open_stream(source)

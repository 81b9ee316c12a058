"""Turns data that is in memory already into batches.

Known are mappings from name to array, lists of mappings, numpy tables (two-dimensional, or structured),
and whatever offers the Arrow stream interface: pyarrow, pandas and polars do; and the paths of files. No
frame library is imported for it. What is a sequence of batches already, such as the files of `readers`,
passes through.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlobs._extras import require
from mlobs.drift.columns import Batch, Column, from_arrow, from_numpy, from_values, length, part
from mlobs.errors import DataError

BATCH_ROWS = 65_536


class Frame:
    """Data in memory as batches, as often as one asks for them."""

    def __init__(self, data: object) -> None:
        self.columns, self.rows = _columns(data)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, max(self.rows, 1), BATCH_ROWS):
            stop = min(start + BATCH_ROWS, self.rows)
            rows = slice(start, stop)
            yield Batch(stop - start, {name: part(column, rows) for name, column in self.columns.items()})


def batches(data: Any) -> Iterable[Batch]:
    """Return `data` as batches that can be read more than once.

    Raises:
        DataError: It is none of the forms named above, or its columns do not fit each other.
    """
    if type(data).__module__.startswith("pyspark."):  # it would come here as a whole
        raise DataError(
            "A Spark DataFrame cannot be read row by row. Wanted: its counts, "
            "Profile.of(frame, like=profile), or some of its rows, frame.sample(0.01).toPandas()."
        )
    if isinstance(data, str | Path):
        data = [data]
    if isinstance(data, list | tuple) and data and all(isinstance(path, str | Path) for path in data):
        from mlobs.drift.readers import Files  # it reads by means of this file

        data = Files(data)
    return data if getattr(data, "yields_batches", False) else Frame(data)


def refuse_duplicates(names: Iterable[str], what: str) -> None:
    """Raise a DataError if a column name occurs twice.

    >>> refuse_duplicates(["a", "b", "a"], "The frame")
    Traceback (most recent call last):
    mlobs.errors.DataError: The frame has more than one column named 'a'. Give each column its own name.
    """
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise DataError(
            f"{what} has more than one column named {', '.join(map(repr, twice))}. "
            f"Give each column its own name."
        )


def _columns(data: Any) -> tuple[dict[str, Column], int]:
    if isinstance(data, np.ndarray):
        data = _numpy_table(data)
    if isinstance(data, Mapping):
        refuse_duplicates(map(_name, data), "The mapping")
        found = {_name(name): _array(values) for name, values in data.items()}
    elif hasattr(data, "__arrow_c_stream__"):
        found = _arrow_columns(data)
    elif isinstance(data, Sequence) and all(isinstance(row, Mapping) for row in data):
        names = {name: None for row in data for name in row}
        refuse_duplicates(map(_name, names), "The list")
        found = {_name(name): from_values([row.get(name) for row in data]) for name in names}
        return found, len(data)
    else:
        raise _unreadable(data)
    lengths = {name: length(column) for name, column in found.items()}
    rows = {count for count in lengths.values() if count is not None}
    if len(rows) > 1:
        raise DataError(f"The columns differ in length: {lengths}. A table needs columns of one length.")
    return found, rows.pop() if rows else 0


def _unreadable(data: object) -> DataError:
    return DataError(
        f"A {type(data).__name__} cannot be read as a table. Wanted: a mapping from column name to "
        f"array, a list of mappings, a numpy array of rows, a pyarrow, pandas or polars table, or the path "
        f"of a file."
    )


def _name(name: object) -> str:
    """Return a column's name as text that can be written."""
    return str(name).encode("utf-8", "replace").decode()


def _numpy_table(data: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the columns of an array of rows: by their names if it has some, else by their numbers."""
    if data.dtype.names is not None and data.ndim == 1:
        return {name: data[name] for name in data.dtype.names}
    if data.ndim == 2:
        return {str(i): data[:, i] for i in range(data.shape[1])}
    raise DataError(
        f"An array of shape {data.shape} and type {data.dtype} cannot be read as a table. "
        f"Wanted: two dimensions, one row of values after the other, or fields with names."
    )


def _array(values: Any) -> Column:
    if hasattr(values, "dictionary_encode") and hasattr(values, "type"):
        return from_arrow(values)
    if isinstance(values, list | tuple):
        return from_values(values)
    if hasattr(values, "__arrow_c_stream__") and not hasattr(values, "reset_index"):  # a polars series
        return from_arrow(require("pyarrow", extra="drift", feature="Reading tables").chunked_array(values))
    return from_numpy(np.asanyarray(values))


def _arrow_columns(data: Any) -> dict[str, Column]:
    arrow = require("pyarrow", extra="drift", feature="Reading tables")
    if hasattr(data, "reset_index"):  # a pandas index would become a column of its own
        data = data.reset_index(drop=True)
    if isinstance(data, arrow.RecordBatchReader):
        data = data.read_all()
    given = getattr(data, "column_names", getattr(data, "columns", None))
    if given is None:
        raise _unreadable(data)
    names = list(given)
    refuse_duplicates(map(_name, names), "The frame")
    try:
        table = arrow.table(data)
    except (arrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        # A column that Arrow cannot have. In pandas that is no oddity: one of several types, for instance.
        if not hasattr(data, "reset_index"):
            raise DataError(f"The frame cannot be read: {error}. Leave such columns out.") from None
        return {_name(name): _array(data[name].to_numpy()) for name in names}
    return {_name(name): _array(table.column(i)) for i, name in enumerate(table.column_names)}

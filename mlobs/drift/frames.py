"""Turns data that is in memory already into batches.

Known are mappings from name to array, lists of mappings, and whatever offers the Arrow stream
interface: pyarrow, pandas and polars do. No frame library is imported for it. What is a sequence of
batches already, such as the files of `readers`, passes through.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

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
    if isinstance(data, Mapping):
        found = {str(name): _array(values) for name, values in data.items()}
    elif hasattr(data, "__arrow_c_stream__"):
        found = _arrow_columns(data)
    elif isinstance(data, Sequence) and all(isinstance(row, Mapping) for row in data):
        names = {str(name): None for row in data for name in row}
        found = {name: from_values([row.get(name) for row in data]) for name in names}
        return found, len(data)
    else:
        raise DataError(
            f"A {type(data).__name__} cannot be read as a table. Wanted: a mapping from column name to "
            f"array, a list of mappings, or a pyarrow, pandas or polars table."
        )
    lengths = {name: length(column) for name, column in found.items()}
    rows = {count for count in lengths.values() if count is not None}
    if len(rows) > 1:
        raise DataError(f"The columns differ in length: {lengths}. A table needs columns of one length.")
    return found, rows.pop() if rows else 0


def _array(values: Any) -> Column:
    if hasattr(values, "dictionary_encode") and hasattr(values, "type"):
        whole = values.combine_chunks() if hasattr(values, "combine_chunks") else values
        return from_arrow(whole)
    if isinstance(values, list | tuple):
        return from_values(values)
    return from_numpy(np.asarray(values))


def _arrow_columns(data: Any) -> dict[str, Column]:
    arrow = require("pyarrow", extra="drift", feature="Reading tables")
    if hasattr(data, "reset_index"):  # a pandas index would become a column of its own
        data = data.reset_index(drop=True)
    given = getattr(data, "column_names", None)
    names = list(data.columns if given is None else given)
    refuse_duplicates(map(str, names), "The frame")
    try:
        table = arrow.table(data)
    except (arrow.ArrowInvalid, arrow.ArrowTypeError):  # a pandas column of several types
        return {str(name): _array(data[name].to_numpy()) for name in names}
    return {str(name): _array(table.column(i)) for i, name in enumerate(table.column_names)}

"""A column's values as Python has them, for columns of another kind than their feature.

A service's rows are counted value by value, and a batch column by column; where a column is of its
feature's kind, both come to the same. Where it is not, its distinct values go the way of a row's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.columns import Categories, Codes, Column, Numbers, Vectors

PLAIN = frozenset({"int64", "float64"})  # not durations, whose values are no numbers in a row


def distinct(column: Column) -> tuple[Sequence[Any], Codes] | None:
    """Return the values that occur and the place of each row's value in them, or None if that is no help.

    >>> values, places = distinct(Numbers(np.array([7.0, np.nan, 7.0])))
    >>> values, places.tolist()
    ([7.0, None], [0, 1, 0])
    """
    if isinstance(column, Categories):
        values = [False, True] if column.boolean else list(column.levels)
        return [*values, None], np.where(column.codes < 0, len(values), column.codes)
    if not isinstance(column, Numbers) or column.kind != "numeric" or column.dtype not in PLAIN:
        return None
    numbers, places = np.unique(column.values, return_inverse=True)  # NaN is the last
    return [None if number != number else number for number in numbers.tolist()], places.astype(np.intp)


def missing_of(column: Column, rows: int) -> NDArray[np.bool_]:
    """Return which of a column's values are missing."""
    if isinstance(column, Vectors):
        return column.missing
    if isinstance(column, Categories):
        return column.codes < 0
    return np.isnan(column.values) if isinstance(column, Numbers) else np.zeros(rows, np.bool_)

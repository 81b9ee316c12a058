"""One column of a batch of data, in one of the two forms that can be counted.

Numbers are doubles, with NaN where the value is missing. Categories are codes into a list of levels,
with -1 where the value is missing; booleans are categories with the levels false and true. What is
neither, such as a timestamp or a list, becomes `Unusable` and says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlobs._extras import require

Kind = Literal["numeric", "categorical", "boolean"]
Codes = NDArray[np.intp]
Doubles = NDArray[np.float64]

BOOLEAN_LEVELS = ("false", "true")
NUMBER_TYPES = (int, float, np.integer, np.floating)
NO_TYPE = type(None)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A numeric column. Infinities are values; NaN is a missing value."""

    values: Doubles

    @property
    def kind(self) -> Kind:
        """Return the kind of feature such a column is."""
        return "numeric"


@dataclass(frozen=True, slots=True)
class Categories:
    """A column of strings or booleans. `codes` point into `levels`; -1 is a missing value."""

    codes: Codes
    levels: Sequence[str]
    boolean: bool = False

    @property
    def kind(self) -> Kind:
        """Return the kind of feature such a column is."""
        return "boolean" if self.boolean else "categorical"


@dataclass(frozen=True, slots=True)
class Unusable:
    """A column that holds neither numbers nor categories, and what it holds instead."""

    why: str


Column = Numbers | Categories | Unusable


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a data set, by column."""

    rows: int
    columns: Mapping[str, Column]


def from_values(values: Sequence[Any]) -> Column:
    """Return the column of Python values, whose type is that of all values that are not None.

    Values of several types are categories, each by its text: nothing is lost, and data that had
    one type before has visibly changed.

    >>> from_values([1, None, 2.5]).values.tolist()
    [1.0, nan, 2.5]
    >>> from_values(["b", None, "a"])
    Categories(codes=array([ 1, -1,  0]), levels=['a', 'b'], boolean=False)
    """
    types = set(map(type, values)) - {NO_TYPE}
    if types and all(issubclass(kind, bool | np.bool_) for kind in types):
        codes = [-1 if value is None else int(value) for value in values]
        return Categories(np.array(codes, dtype=np.intp), BOOLEAN_LEVELS, boolean=True)
    if types and all(issubclass(kind, NUMBER_TYPES) and not issubclass(kind, bool) for kind in types):
        return Numbers(np.array([_number(value) for value in values], dtype=np.float64))
    texts = [None if _missing(value) else str(value) for value in values]
    levels = sorted({text for text in texts if text is not None})
    place = {level: code for code, level in enumerate(levels)}
    return Categories(np.array([-1 if t is None else place[t] for t in texts], dtype=np.intp), levels)


def from_numpy(array: NDArray[Any]) -> Column:
    """Return the column of a numpy array with one dimension."""
    if array.ndim != 1:
        return Unusable(f"an array of shape {array.shape}")
    if array.dtype.kind == "b":
        return Categories(array.astype(np.intp), BOOLEAN_LEVELS, boolean=True)
    if array.dtype.kind in "iuf":
        return Numbers(array.astype(np.float64))
    if array.dtype.kind in "UO":
        return from_values(array.tolist())
    return Unusable(f"values of type {array.dtype}")


def from_arrow(array: Any) -> Column:
    """Return the column of an Arrow array."""
    types = require("pyarrow", extra="drift", feature="Reading tables").types
    kind = array.type
    if types.is_boolean(kind):
        codes = array.cast("int8").fill_null(-1).to_numpy(zero_copy_only=False)
        return Categories(codes.astype(np.intp), BOOLEAN_LEVELS, boolean=True)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        plain = array.cast("float64", safe=False) if types.is_decimal(kind) else array
        return Numbers(plain.to_numpy(zero_copy_only=False).astype(np.float64, copy=False))
    if types.is_null(kind):
        return Categories(np.full(len(array), -1, dtype=np.intp), ())
    text = kind.value_type if types.is_dictionary(kind) else kind
    if types.is_string(text) or types.is_large_string(text) or types.is_string_view(text):
        coded = array if types.is_dictionary(kind) else array.dictionary_encode()
        codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return Categories(codes.astype(np.intp), coded.dictionary.to_pylist())
    if types.is_dictionary(kind):
        return from_arrow(array.dictionary_decode())
    return Unusable(f"values of type {kind}")


def length(column: Column) -> int | None:
    """Return how many values a column has, or None where it cannot be known."""
    if isinstance(column, Numbers):
        return len(column.values)
    return len(column.codes) if isinstance(column, Categories) else None


def part(column: Column, rows: Codes | slice) -> Column:
    """Return the values of a column in some of its rows."""
    if isinstance(column, Numbers):
        return Numbers(column.values[rows])
    if isinstance(column, Categories):
        return Categories(column.codes[rows], column.levels, column.boolean)
    return column


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _number(value: Any) -> float:
    try:
        return np.nan if value is None else float(value)
    except OverflowError:  # an int beyond the largest double
        return np.inf if value > 0 else -np.inf

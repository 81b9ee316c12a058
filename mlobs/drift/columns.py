"""One column of a batch of data, in one of the forms that can be counted.

Numbers are doubles, with NaN where the value is missing; times are numbers of seconds. Categories are
codes into a list of levels, with -1 where the value is missing; booleans are categories with the
levels false and true. Vectors are rows of single-precision numbers. What is none of these, such as a
list of strings, becomes `Unusable` and says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlobs._extras import require

Codes = NDArray[np.intp]
Doubles = NDArray[np.float64]
Singles = NDArray[np.float32]
Mask = NDArray[np.bool_]

BOOLEAN_LEVELS = ("false", "true")
NUMBER_TYPES = (int, float, np.integer, np.floating, Decimal)
VECTOR_TYPES = (list, tuple, np.ndarray)
MISSING_TYPES = frozenset({"NoneType", "NAType", "NaTType"})  # the latter two are those of pandas
AXIS_TYPES = (*NUMBER_TYPES, timedelta, time)
NO_TYPE = type(None)
ONE_WIDTH_SHARE = 0.8  # of vectors; a few may be broken
MANY_WIDTHS = "lists of different lengths"
WHOLE_MAX = 2.0**53  # doubles above are all whole
SECONDS_PER = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column with an axis. Infinities are values; NaN is a missing value.

    Args:
        values: Times are seconds since 1970 UTC.
        dtype: See `Feature`. Whatever integer type it was, it is int64 here; so with floats.
        kind: What such a column is counted as.
    """

    values: Doubles
    dtype: str = "float64"
    kind: Literal["numeric", "datetime"] = "numeric"


@dataclass(frozen=True, slots=True)
class Categories:
    """A column of strings or booleans. `codes` point into `levels`; -1 is a missing value."""

    codes: Codes
    levels: Sequence[str]
    boolean: bool = False
    dtype: str = "string"

    @property
    def kind(self) -> Literal["categorical", "boolean"]:
        """Return the kind of feature such a column is, if nothing else was asked for."""
        return "boolean" if self.boolean else "categorical"


@dataclass(frozen=True, slots=True)
class Vectors:
    """A column of vectors, such as embeddings.

    Args:
        values: Shape (rows, width). A row that is missing or of another width is NaN.
        missing: Shape (rows,).
    """

    values: Singles
    missing: Mask

    @property
    def kind(self) -> Literal["embedding"]:
        """Return the kind of feature such a column is."""
        return "embedding"

    @property
    def dtype(self) -> str:
        """Return the type as a word."""
        return f"vector[{self.values.shape[1]}]"


@dataclass(frozen=True, slots=True)
class Unusable:
    """A column of something that cannot be counted, and what it holds instead."""

    why: str


Countable = Numbers | Categories | Vectors
Column = Countable | Unusable


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a data set, by column."""

    rows: int
    columns: Mapping[str, Column]


def from_values(values: Sequence[Any]) -> Column:
    """Return the column of Python values, whose type is that of all values that are not missing.

    Values of several types are categories, each by its text: nothing is lost, and data that had
    one type before has visibly changed.

    >>> from_values([1, None, 2.5]).values.tolist()
    [1.0, nan, 2.5]
    >>> from_values(["b", None, "a"]).levels
    ['a', 'b']
    """
    present = [None if is_missing(value) else value for value in values]
    types = set(map(type, present)) - {NO_TYPE}
    if not types:
        whole = all(value is None for value in values)
        return nothing(len(present)) if whole else Numbers(np.full(len(present), np.nan))
    if _all(types, bool | np.bool_):
        codes = [-1 if value is None else int(value) for value in present]
        return Categories(np.array(codes, dtype=np.intp), BOOLEAN_LEVELS, boolean=True, dtype="bool")
    if _all(types, NUMBER_TYPES) and not any(issubclass(kind, bool) for kind in types):
        dtype = "int64" if _all(types, int | np.integer) else "float64"
        return Numbers(np.array([np.nan if value is None else number_of(value) for value in present]), dtype)
    if _all(types, date | np.datetime64):
        seconds = [np.nan if value is None else seconds_of(value) for value in present]
        return Numbers(np.array(seconds), _time_word(present), "datetime")
    if _all(types, timedelta):
        return Numbers(np.array([np.nan if v is None else number_of(v) for v in present]), "duration")
    if _all(types, time):
        return Numbers(np.array([np.nan if v is None else number_of(v) for v in present]), "time")
    if _all(types, VECTOR_TYPES):
        return _vectors(present)
    if not types & {str} and _all(types, bytes | Mapping | set | frozenset):
        return Unusable(f"values of type {', '.join(sorted(kind.__name__ for kind in types))}")
    return _categories(present, "string" if _all(types, str) else "mixed")


def from_numpy(array: NDArray[Any]) -> Column:
    """Return the column of a numpy array: one value a row, or one vector a row."""
    kind = array.dtype.kind
    if array.ndim == 2 and kind in "iuf":
        values = singles(array)
        return Vectors(values, np.zeros(len(values), np.bool_))
    if array.ndim != 1:
        return Unusable(f"an array of shape {array.shape}")
    if isinstance(array, np.ma.MaskedArray):
        return from_values(array.tolist())
    if kind == "b":
        return Categories(array.astype(np.intp), BOOLEAN_LEVELS, boolean=True, dtype="bool")
    if kind in "iuf":
        return Numbers(array.astype(np.float64), "float64" if kind == "f" else "int64")
    if kind in "mM" and np.datetime_data(array.dtype)[0] != "generic":
        return from_arrow(_arrow().array(array.astype(_arrow_unit(array.dtype))))
    if kind == "U":
        return from_arrow(_arrow().array(array))
    return from_values(array.tolist()) if kind in "OT" else Unusable(f"values of type {array.dtype}")


def from_arrow(array: Any) -> Column:
    """Return the column of an Arrow array."""
    types = _arrow().types
    if hasattr(array, "combine_chunks"):
        array = array.combine_chunks()
    if isinstance(array.type, _arrow().BaseExtensionType):
        array = array.storage
    kind = array.type
    if types.is_boolean(kind):
        codes = array.cast("int8").fill_null(-1).to_numpy(zero_copy_only=False)
        return Categories(codes.astype(np.intp), BOOLEAN_LEVELS, boolean=True, dtype="bool")
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        plain = array.cast("float64", safe=False) if types.is_decimal(kind) else array
        return Numbers(_doubles(plain), "int64" if types.is_integer(kind) else "float64")
    if types.is_temporal(kind):
        return _from_temporal(array)
    if types.is_null(kind):
        return nothing(len(array))
    text = kind.value_type if types.is_dictionary(kind) else kind
    if types.is_string(text) or types.is_large_string(text) or types.is_string_view(text):
        coded = array if types.is_dictionary(kind) else array.dictionary_encode()
        if coded.dictionary.null_count:  # a level that is missing
            coded = coded.dictionary_decode().dictionary_encode()
        codes = coded.indices.cast("int64").fill_null(-1).to_numpy(zero_copy_only=False)
        return Categories(codes.astype(np.intp), coded.dictionary.to_pylist())
    if types.is_dictionary(kind):
        return from_arrow(array.dictionary_decode())
    if any(is_list(kind) for is_list in (types.is_list, types.is_large_list, types.is_fixed_size_list)):
        return _from_lists(array)
    return Unusable(f"values of type {kind}")


def nothing(rows: int) -> Categories:
    """Return the column whose values are all missing, of no type."""
    return Categories(np.full(rows, -1, dtype=np.intp), (), dtype="null")


def all_missing(column: Countable) -> bool:
    """Return whether a column has no value, which fits features of every kind."""
    if isinstance(column, Categories):
        return not column.levels or not bool((column.codes >= 0).any())
    if isinstance(column, Vectors):
        return bool(column.missing.all())
    return bool(np.isnan(column.values).all())


def length(column: Column) -> int | None:
    """Return how many values a column has, or None where it cannot be known."""
    if isinstance(column, Unusable):
        return None
    return len(column.codes if isinstance(column, Categories) else column.values)


def part(column: Column, rows: Codes | slice) -> Column:
    """Return the values of a column in some of its rows."""
    if isinstance(column, Numbers):
        return Numbers(column.values[rows], column.dtype, column.kind)
    if isinstance(column, Categories):
        return Categories(column.codes[rows], column.levels, column.boolean, column.dtype)
    if isinstance(column, Vectors):
        return Vectors(column.values[rows], column.missing[rows])
    return column


def by_text(column: Numbers) -> Categories:
    """Return numbers as categories.

    >>> by_text(Numbers(np.array([7.0, np.nan, 0.5]), "float64")).levels
    ['0.5', '7']
    """
    known = ~np.isnan(column.values)
    distinct, places = np.unique(column.values[known], return_inverse=True)
    codes = np.full(len(column.values), -1, dtype=np.intp)
    codes[known] = places
    return Categories(codes, [text_of(value) for value in distinct.tolist()], dtype=column.dtype)


def text_of(value: object) -> str:
    """Return the name of a value as a level: whole numbers without a point, booleans in lower case.

    >>> text_of(3.0), text_of(True), text_of("a")
    ('3', 'true', 'a')
    """
    if isinstance(value, bool | np.bool_):
        return BOOLEAN_LEVELS[int(value)]
    if isinstance(value, float) and value.is_integer() and abs(value) < WHOLE_MAX:
        return str(int(value))
    return str(value)


def is_number(text: str) -> bool:
    """Return whether a text is that of a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_missing(value: object) -> bool:
    """Return whether a Python value says that there is none: None, NaN, NaT or pandas' NA."""
    if type(value).__name__ in MISSING_TYPES:
        return True
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return isinstance(value, float | np.floating) and bool(value != value)


def seconds_of(moment: date | np.datetime64) -> float:
    """Return the seconds since 1970 of a date or a time; one without a zone is UTC."""
    if isinstance(moment, np.datetime64):
        return float(moment.astype("datetime64[us]").astype(np.int64)) / 1e6
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def number_of(value: Any) -> float:
    """Return a number, a duration or a time of day as a double; the latter two in seconds."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, time):
        return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
    try:
        return float(value)
    except OverflowError:  # an int beyond the largest double
        return np.inf if value > 0 else -np.inf
    except ValueError:  # a signalling NaN of decimal
        return np.nan


def singles(values: Any) -> Singles:
    """Return numbers in single precision; what is too large for it becomes infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=np.float32)


def _all(types: set[type], wanted: Any) -> bool:
    return all(issubclass(kind, wanted) for kind in types)


def _time_word(values: Sequence[Any]) -> str:
    found = [value for value in values if value is not None]
    if all(isinstance(value, date) and not isinstance(value, datetime) for value in found):
        return "date"
    zoned = any(getattr(value, "tzinfo", None) is not None for value in found)
    return "timestamp[UTC]" if zoned else "timestamp"


def _categories(values: Sequence[Any], dtype: str) -> Categories:
    texts = [None if value is None else text_of(value) for value in values]
    levels = sorted({text for text in texts if text is not None})
    place = {level: code for code, level in enumerate(levels)}
    codes = [-1 if text is None else place[text] for text in texts]
    return Categories(np.array(codes, dtype=np.intp), levels, dtype=dtype)


def _vectors(values: Sequence[Any]) -> Column:
    """Return lists of numbers as vectors of the width that most of them have."""
    try:
        given = [None if value is None else np.asarray(value) for value in values]
        if any(row is not None and (row.ndim != 1 or row.dtype.kind not in "iufO") for row in given):
            return Unusable("lists of something that is not a number")
        rows = [None if row is None else row.astype(np.float64) for row in given]
    except (TypeError, ValueError, OverflowError):
        return Unusable("lists of something that is not a number")
    flat = [row for row in rows if row is not None]
    widths = np.array([len(row) for row in flat])
    width = int(np.bincount(widths).argmax())
    if (widths == width).mean() < ONE_WIDTH_SHARE:
        return Unusable(MANY_WIDTHS)
    found = np.full((len(rows), width), np.nan, dtype=np.float32)
    for place, row in enumerate(rows):
        if row is not None and len(row) == width:
            found[place] = singles(row)
    return Vectors(found, np.array([row is None for row in rows]))


def _arrow() -> Any:
    return require("pyarrow", extra="drift", feature="Reading tables")


def _doubles(array: Any) -> Doubles:
    found: Doubles = array.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    return found


def _arrow_unit(dtype: np.dtype[Any]) -> str:
    """Return the type in a unit that Arrow has: all it lacks are longer than a second, or absurd."""
    word = "datetime64" if dtype.kind == "M" else "timedelta64"
    unit = np.datetime_data(dtype)[0]
    return f"{word}[{unit if unit in {'D', *SECONDS_PER} and (unit, word[0]) != ('D', 't') else 's'}]"


def _from_temporal(array: Any) -> Column:
    types, kind = _arrow().types, array.type
    if types.is_date(kind):
        days = array.cast("date32").cast("int32")
        return Numbers(_doubles(days) * 86_400, "date", "datetime")
    if not hasattr(kind, "unit"):
        return Unusable(f"values of type {kind}")
    whole = array.cast("int32" if types.is_time32(kind) else "int64")
    seconds = _doubles(whole) * SECONDS_PER[kind.unit]
    if types.is_timestamp(kind):
        return Numbers(seconds, "timestamp[UTC]" if kind.tz else "timestamp", "datetime")
    return Numbers(seconds, "duration" if types.is_duration(kind) else "time")


def _from_lists(array: Any) -> Column:
    types, kind = _arrow().types, array.type
    inner = kind.value_type
    if not (types.is_integer(inner) or types.is_floating(inner)):
        return Unusable(f"values of type {kind}")
    missing = array.is_null().to_numpy(zero_copy_only=False)
    widths = array.drop_null().value_lengths() if not types.is_fixed_size_list(kind) else None
    whole = singles(array.drop_null().flatten().to_numpy(zero_copy_only=False))
    present = int((~missing).sum())
    if widths is None:
        width, fits = kind.list_size, np.ones(present, np.bool_)
    else:
        lengths = widths.to_numpy(zero_copy_only=False).astype(np.intp)
        width = int(np.bincount(lengths).argmax()) if present else 0
        fits = lengths == width
        if present and fits.mean() < ONE_WIDTH_SHARE:
            return Unusable(MANY_WIDTHS)
        whole = whole[np.repeat(fits, lengths)]
    found = np.full((len(missing), width), np.nan, dtype=np.float32)
    found[np.flatnonzero(~missing)[fits]] = (
        whole.reshape(-1, width) if width else whole.reshape(int(fits.sum()), 0)
    )
    return Vectors(found, missing)

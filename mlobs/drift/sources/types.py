"""The types of columns that come in parts: what all parts can be read as.

Whole numbers with fractions are doubles, dates with times are times, and a part without any value
fits everything. Whatever else differs has no common type.
"""

from collections.abc import Callable, Iterable
from typing import Any

from mlobs._extras import require

UNITS = ("s", "ms", "us", "ns")


def common(one: Any, other: Any) -> Any | None:
    """Return the Arrow type that values of both types can be read as, or None.

    >>> import pyarrow as pa
    >>> common(pa.int32(), pa.float32()), common(pa.null(), pa.date32()), common(pa.bool_(), pa.string())
    (DataType(double), DataType(date32[day]), None)
    """
    arrow = require("pyarrow", extra="drift", feature="Reading data files")
    is_ = arrow.types
    one, other = _plain(arrow, one), _plain(arrow, other)
    if one == other or is_.is_null(other):
        return one
    if is_.is_null(one):
        return other
    kinds = (one, other)
    if _both(is_.is_integer, kinds):
        return arrow.float64() if arrow.uint64() in kinds else arrow.int64()
    if _both(lambda kind: is_.is_integer(kind) or is_.is_floating(kind) or is_.is_decimal(kind), kinds):
        return arrow.float64()
    if _both(is_.is_temporal, kinds) and not any(map(is_.is_time, kinds)):
        return _moment(arrow, kinds)
    if _both(lambda kind: hasattr(kind, "value_type"), kinds):
        value = common(one.value_type, other.value_type)
        return None if value is None else arrow.list_(value)
    return None


def cast(arrow: Any, column: Any, kind: Any) -> Any:
    """Return a column as values of another type, which `common` said it can be read as."""
    if column.type == kind:
        return column
    if arrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(kind, safe=False)


def _plain(arrow: Any, kind: Any) -> Any:
    """Return a type without what says how its values are laid out, or more than is counted."""
    if arrow.types.is_dictionary(kind):
        return _plain(arrow, kind.value_type)
    if arrow.types.is_timestamp(kind) and kind.unit == "ns":
        return arrow.timestamp("us", kind.tz)  # finer than doubles of seconds are
    if arrow.types.is_large_string(kind) or arrow.types.is_string_view(kind):
        return arrow.string()
    return kind


def _both(test: Callable[[Any], bool], kinds: Iterable[Any]) -> bool:
    return all(map(test, kinds))


def _moment(arrow: Any, kinds: tuple[Any, Any]) -> Any | None:
    """Return the finer of two types of dates and times; times without a zone are UTC."""
    is_ = arrow.types
    if not _both(lambda kind: is_.is_date(kind) or is_.is_timestamp(kind), kinds):
        return None
    if _both(is_.is_date, kinds):
        return arrow.date32()
    units = [kind.unit if is_.is_timestamp(kind) else "s" for kind in kinds]
    zones = [kind.tz for kind in kinds if is_.is_timestamp(kind) and kind.tz]
    return arrow.timestamp(max(units, key=UNITS.index), zones[0] if zones else None)

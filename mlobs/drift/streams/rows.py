"""Reads what services have as rows: each becomes a dict by column name, or is unreadable.

A row is a mapping, an object with attributes (a dataclass, a pydantic model, a named tuple), a record
of numpy, a pandas Series, or a sequence with one value for each input column of the profile, in the
profile's order.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlobs.drift.streams.complaints import named

NO_ROWS = (str, bytes, bytearray, set, frozenset, type)
ABSENT = object()


def mapping_of(row: object, inputs: Sequence[str]) -> dict[str, Any] | None:
    """Return a row by column name, with what it has of `inputs`, or None if it cannot be read.

    >>> mapping_of([1.5, "a"], ["x", "c"]), mapping_of(5, ["x", "c"])
    ({'x': 1.5, 'c': 'a'}, None)
    """
    if type(row) is dict:
        return row
    try:
        return _mapping(row, inputs)
    except Exception:  # noqa: BLE001 a row may run any code when it is read, and must not end the counting
        return None


def _mapping(row: Any, inputs: Sequence[str]) -> dict[str, Any] | None:
    if isinstance(row, NO_ROWS) or is_table(row):
        return None
    if isinstance(row, Mapping):
        return dict(row)
    if isinstance(row, np.void) and row.dtype.names:
        return {name: row[name].item() for name in row.dtype.names}
    if hasattr(row, "_asdict"):
        return dict(row._asdict())
    if isinstance(row, list | tuple | np.ndarray):
        values = row.tolist() if isinstance(row, np.ndarray) else row
        return dict(zip(inputs, values, strict=True)) if len(values) == len(inputs) else None
    if callable(getattr(row, "to_dict", None)) and hasattr(row, "index"):  # a pandas Series
        return {str(name): value for name, value in row.to_dict().items()}
    own = getattr(row, "__dict__", None)
    if isinstance(own, dict) and own.keys() >= set(inputs):
        return own
    found = {name: getattr(row, name, ABSENT) for name in inputs}
    return {name: value for name, value in found.items() if value is not ABSENT} or None


def is_table(value: Any) -> bool:
    """Return whether a value holds rows and is not one: a frame, an Arrow table, a matrix."""
    kind = type(value)
    if issubclass(kind, np.ndarray):
        return bool(value.ndim != 1)
    return hasattr(kind, "__arrow_c_stream__") and (hasattr(kind, "columns") or hasattr(kind, "column_names"))


def why_unreadable(row: object, inputs: Sequence[str]) -> str:
    """Return the sentence on a row that cannot be read.

    >>> why_unreadable([1.5], ["x", "c"])
    "A row of 1 value cannot be read: the profile has 2 inputs. Wanted: one value each for 'x', 'c'."
    """
    kind = type(row).__name__  # what it is, and not what it says it is: that runs code of its class
    if is_table(row):
        return f"A {kind} was observed as one row. Hand tables to observe_batch."
    if issubclass(type(row), list | tuple | np.ndarray):
        count = len(row)  # type: ignore[arg-type] # it is a list or the like
        values = "1 value" if count == 1 else f"{count} values"
        return (
            f"A row of {values} cannot be read: the profile has {len(inputs)} inputs. "
            f"Wanted: one value each for {named(list(inputs))}."
        )
    return (
        f"A value of type {kind} cannot be read as a row. Wanted: a mapping or an object with "
        f"{named(list(inputs))}, or a sequence of these in this order."
    )


def plain(value: Any) -> Any:
    """Return a model's output as a value: an array or tensor of one prediction becomes what it holds."""
    if type(value) in (float, int, str, bool):
        return value
    try:
        return value.item() if callable(getattr(value, "item", None)) else value
    except Exception:  # noqa: BLE001 such as an array of many; what it is instead is counted
        return value

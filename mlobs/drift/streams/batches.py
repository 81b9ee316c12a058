"""Reads what `Monitor.observe_batch` is given, in pieces of bounded size."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.columns import Column, Numbers, length, part
from mlobs.drift.frames import Frame, batches
from mlobs.drift.streams.rows import plain
from mlobs.drift.streams.traces import Trace
from mlobs.errors import DataError

VALUES_MAX = 4_000_000  # counted at once: 32 MB of places
SLICE_ROWS = 250

Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Some rows of a batch: by column, or as they were given."""

    rows: int
    columns: Mapping[str, Column]
    objects: Sequence[object] | None
    predictions: Sequence[object] | None
    ids: Sequence[object] | None
    times: Doubles | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """What is given beside the rows, each with one value a row, or None."""

    predictions: Any
    ids: Any
    time: Any
    trace: Trace | None = None  # in which all the rows came


def pieces(data: Any, beside: Beside, *, inputs: Sequence[str], prediction: str | None) -> Iterator[Piece]:
    """Yield a batch's rows in pieces.

    Args:
        data: A list of rows of any form, or what `Profile.of` takes; a matrix has the inputs as columns.
        beside: Predictions, ids and times, if they are given. A text is the column of the times.
        inputs: The profile's input columns.
        prediction: The column that holds the model's output, where the profile has one.

    Raises:
        DataError: The data cannot be read, or what is beside it differs in length.
    """
    ids = None if beside.ids is None else list(beside.ids)
    if isinstance(data, list | tuple):
        yield from _of_rows(data, beside, ids)
        return
    if getattr(data, "ndim", None) == 2 and hasattr(data, "__array__") and not hasattr(data, "columns"):
        data = np.asarray(data)  # a tensor
    if isinstance(data, np.ndarray) and data.dtype.names is None and data.ndim == 2:
        if data.shape[1] != len(inputs):
            raise DataError(
                f"A matrix of {data.shape[1]} columns cannot be observed: the profile has {len(inputs)} "
                f"inputs. Give it those columns, in the profile's order, or a frame with their names."
            )
        data = {name: data[:, i] for i, name in enumerate(inputs)}
    output = None if beside.predictions is None else _column("predictions", beside.predictions)
    named = beside.time if isinstance(beside.time, str) else None
    times = None if named or beside.time is None else seconds_of(_column("time", beside.time), "time")
    source = batches(data)
    beside_rows = {"predictions": output, "time": times, "ids": ids}
    if isinstance(source, Frame):
        _check_lengths(source.rows, beside_rows)
    first = 0
    for batch in source:
        columns: dict[str, Column] = dict(batch.columns)
        stop = first + batch.rows
        if output is not None and prediction is not None:
            columns[prediction] = part(output, slice(first, stop))
        when = None if times is None else times[first:stop]
        if named is not None:
            if named not in columns:
                raise DataError(f"The rows have no column {named!r}. Wanted: the column of their times.")
            when = seconds_of(columns.pop(named), named)
        size = max(VALUES_MAX // max(len(inputs), 1), 1)
        for start in range(0, batch.rows, size):
            rows = slice(start, min(start + size, batch.rows))
            yield Piece(
                rows=rows.stop - rows.start,
                columns={name: part(column, rows) for name, column in columns.items()},
                objects=None,
                predictions=None,
                ids=None if ids is None else ids[first + rows.start : first + rows.stop],
                times=None if when is None else when[rows],
            )
        first = stop
    _check_lengths(first, beside_rows)


def seconds_of(column: Column, name: str) -> Doubles:
    """Return a column of times as seconds since 1970.

    Raises:
        DataError: It holds something else.
    """
    if isinstance(column, Numbers) and (column.kind == "datetime" or column.dtype in {"int64", "float64"}):
        return column.values
    raise DataError(
        f"{name} cannot say when the rows came. Wanted: timestamps, dates or seconds since 1970, one a row."
    )


def _of_rows(rows: Sequence[object], beside: Beside, ids: list[object] | None) -> Iterator[Piece]:
    predictions = None if beside.predictions is None else list(beside.predictions)
    times = None
    if isinstance(beside.time, str):
        raise DataError("time cannot be a column's name for a list of rows. Give one time a row.")
    if beside.time is not None:
        times = seconds_of(_column("time", beside.time), "time")
    _check_lengths(len(rows), {"predictions": predictions, "time": times, "ids": ids})
    order = np.arange(len(rows)) if times is None else np.argsort(times, kind="stable")
    for start in range(0, len(rows), SLICE_ROWS):
        chosen = order[start : start + SLICE_ROWS]
        places = chosen.tolist()
        yield Piece(
            rows=len(places),
            columns={},
            objects=[rows[i] for i in places],
            predictions=None if predictions is None else [predictions[i] for i in places],
            ids=None if ids is None else [ids[i] for i in places],
            times=None if times is None else times[chosen],
        )


def _column(name: str, values: Any) -> Column:
    return Frame({name: values}).columns[name]


def _check_lengths(rows: int, given: Mapping[str, Any]) -> None:
    """Refuse what differs in length from the rows."""
    for name, values in given.items():
        if values is None:
            continue
        found = len(values) if isinstance(values, list | np.ndarray) else length(values)
        if found != rows:
            raise DataError(f"{name} has {found} values for {rows} rows. Wanted: one a row.")


def rows_of(data: Any) -> int:
    """Return how many rows a batch has, as far as it can be told.

    >>> rows_of({"x": [1, 2, 3]}), rows_of(5)
    (3, 0)
    """
    try:
        if isinstance(data, dict):
            return max(map(len, data.values()), default=0)
        return len(data)
    except Exception:  # noqa: BLE001 a batch that nobody can count
        return 0


def outputs_of(result: Any, rows: int, *, vectors: bool) -> Any:
    """Return what a function returned for a table as one prediction a row, or None if it is no such thing.

    Args:
        result: Whatever it returned.
        rows: Of the table.
        vectors: Whether a prediction is a vector.

    >>> outputs_of([0.1, 0.2], 2, vectors=False), outputs_of(0.1, 1, vectors=False)
    ([0.1, 0.2], [0.1])
    >>> outputs_of({"score": 0.1}, 2, vectors=False) is None
    True
    """
    try:
        if rows == 1 and (isinstance(result, str) or not hasattr(result, "__len__")):
            return None if result is None else [plain(result)]
        if isinstance(result, str | Mapping) or len(result) != rows:
            return None
        if getattr(result, "ndim", 1) == 2 and not vectors:
            matrix = np.asarray(result)
            return matrix[:, 0] if matrix.shape[1] == 1 else None
    except Exception:  # noqa: BLE001 it may be anything
        return None
    return result


def no_outputs(result: Any, rows: int) -> str:
    """Return the sentence on a result of which `outputs_of` makes nothing."""
    return (
        f"A {type(result).__name__} came as the predictions for {rows} rows, and was not counted. "
        f"Wanted: one prediction a row, in a list, an array or a series."
    )

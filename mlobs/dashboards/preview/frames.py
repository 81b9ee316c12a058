"""Answers of data sources in one shape: frames of named columns.

A series is a frame with a column of times and one of values; a table is a frame with more.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Kind = Literal["time", "number", "text"]
WRAPPED = re.compile(r"(?:Nullable|LowCardinality)\((.*)\)")
LARGEST = 1e300
LABEL = re.compile(r"{{\s*([^}]*?)\s*}}")


@dataclass(slots=True)
class Field:
    """A column.

    Args:
        name: As the answer has it.
        kind: Of its values; times are seconds since 1970.
        values: None where there is none.
        labels: Of the series it belongs to.
        shown: Its name on the page, made from the query's legend.
    """

    name: str
    kind: Kind
    values: list[Any]
    labels: Mapping[str, str] = field(default_factory=dict)
    shown: str = ""


@dataclass(slots=True)
class Frame:
    """Columns of one length, and the query they answer."""

    ref: str
    fields: list[Field]

    @property
    def rows(self) -> int:
        """How many values a column has."""
        return len(self.fields[0].values) if self.fields else 0

    def first(self, kind: Kind) -> Field | None:
        """Return the first column of a kind."""
        return next((column for column in self.fields if column.kind == kind), None)

    def numbers(self) -> list[Field]:
        """Return the columns of numbers."""
        return [column for column in self.fields if column.kind == "number"]


def of_matrix(result: Sequence[Mapping[str, Any]], ref: str, legend: str, step_s: float) -> list[Frame]:
    """Return a frame per series of a range query; None where a step is missing."""
    frames = []
    for series in result:
        times: list[float] = []
        values: list[float | None] = []
        for at, value in series.get("values", ()):
            if times and at - times[-1] > step_s * 1.5:
                times.append(times[-1] + step_s)
                values.append(None)
            times.append(float(at))
            values.append(number(value))
        frames.append(_series(series["metric"], ref, legend, times, values))
    return frames


def of_vector(result: Sequence[Mapping[str, Any]], ref: str, legend: str) -> list[Frame]:
    """Return a frame of one point per series of an instant query."""
    return [
        _series(series["metric"], ref, legend, [float(series["value"][0])], [number(series["value"][1])])
        for series in result
    ]


def table_of_vector(result: Sequence[Mapping[str, Any]], ref: str, *, alone: bool) -> Frame:
    """Return one table of an instant query: the time, a column per label, the value."""
    labels = sorted({label for series in result for label in series["metric"]})
    columns = [Field("Time", "time", [float(series["value"][0]) for series in result])]
    columns += [Field(label, "text", [series["metric"].get(label) for series in result]) for label in labels]
    columns.append(
        Field(
            "Value" if alone else f"Value #{ref}", "number", [number(series["value"][1]) for series in result]
        )
    )
    return Frame(ref, columns)


def of_rows(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]], ref: str) -> Frame:
    """Return one table of an SQL answer; `columns` are names and ClickHouse's types."""
    made = []
    for place, (name, type_) in enumerate(columns):
        kind = _kind(type_)
        made.append(Field(name, kind, [_value(row[place], kind) for row in rows]))
    return Frame(ref, made)


def as_series(table: Frame) -> list[Frame]:
    """Return the series in a table: texts name them, numbers are their values."""
    time = table.first("time")
    if time is None:
        return [table]
    names = [column for column in table.fields if column.kind == "text"]
    groups: dict[tuple[str, ...], list[int]] = {}
    for row in range(table.rows):
        groups.setdefault(tuple(str(name.values[row]) for name in names), []).append(row)
    frames = []
    numbers = table.numbers()
    for group, rows in groups.items():
        rows = sorted(rows, key=lambda row: time.values[row] or 0)
        for column in numbers:
            labels = dict(zip((name.name for name in names), group, strict=True))
            shown = " ".join([*group, *([column.name] if len(numbers) > 1 or not group else [])])
            values = [column.values[row] for row in rows]
            times = Field("Time", "time", [time.values[row] for row in rows])
            frames.append(Frame(table.ref, [times, Field(column.name, "number", values, labels, shown)]))
    return frames


def number(given: Any) -> float | None:
    """Return a number; None for what is none, and for NaN, which nobody can draw."""
    try:
        found = float(given)
    except (TypeError, ValueError):
        return None
    return None if math.isnan(found) else found


def drawable(value: float | None) -> bool:
    """Return whether a number has a place on an axis: infinite ones are shown, but not drawn."""
    return value is not None and abs(value) < LARGEST


def named(labels: Mapping[str, str], legend: str) -> str:
    """Return what a series is called: by its legend, or by its labels without one."""
    if legend and legend != "__auto":
        return LABEL.sub(lambda found: str(labels.get(found[1], "")), legend).strip() or _spelled(labels)
    if len(labels) == 1:
        return str(next(iter(labels.values())))
    return _spelled(labels)


def _spelled(labels: Mapping[str, str]) -> str:
    inside = ", ".join(f"{name}={json.dumps(value)}" for name, value in labels.items() if name != "__name__")
    return f"{labels.get('__name__', '')}{{{inside}}}" if inside else labels.get("__name__", "Value")


def _series(
    labels: Mapping[str, str],
    ref: str,
    legend: str,
    times: list[float],
    values: list[float | None],
) -> Frame:
    shown = named(labels, legend)
    return Frame(ref, [Field("Time", "time", times), Field("Value", "number", values, labels, shown)])


def _kind(type_: str) -> Kind:
    while found := WRAPPED.fullmatch(type_):
        type_ = found[1]
    if type_.startswith(("DateTime", "Date")):
        return "time"
    return "number" if type_.startswith(("Int", "UInt", "Float", "Decimal")) else "text"


def _value(given: Any, kind: Kind) -> Any:
    if given is None:
        return None
    if kind == "number":
        return number(given)
    if kind == "time":
        try:
            return datetime.fromisoformat(str(given)).replace(tzinfo=UTC).timestamp()
        except ValueError:
            return None
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)

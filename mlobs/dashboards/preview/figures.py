"""The single numbers a `stat` or `bargauge` panel shows."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlobs.dashboards.preview.drawing import Task
from mlobs.dashboards.preview.fields import Config, Shown, config_of, name_of, searched, shown
from mlobs.dashboards.preview.frames import Field, Frame
from mlobs.dashboards.preview.reducing import reduced


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, and the values it was made of."""

    name: str
    value: float | str | None
    shown: Shown
    config: Config
    times: Sequence[float]
    values: Sequence[float | None]


def figures(task: Task) -> list[Figure]:
    """Return the numbers of a panel: one per series, or one per row where it shows all values."""
    how = task.options.get("reduceOptions") or {}
    calc = str((how.get("calcs") or ["lastNotNull"])[0])
    found: list[Figure] = []
    for frame in task.frames:
        time = frame.first("time")
        for column in _columns(frame, str(how.get("fields") or "")):
            config = config_of(task.panel, frame, column)
            if how.get("values"):
                found += _rows(task, frame, column, config, len(found))
                continue
            value = _reduced(column, calc)
            found.append(
                Figure(
                    name_of(column, config),
                    value,
                    shown(value, config, task.theme, place=len(found)),
                    config,
                    time.values if time else (),
                    column.values if column.kind == "number" else (),
                )
            )
    return found


def _columns(frame: Frame, wanted: str) -> list[Field]:
    if not wanted:
        return frame.numbers()
    if wanted.startswith("/"):
        return [column for column in frame.fields if searched(wanted, name_of(column))]
    return [column for column in frame.fields if wanted in {column.name, name_of(column)}]


def _reduced(column: Field, calc: str) -> float | str | None:
    if column.kind == "number":
        return reduced(column.values, calc)
    found = next((value for value in reversed(column.values) if value is not None), None)
    return None if found is None else str(found)


def _rows(task: Task, frame: Frame, column: Field, config: Config, place: int) -> list[Figure]:
    texts = [one for one in frame.fields if one.kind == "text"]
    return [
        Figure(
            " ".join(str(one.values[row]) for one in texts) or name_of(column, config),
            value,
            shown(value, config, task.theme, place=place + row),
            config,
            (),
            (),
        )
        for row, value in enumerate(column.values)
    ]

"""Grafana's transformations, those that dashboards of ours and most others use.

One that is not here is skipped, and its name is returned so that the panel can say so.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlobs.dashboards.preview.fields import name_of, searched
from mlobs.dashboards.preview.frames import Field, Frame
from mlobs.dashboards.preview.reducing import TITLES, reduced

Options = Mapping[str, Any]
Transform = Callable[[list[Frame], Options], list[Frame]]


def transformed(frames: list[Frame], steps: Sequence[Mapping[str, Any]]) -> tuple[list[Frame], list[str]]:
    """Return frames after a panel's transformations, and those that are not known here."""
    unknown = []
    for step in steps:
        if step.get("disabled"):
            continue
        name = str(step.get("id"))
        if name in KNOWN:
            frames = KNOWN[name](frames, step.get("options") or {})
        else:
            unknown.append(name)
    return frames, unknown


def _merge(frames: list[Frame], options: Options) -> list[Frame]:
    """Put tables together: rows that agree in every column they share become one."""
    frames = [frame for frame in frames if frame.fields]
    if len(frames) < 2:
        return frames
    here = [{name_of(column): column for column in frame.fields} for frame in frames]
    keys = [name for name in here[0] if all(name in columns for columns in here)]
    made: dict[str, Field] = {}
    rows: list[dict[str, Any]] = []
    by_key: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for frame, columns in zip(frames, here, strict=True):
        for name, column in columns.items():
            made.setdefault(name, Field(column.name, column.kind, [], column.labels, column.shown))
        for place in range(frame.rows):
            row = {name: column.values[place] for name, column in columns.items()}
            alike = by_key.setdefault(tuple(row[name] for name in keys), [])
            fitting = [one for one in alike if _agree(one, row)]
            for one in fitting:
                one.update({name: value for name, value in row.items() if value is not None})
            if not fitting:
                alike.append(row)
                rows.append(row)
    for name, column in made.items():
        column.values = [row.get(name) for row in rows]
    return [Frame(frames[0].ref, list(made.values()))]


def _agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(name) is None or value is None or one[name] == value for name, value in other.items())


def _join(frames: list[Frame], options: Options) -> list[Frame]:
    frames = [frame for frame in frames if frame.fields]
    if len(frames) < 2:
        return frames
    wanted = options.get("byField")
    time = frames[0].first("time")
    return _joined(frames, [wanted or (time.name if time else frames[0].fields[0].name)])


def _joined(frames: list[Frame], keys: Sequence[str]) -> list[Frame]:
    columns: dict[str, Field] = {}
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for frame in frames:
        here = {column.name: column for column in frame.fields}
        for name, column in here.items():
            columns.setdefault(name, Field(name, column.kind, [], column.labels, column.shown))
        for row in range(frame.rows):
            key = tuple(here[name].values[row] if name in here else None for name in keys)
            rows.setdefault(key, {}).update(
                {name: column.values[row] for name, column in here.items() if column.values[row] is not None}
            )
    for name, column in columns.items():
        column.values = [row.get(name) for row in rows.values()]
    return [Frame(frames[0].ref, list(columns.values()))]


def _organize(frames: list[Frame], options: Options) -> list[Frame]:
    hidden = options.get("excludeByName") or {}
    order = options.get("indexByName") or {}
    names = options.get("renameByName") or {}
    for frame in frames:
        kept = [c for c in frame.fields if not (hidden.get(c.name) or hidden.get(name_of(c)))]
        kept.sort(key=lambda c: order.get(c.name, order.get(name_of(c), len(order))))
        for column in kept:
            column.shown = str(names.get(column.name) or names.get(name_of(column)) or column.shown)
        frame.fields = kept
    return frames


def _only_fields(frames: list[Frame], options: Options) -> list[Frame]:
    keep, drop = (given if isinstance(given := options.get(side), dict) else {} for side in SIDES)

    def means(rule: Options, column: Field) -> bool:
        pattern = rule.get("pattern")
        return name_of(column) in (rule.get("names") or ()) or bool(
            pattern and searched(str(pattern), name_of(column))
        )

    for frame in frames:
        if keep:
            frame.fields = [column for column in frame.fields if means(keep, column)]
        if drop:
            frame.fields = [column for column in frame.fields if not means(drop, column)]
    return [frame for frame in frames if frame.fields]


def _only_queries(frames: list[Frame], options: Options) -> list[Frame]:
    pattern = str(options.get("include", ""))
    return [frame for frame in frames if searched(pattern, frame.ref)] if pattern else frames


def _rename(frames: list[Frame], options: Options) -> list[Frame]:
    pattern = str(options.get("regex", ""))
    put = re.sub(r"\$(\d)", r"\\\1", str(options.get("renamePattern", "")))
    for frame in frames:
        for column in frame.fields:
            if column.kind != "time" and searched(pattern, name_of(column)):
                column.shown = re.sub(pattern.strip("/"), put, name_of(column), count=1)
    return frames


def _sort(frames: list[Frame], options: Options) -> list[Frame]:
    for rule in reversed(options.get("sort") or ()):
        for frame in frames:
            by = next((c for c in frame.fields if rule.get("field") in {c.name, name_of(c)}), None)
            if by is not None:
                order = ordered(by.values, downwards=bool(rule.get("desc")))
                for column in frame.fields:
                    column.values = [column.values[row] for row in order]
    return frames


def ordered(values: Sequence[Any], *, downwards: bool) -> list[int]:
    """Return the places of values in their order; what has none comes last."""
    there = [row for row, value in enumerate(values) if value is not None]
    missing = [row for row, value in enumerate(values) if value is None]
    numeric = all(isinstance(values[row], int | float) for row in there)
    there.sort(key=lambda row: values[row] if numeric else str(values[row]), reverse=downwards)
    return [*there, *missing]


def _limit(frames: list[Frame], options: Options) -> list[Frame]:
    for frame in frames:
        for column in frame.fields:
            column.values = column.values[: int(options.get("limitField") or 10)]
    return frames


def _labels(frames: list[Frame], options: Options) -> list[Frame]:
    """Make a column of every label, and one table of all series."""
    named = options.get("valueLabel")
    made = []
    for frame in frames:
        columns = []
        for column in frame.fields:
            if not column.labels:
                columns.append(column)
                continue
            columns += [
                Field(name, "text", [value] * frame.rows)
                for name, value in column.labels.items()
                if name not in {named, "__name__"}
            ]
            title = column.labels.get(named, column.name) if named else column.name
            columns.append(Field(title, column.kind, column.values))
        made.append(Frame(frame.ref, columns))
    return _merge(made, {})


def _reduce(frames: list[Frame], options: Options) -> list[Frame]:
    """Make a row of every series, with its figures."""
    calcs = options.get("reducers") or ["lastNotNull"]
    series = [column for frame in frames for column in frame.numbers()]
    figures = [
        Field(TITLES.get(calc, calc), "number", [reduced(c.values, calc) for c in series]) for calc in calcs
    ]
    return [Frame("A", [Field("Field", "text", [name_of(column) for column in series]), *figures])]


SIDES = ("include", "exclude")
KNOWN: dict[str, Transform] = {
    "merge": _merge,
    "joinByField": _join,
    "seriesToColumns": _join,
    "organize": _organize,
    "filterFieldsByName": _only_fields,
    "filterByRefId": _only_queries,
    "renameByRegex": _rename,
    "sortBy": _sort,
    "limit": _limit,
    "labelsToFields": _labels,
    "reduce": _reduce,
}

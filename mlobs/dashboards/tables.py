"""Tables: one row for each thing, numbers in its columns, and every cell a way to its dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlobs.dashboards.links import of_row
from mlobs.dashboards.panels import NO_COLOUR, Bounds, Json, Query, Unit, field_config, panel, thresholds
from mlobs.dashboards.queries import VARIABLES
from mlobs.semconv.rows import Attribute


@dataclass(frozen=True, slots=True)
class Column:
    """A number of a table.

    Args:
        title: Its heading.
        expr: Its query.
        unit: Of the number.
        bounds: When it is bad: it gets the colour then.
        board: The dashboard that a click leads to, for what the row is about.
        whole: It is a count of things: no digits after the point, which a growth by extrapolation has.
    """

    title: str
    expr: str
    unit: Unit
    bounds: Bounds | None = None
    board: str = ""
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """What rows are told apart by.

    Args:
        label: Of the series.
        title: Its heading.
        board: The dashboard that a click leads to.
    """

    label: Attribute
    title: str
    board: str = ""


def table(
    title: str, keys: Sequence[Key], columns: Sequence[Column], *, meaning: str, sort: str = ""
) -> Json:
    """Return a table.

    Args:
        title: Of the panel.
        keys: One row for each combination of these.
        columns: From left to right.
        meaning: What it says, and what to do.
        sort: The heading to sort by, the largest first; else as the series come.
    """
    queries = [Query(column.expr, column.title, instant=True, shape="table") for column in columns]
    made = panel("table", title, queries, meaning)
    names = [f"Value #{target['refId']}" for target in made["targets"]] if len(columns) > 1 else ["Value"]
    labels = [key.label.label for key in keys]
    headings = {
        **{key.label.label: key.title for key in keys},
        **{name: column.title for name, column in zip(names, columns, strict=True)},
    }
    chooses = [key.label for key in keys if any(key.label in labels for labels in VARIABLES.values())]
    return {
        **made,
        "fieldConfig": field_config(
            "none",
            {"mode": "thresholds"},
            *(_heading(key.title, key.board, chooses) for key in keys if key.board),
            *(_number(column, chooses) for column in columns),
            custom={"align": "auto", "filterable": True, "minWidth": 50},
            thresholds=thresholds(None),
        ),
        "options": {
            "showHeader": True,
            "cellHeight": "sm",
            "sortBy": [{"displayName": sort, "desc": True}] if sort else [],
        },
        "transformations": [
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "indexByName": {name: place for place, name in enumerate([*labels, *names])},
                    "renameByName": headings,
                },
            },
        ],
    }


def _number(column: Column, chooses: Sequence[Attribute]) -> Json:
    properties: list[Json] = [{"id": "unit", "value": column.unit}]
    if column.bounds:
        # The background, because a link has a colour of its own; and only where it is bad.
        properties.append({"id": "thresholds", "value": thresholds(column.bounds, good=NO_COLOUR)})
        cell = {"type": "color-background", "mode": "basic"}
        properties.append({"id": "custom.cellOptions", "value": cell})
    if column.whole:
        properties.append({"id": "decimals", "value": 0})
    if column.board:
        properties.append(_link(column.board, chooses))
    return _override(column.title, properties)


def _heading(title: str, board: str, chooses: Sequence[Attribute]) -> Json:
    return _override(title, [_link(board, chooses)])


def _link(board: str, chooses: Sequence[Attribute]) -> Json:
    url = of_row(board, *chooses)
    return {"id": "links", "value": [{"title": f"Open {board}", "url": url, "targetBlank": False}]}


def _override(title: str, properties: Sequence[Json]) -> Json:
    return {"matcher": {"id": "byName", "options": title}, "properties": list(properties)}

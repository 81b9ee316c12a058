"""Puts panels on Grafana's grid of 24 columns.

A row is a question; its panels are laid side by side and wrap like words, so that nothing can
overlap. Ids are counted in reading order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlobs.dashboards.panels import PLUGIN_VERSION, Json

COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Row:
    """A question and the panels that answer it; the first row of a dashboard has no title.

    Panels of a last line that would not fill it are made wider.

    Args:
        title: What stands above the panels; "" for a row that goes on with the one before it.
        panels: In reading order, all of one width and height.
        width: Columns of each panel.
        height: Grid units of each panel; about 38 pixels each.
        collapsed: Its panels, and those of the untitled rows after it, show, and ask, only when
            somebody opens it.
    """

    title: str
    panels: Sequence[Json]
    width: int = 8
    height: int = 9
    collapsed: bool = False


def place(rows: Iterable[Row]) -> list[Json]:
    """Return the panels of all rows with their ids and positions."""
    placed: list[Json] = []
    into = placed  # where panels go: the dashboard's list, or that of a collapsed row
    top, count = 0, 0
    for row in rows:
        if row.title:
            count += 1
            heading = _heading(row, top, count)
            placed.append(heading)
            into = heading["panels"] if row.collapsed else placed
            top += 1
        for panel in _side_by_side(row, top, count):
            count += 1
            into.append(panel)
        top += -(-len(row.panels) // (COLUMNS // row.width)) * row.height
    return placed


def panels(dashboard: Mapping[str, Any]) -> Iterator[Json]:
    """Yield every panel of a classic dashboard, also those in collapsed rows, but no row."""
    for panel in dashboard["panels"]:
        if panel.get("type") == "row":
            yield from panel.get("panels") or ()
        else:
            yield panel


def _side_by_side(row: Row, top: int, count: int) -> Iterator[Json]:
    per_line = COLUMNS // row.width
    for index, panel in enumerate(row.panels):
        line, column = divmod(index, per_line)
        beside = min(per_line, len(row.panels) - line * per_line)
        width = row.width if beside == per_line else COLUMNS // beside
        position = {
            "h": row.height,
            "w": width,
            "x": column * width,
            "y": top + line * row.height,
        }
        yield {**panel, "id": count + index + 1, "gridPos": position, "pluginVersion": PLUGIN_VERSION}


def _heading(row: Row, top: int, id_: int) -> Json:
    return {
        "type": "row",
        "title": row.title,
        "id": id_,
        "collapsed": row.collapsed,
        "panels": [],
        "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": top},
    }

"""Puts panels on Grafana's grid of 24 columns.

A row is a question; its panels are laid side by side and wrap like words, so that nothing can
overlap. Ids are counted in reading order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlobs.dashboards.panels import Json

COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Row:
    """A question and the panels that answer it; the first row of a dashboard has no title.

    Args:
        title: What stands above the panels.
        panels: In reading order, all of one width and height.
        width: Columns of each panel.
        height: Grid units of each panel; about 38 pixels each.
    """

    title: str
    panels: Sequence[Json]
    width: int = 8
    height: int = 8


def place(rows: Iterable[Row]) -> list[Json]:
    """Return the panels of all rows with their ids and positions."""
    placed: list[Json] = []
    top = 0
    for row in rows:
        if row.title:
            placed.append(_heading(row.title, top, len(placed) + 1))
            top += 1
        per_line = COLUMNS // row.width
        for index, panel in enumerate(row.panels):
            line, column = divmod(index, per_line)
            position = {
                "h": row.height,
                "w": row.width,
                "x": column * row.width,
                "y": top + line * row.height,
            }
            placed.append({**panel, "id": len(placed) + 1, "gridPos": position})
        top += -(-len(row.panels) // per_line) * row.height
    return placed


def _heading(title: str, top: int, id_: int) -> Json:
    return {
        "type": "row",
        "title": title,
        "id": id_,
        "collapsed": False,
        "panels": [],
        "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": top},
    }

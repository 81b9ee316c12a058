"""The names of a graph's series, with their figures."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlobs.dashboards.preview.drawing import Task
from mlobs.dashboards.preview.fields import Config, shown
from mlobs.dashboards.preview.markup import Markup, tag
from mlobs.dashboards.preview.reducing import TITLES, reduced
from mlobs.dashboards.preview.scales import text_width, widest

ROW, HEAD, SIZE = 19.0, 21.0, 12.0
SHARE_MAX = 0.42


@dataclass(frozen=True, slots=True)
class Line:
    """One series as its legend has it."""

    name: str
    colour: str
    values: Sequence[float | None]
    config: Config
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Legend:
    """A legend and the room it takes."""

    markup: Markup | None
    width: float
    height: float
    beside: bool


def legend(task: Task, lines: Sequence[Line]) -> Legend:
    """Return the legend a panel asks for; it takes at most two fifths of a panel."""
    given = task.options.get("legend") or {}
    if not given.get("showLegend", True) or given.get("displayMode") == "hidden" or not lines:
        return Legend(None, 0, 0, beside=False)
    beside = given.get("placement") == "right" and task.width > 360
    calcs = [str(calc) for calc in given.get("calcs") or ()]
    table = given.get("displayMode") == "table"
    if beside:
        return Legend(_table(task, lines, calcs, task.height), task.width * 0.38, task.height, beside=True)
    if table:
        wanted = HEAD + ROW * len(lines)
        height = min(wanted, max(task.height * SHARE_MAX, HEAD + ROW))
        return Legend(_table(task, lines, calcs, height), task.width, height, beside=False)
    rows = _rows_of_list(task, lines, calcs)
    height = min(ROW * rows, max(task.height * SHARE_MAX, ROW))
    return Legend(_list(task, lines, calcs, height), task.width, height, beside=False)


def _table(task: Task, lines: Sequence[Line], calcs: Sequence[str], height: float) -> Markup:
    room = int((height - HEAD) / ROW)
    kept = lines if len(lines) <= room else lines[: max(room - 1, 1)]
    head = tag(
        "tr",
        tag("th", "Name" if calcs else ""),
        [
            tag(
                "th", TITLES.get(calc, calc), class_="number", style=f"width:{_room(task, lines, calc):.0f}px"
            )
            for calc in calcs
        ],
    )
    rows = [
        tag(
            "tr",
            tag("td", _swatch(line), tag("span", line.name, title=line.name)),
            [tag("td", _figure(task, line, calc), class_="number") for calc in calcs],
        )
        for line in kept
    ]
    if len(kept) < len(lines):
        more = f"and {len(lines) - len(kept)} more: scroll in Grafana"
        rows.append(tag("tr", tag("td", more, colspan=len(calcs) + 1, class_="more")))
    return tag("table", head, rows, class_="legend")


def _list(task: Task, lines: Sequence[Line], calcs: Sequence[str], height: float) -> Markup:
    items = [
        tag(
            "span",
            _swatch(line),
            line.name,
            [f" {TITLES.get(calc, calc)}: {_figure(task, line, calc)}" for calc in calcs],
            class_="item",
        )
        for line in lines
    ]
    return tag("div", items, class_="legend-list", style=f"max-height:{height:.0f}px")


def _rows_of_list(task: Task, lines: Sequence[Line], calcs: Sequence[str]) -> int:
    rows, used = 1, 0.0
    for line in lines:
        width = 34 + text_width(line.name, SIZE) + 70 * len(calcs)
        if used and used + width > task.width:
            rows, used = rows + 1, 0.0
        used += width
    return rows


def _room(task: Task, lines: Sequence[Line], calc: str) -> float:
    return widest([TITLES.get(calc, calc), *(_figure(task, line, calc) for line in lines)], SIZE) + 14


def _figure(task: Task, line: Line, calc: str) -> str:
    return shown(reduced(line.values, calc), line.config, task.theme).text or "-"


def _swatch(line: Line) -> Markup:
    style = f"border-top:3px {'dashed' if line.dashed else 'solid'} {line.colour}"
    return tag("i", class_="swatch", style=style)

"""Draws the `table` panel, and rows of panels that have no drawing of their own."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from mlobs.dashboards.preview.colours import readable_on
from mlobs.dashboards.preview.drawing import Task, nothing
from mlobs.dashboards.preview.fields import Config, Shown, config_of, limits, name_of, share_of, shown
from mlobs.dashboards.preview.frames import Field, Frame
from mlobs.dashboards.preview.markup import Markup, join, link, tag
from mlobs.dashboards.preview.transformations import ordered
from mlobs.dashboards.preview.units import ago

ROW, HEAD = 31.0, 33.0
FROM_NOW = "dateTimeFromNow"
COLUMN_MIN = 150  # Pixels that Grafana gives a column that does not say otherwise.
CELL_CHARACTERS_MAX = 300
DATA = re.compile(r"\$\{__(?P<what>value|data|field)\.?(?P<path>[^}:]*)(?::(?P<form>\w+))?\}")
PART = re.compile(r"\.?([^.\[\]]+)|\[\"?([^\]\"]+)\"?\]")

Columns = list[tuple[Field, Config]]


def table(task: Task) -> Markup:
    """Return rows, as many as have room, and how many more there are."""
    frames = [frame for frame in task.frames if frame.fields]
    if not frames or not any(frame.rows for frame in frames):
        return nothing(task)
    frame = frames[0] if len(frames) == 1 else _under_each_other(frames)
    columns = [(column, config_of(task.panel, frame, column)) for column in frame.fields]
    columns = [(c, config) for c, config in columns if not (config.get("custom") or {}).get("hidden")]
    order = _order(task, columns, frame.rows)
    room = max(int((task.height - HEAD) / ROW), 1)
    kept = order if len(order) <= room else order[: max(room - 1, 1)]
    sizes = _widths(columns, task.width)
    cut = len(columns) - sum(sum(sizes[: place + 1]) <= task.width + 1 for place in range(len(columns)))
    head = tag("tr", [_heading(*column, size) for column, size in zip(columns, sizes, strict=True)])
    rows = [tag("tr", [_cell(task, columns, place, row) for place in range(len(columns))]) for row in kept]
    if len(kept) < len(order):
        more = f"and {len(order) - len(kept)} more rows: scroll in Grafana"
        rows.append(tag("tr", tag("td", more, colspan=len(columns), class_="more")))
    style = f"width:{sum(sizes):.0f}px"
    shown_ = tag("table", tag("thead", head), tag("tbody", rows), class_="rows", style=style)
    if not cut:
        return shown_
    return join(shown_, tag("p", f"{cut} columns cut: scroll sideways in Grafana", class_="note cut"))


def _widths(columns: Columns, room: float) -> list[float]:
    """Return how wide columns are: as they say, the others share what is left, but not below their least."""
    asked = [(config.get("custom") or {}).get("width") for _, config in columns]
    least = [float((config.get("custom") or {}).get("minWidth") or COLUMN_MIN) for _, config in columns]
    free = [place for place, width in enumerate(asked) if not width]
    left = max(room - sum(float(width) for width in asked if width), 0.0)
    sizes = [float(width or 0) for width in asked]
    for place in sorted(free, key=lambda one: -least[one]):
        sizes[place] = max(left / len([one for one in free if not sizes[one]]), least[place])
        left = max(left - sizes[place], 0.0)
    return sizes


def _under_each_other(frames: Sequence[Frame]) -> Frame:
    columns: dict[str, Field] = {}
    names = [list(dict.fromkeys(name_of(column) for column in frame.fields)) for frame in frames]
    for frame in frames:
        for column in frame.fields:
            columns.setdefault(name_of(column), Field(column.name, column.kind, [], {}, column.shown))
    for frame, here in zip(frames, names, strict=True):
        by_name = {name_of(column): column for column in frame.fields}
        for name, made in columns.items():
            made.values += by_name[name].values if name in here else [None] * frame.rows
    return Frame(frames[0].ref, list(columns.values()))


def _order(task: Task, columns: Columns, rows: int) -> list[int]:
    for rule in task.options.get("sortBy") or ():
        for column, config in columns:
            if rule.get("displayName") in {column.name, name_of(column, config)}:
                return ordered(column.values, downwards=bool(rule.get("desc")))
    return list(range(rows))


def _heading(column: Field, config: Config, size: float) -> Markup:
    style = f"width:{size:.1f}px"
    title = config.get("description") or name_of(column, config)
    return tag("th", name_of(column, config), class_=_side(column, config), style=style, title=title)


def _side(column: Field, config: Config) -> str | None:
    align = (config.get("custom") or {}).get("align", "auto")
    if align in {"right", "center"}:
        return "number" if align == "right" else "middle"
    return "number" if column.kind == "number" and align == "auto" else None


def _cell(task: Task, columns: Columns, place: int, row: int) -> Markup:
    column, config = columns[place]
    value = shown(column.values[row], config, task.theme, place=row, kind=column.kind)
    at_s = column.values[row]
    if column.kind == "time" and config.get("unit") == FROM_NOW and isinstance(at_s, int | float):
        value = Shown(ago(task.span.end_s - at_s), value.colour)
    custom = config.get("custom") or {}
    how = (custom.get("cellOptions") or {}).get("type") or custom.get("displayMode") or "auto"
    words = value.text[:CELL_CHARACTERS_MAX]
    inside: Markup = tag("span", words, title=value.text[: CELL_CHARACTERS_MAX * 4])
    if how in {"gauge", "lcd-gauge", "gradient-gauge", "basic"} and column.kind == "number":
        inside = _gauge(task, column, config, row, value)
    if (links := config.get("links")) and value.text:
        inside = _linked(task, links, columns, place, row, inside)
    style = None
    if how.startswith("color-background"):
        ink = readable_on(value.colour)
        style = None if value.colour == "transparent" else f"background:{value.colour};color:{ink}"
    elif how == "color-text":
        style = f"color:{value.colour}"
    return tag("td", inside, class_=_side(column, config), style=style)


def _gauge(task: Task, column: Field, config: Config, row: int, value: Shown) -> Markup:
    there = [number for number in column.values if number is not None]
    low, high = limits(config, there)
    given = column.values[row]
    share = 0.0 if given is None else share_of(given, low, high)
    bar = tag("i", class_="bar", style=f"width:{share * 100:.0f}%;background:{value.colour}")
    return tag("span", tag("span", bar, class_="track"), tag("span", value.text), class_="gauge")


def _linked(
    task: Task, links: Sequence[Mapping[str, Any]], columns: Columns, place: int, row: int, inside: Markup
) -> Markup:
    given = str(links[0].get("url", ""))
    address = task.addresses(task.filled(DATA.sub(lambda found: _of_row(found, columns, place, row), given)))
    title = str(links[0].get("title", ""))
    if not address:
        return tag("span", inside, class_="link", title=f"{title} (in Grafana)")
    return link(address, inside, class_="link")


def _of_row(found: re.Match[str], columns: Columns, place: int, row: int) -> str:
    """Return what `${__value.raw}` or `${__data.fields.Model}` is in this row."""
    column, config = columns[place]
    path = [dotted or bracketed for dotted, bracketed in PART.findall(found["path"])]
    if found["what"] == "data" and path[:1] == ["fields"] and len(path) > 1:
        wanted = path[1]
        column, config = next(
            ((c, k) for c, k in columns if wanted in {c.name, name_of(c, k)}), (column, config)
        )
        path = path[2:]
    if found["what"] == "field":
        text = column.labels.get(path[1], "") if path[:1] == ["labels"] and len(path) > 1 else name_of(column)
    elif path[:1] == ["text"]:
        text = str(column.values[row])
    elif path[:1] == ["time"]:
        text = ""
    else:
        value = column.values[row]
        text = "" if value is None else str(value)
    return quote(text, safe="") if found["form"] != "raw" else text


def as_table(task: Task) -> Markup:
    """Return a panel of a kind that is not drawn, as a table with a word about it."""
    note = tag("p", f"Drawn as a table: the preview has no {task.panel.get('type')}.", class_="note")
    return join(note, table(task))

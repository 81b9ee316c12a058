"""Draws the `stat` panel: numbers, each over the line of how it came to be."""

from collections.abc import Sequence

from mlobs.dashboards.preview.colours import readable_on
from mlobs.dashboards.preview.drawing import Task, nothing
from mlobs.dashboards.preview.figures import Figure, figures
from mlobs.dashboards.preview.frames import drawable
from mlobs.dashboards.preview.markup import Markup, svg, tag
from mlobs.dashboards.preview.scales import CHARACTER, Scale, fitting

GAP = 6.0
NAME, SMALL, LARGE = 13.0, 11.0, 46.0
LINE_SHARE = 0.42


def stat(task: Task) -> Markup:
    """Return a tile per number."""
    found = figures(task)
    if not found:
        return nothing(task)
    columns = _columns(task, len(found))
    rows = -(-len(found) // columns)
    width = (task.width - GAP * (columns - 1)) / columns
    height = (task.height - GAP * (rows - 1)) / rows
    sizes = [_size(task, one, width, height, len(found)) for one in found]
    drawn = []
    for place, one in enumerate(found):
        row, column = divmod(place, columns)
        moved = f"translate({column * (width + GAP):.1f} {row * (height + GAP):.1f})"
        drawn.append(tag("g", _tile(task, one, width, height, min(sizes), len(found)), transform=moved))
    return svg(task.width, task.height, drawn)


def _columns(task: Task, count: int) -> int:
    """Return how many tiles stand side by side: whatever leaves each of them most nearly 2:1."""
    orientation = task.options.get("orientation", "auto")
    if orientation == "horizontal":
        return 1
    if orientation == "vertical" or count == 1:
        return count

    def unlike(columns: int) -> float:
        rows = -(-count // columns)
        ratio = (task.width / columns) / max(task.height / rows, 1.0)
        return max(ratio / 2.2, 2.2 / ratio) + (columns * rows - count) * 0.15

    return min(range(1, count + 1), key=unlike)


def _naming(task: Task, count: int) -> bool:
    mode = task.options.get("textMode", "auto")
    return mode in {"name", "value_and_name"} or (mode == "auto" and count > 1)


def _size(task: Task, one: Figure, width: float, height: float, count: int) -> float:
    above = NAME + 8 if _naming(task, count) else 0.0
    wide = (width - 12) / (max(len(one.shown.text), 2) * CHARACTER)
    graph = 1 - LINE_SHARE * 0.6 if _has_line(task, one) else 0.9
    return max(min(wide, (height * graph - above) * 0.8, LARGE), SMALL)


def _tile(task: Task, one: Figure, width: float, height: float, size: float, count: int) -> list[Markup]:
    mode = task.options.get("colorMode", "value")
    filled = mode.startswith("background")
    colour = one.shown.colour
    ink = readable_on(colour) if filled else task.theme.text
    parts = [tag("title", f"{one.name}: {one.shown.text or 'no data'}")]
    if filled:
        parts.append(tag("rect", x=0.0, y=0.0, width=width, height=height, rx=3.0, fill=colour))
    lined = _has_line(task, one)
    if lined:
        parts += _sparkline(one, width, height, "#ffffff" if filled else colour)
    named = _naming(task, count)
    middle = height * (1 - LINE_SHARE) / 2 + 2 if lined else height / 2
    if named:
        name = fitting(one.name, width - 8, NAME)
        at = max(middle - size * 0.62, NAME)
        parts.append(_words(name, width / 2, at, NAME, task.theme.text if not filled else ink))
        middle = at + size * 0.62 + 2
    if task.options.get("textMode") != "name":
        value = one.shown.text or "No data"
        shade = ink if filled or mode == "none" else colour
        if not one.shown.text:
            shade, size = task.theme.faint, min(size, 18.0)
        parts.append(_words(value, width / 2, middle + size * 0.36, size, shade, bold=True))
    return parts


def _has_line(task: Task, one: Figure) -> bool:
    return (
        task.options.get("graphMode", "area") == "area"
        and len([value for value in one.values if drawable(value)]) > 1
    )


def _sparkline(one: Figure, width: float, height: float, colour: str) -> list[Markup]:
    there: Sequence[tuple[float, float]] = [
        (at, value)
        for at, value in zip(one.times, one.values, strict=True)
        if value is not None and drawable(value)
    ]
    values = [value for _, value in there]
    low = min(values) if one.config.get("min") is None else float(one.config["min"])
    high = max(values) if one.config.get("max") is None else float(one.config["max"])
    if high == low:
        low, high = (low - 1, high + 1) if low else (0.0, 1.0)
    x = Scale(there[0][0], there[-1][0], 0.0, width)
    y = Scale(low, high, height - 2, height * (1 - LINE_SHARE))
    points = " L".join(f"{x(at):.1f},{y(min(max(value, low), high)):.1f}" for at, value in there)
    return [
        tag(
            "path", d=f"M0,{height:.1f} L{points} L{width:.1f},{height:.1f}Z", fill=colour, fill_opacity=0.18
        ),
        tag("path", d=f"M{points}", fill="none", stroke=colour, stroke_width=1.4, stroke_linejoin="round"),
    ]


def _words(words: str, x: float, y: float, size: float, colour: str, *, bold: bool = False) -> Markup:
    weight = "500" if bold else None
    return tag("text", words, x=x, y=y, fill=colour, font_size=size, font_weight=weight, text_anchor="middle")

"""Draws the `heatmap` panel: how often which value came, over time."""

from mlobs.dashboards.preview.axes import BOTTOM, FONT, TOP, Plot, annotations, frame
from mlobs.dashboards.preview.colours import between
from mlobs.dashboards.preview.drawing import Task, nothing
from mlobs.dashboards.preview.fields import name_of
from mlobs.dashboards.preview.frames import Field, drawable, number
from mlobs.dashboards.preview.markup import Markup, svg, tag
from mlobs.dashboards.preview.scales import Scale, widest
from mlobs.dashboards.preview.units import show

KEY = 18.0


def heatmap(task: Task) -> Markup:
    """Return a cell per bucket and moment, the more calls the stronger its colour."""
    rows = [
        (column, time.values)
        for frame_ in task.frames
        if (time := frame_.first("time"))
        for column in frame_.numbers()
    ]
    rows = _without_idle_ends(rows)
    most = max(
        (value or 0.0 for column, _ in rows for value in column.values if drawable(value)), default=0.0
    )
    if not rows or most <= 0:
        return nothing(task)
    labels = [_bound(task, column) for column, _ in rows]
    plot = Plot(widest(labels, FONT) + 12, task.width - 8, TOP, task.height - BOTTOM - KEY)
    x = Scale(task.span.begin_s, task.span.end_s, plot.left, plot.right)
    high = plot.height / len(rows)
    every = max(round(16 / high), 1)
    drawn = frame(task, plot, x, None, None)
    wide = max(x(task.span.begin_s + task.step_s) - plot.left, 1.0)
    for place, (column, times) in enumerate(rows):
        top = plot.bottom - (place + 1) * high
        if place % every == 0:
            drawn.append(_label(task, labels[place], plot.left - 6, top + 4))
        for at, value in zip(times, column.values, strict=True):
            begin = max(x(at - task.step_s), plot.left)
            if not value or not drawable(value) or begin >= plot.right:
                continue
            drawn.append(
                tag(
                    "rect",
                    tag("title", f"up to {labels[place]}: {show(value, 'short')}"),
                    x=begin,
                    y=top,
                    width=min(wide, plot.right - begin) + 0.3,
                    height=high - 0.6,
                    fill=between(task.theme.heat, (value / most) ** 0.5),
                )
            )
    return svg(task.width, task.height, drawn, annotations(task, plot, x), _key(task, plot, most))


def _without_idle_ends(rows: list[tuple[Field, list[float]]]) -> list[tuple[Field, list[float]]]:
    """Return buckets without those above and below all that came."""
    busy = [place for place, (column, _) in enumerate(rows) if any(column.values)]
    return rows[busy[0] : busy[-1] + 1] if busy else []


def _bound(task: Task, column: Field) -> str:
    given = column.labels.get("le") or name_of(column)
    bound = number(given)
    unit = (task.options.get("yAxis") or {}).get("unit")
    unit = unit or ((task.panel.get("fieldConfig") or {}).get("defaults") or {}).get("unit")
    return given if bound is None else show(bound, unit)


def _label(task: Task, words: str, x: float, y: float) -> Markup:
    return tag("text", words, x=x, y=y, fill=task.theme.faint, font_size=FONT, text_anchor="end")


def _key(task: Task, plot: Plot, most: float) -> list[Markup]:
    y, width, cells = task.height - 12, 120.0, 24
    drawn = [
        tag(
            "rect",
            x=plot.left + place * width / cells,
            y=y,
            width=width / cells + 0.3,
            height=8.0,
            fill=between(task.theme.heat, place / (cells - 1)),
        )
        for place in range(cells)
    ]
    words = f"0 to {show(most, 'short')} a cell"
    drawn.append(tag("text", words, x=plot.left + width + 8, y=y + 8, fill=task.theme.faint, font_size=FONT))
    return drawn

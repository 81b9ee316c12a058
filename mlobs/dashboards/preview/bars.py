"""Draws the `bargauge` panel: how far a number is on its way."""

from mlobs.dashboards.preview.drawing import Task, nothing
from mlobs.dashboards.preview.fields import limits, share_of
from mlobs.dashboards.preview.figures import Figure, figures
from mlobs.dashboards.preview.markup import Markup, svg, tag
from mlobs.dashboards.preview.scales import fitting, widest

FONT = 12.0
BAR_MAX, BAR_MIN = 34.0, 14.0


def bargauge(task: Task) -> Markup:
    """Return a bar per number, with its name at the left and its value at the right."""
    found = [one for one in figures(task) if isinstance(one.value, int | float)]
    if not found:
        return nothing(task)
    room = max(int(task.height / (BAR_MIN + 6)), 1)
    kept = found[:room] if len(found) <= room else found[: max(room - 1, 1)]
    row = min(task.height / (len(kept) + (len(kept) < len(found))), BAR_MAX + 8)
    values = [float(one.value) for one in found if isinstance(one.value, int | float)]
    name_width = min(widest([one.name for one in kept], FONT) + 12, task.width * 0.42)
    value_width = widest([one.shown.text for one in kept], FONT + 1) + 14
    bar = max(task.width - name_width - value_width, 20.0)
    drawn = [
        _bar(task, one, (place * row, row), (name_width, bar), limits(one.config, values))
        for place, one in enumerate(kept)
    ]
    if len(kept) < len(found):
        more = f"and {len(found) - len(kept)} more: scroll in Grafana"
        drawn.append(tag("text", more, x=0.0, y=task.height - 4, fill=task.theme.faint, font_size=11))
    return svg(task.width, task.height, drawn)


def _bar(
    task: Task,
    one: Figure,
    at: tuple[float, float],
    sides: tuple[float, float],
    bounds: tuple[float, float],
) -> Markup:
    (top, row), (left, width), (low, high) = at, sides, bounds
    value = float(one.value) if isinstance(one.value, int | float) else low
    share = share_of(value, low, high)
    thick = min(row - 6, BAR_MAX)
    middle = top + row / 2
    name = fitting(one.name, left - 10, FONT)
    return tag(
        "g",
        tag("title", f"{one.name}: {one.shown.text}"),
        tag("text", name, x=left - 8, y=middle + 4, fill=task.theme.text, font_size=FONT, text_anchor="end"),
        tag("rect", x=left, y=middle - thick / 2, width=width, height=thick, rx=2, fill=task.theme.raised),
        tag(
            "rect",
            x=left,
            y=middle - thick / 2,
            width=width * share,
            height=thick,
            rx=2,
            fill=one.shown.colour,
            fill_opacity=0.85,
        ),
        tag(
            "text",
            one.shown.text,
            x=left + width + 8,
            y=middle + 4.5,
            fill=one.shown.colour,
            font_size=FONT + 1,
            font_weight="500",
        ),
    )

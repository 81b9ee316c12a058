"""Bars over time, the series of one step upon each other."""

from collections.abc import Sequence

from markupsafe import Markup

from mlobs.server.pages.charts.frame import Axis, Frame, Series, Told, number
from mlobs.server.pages.charts.scales import top_of

GAP, BAR_MIN = 0.18, 0.8


def bars(title: str, axis: Axis, series: Sequence[Series], *, told: Told) -> Markup:
    """Return bars over time; the first series is at the bottom.

    Args:
        title: What it shows.
        axis: Of time.
        series: What the bars are made of.
        told: A value as people read it.
    """
    sums = [sum(value or 0 for value in step) for step in zip(*(one.values for one in series), strict=True)]
    frame = Frame(title, axis, top_of(sums), told)
    begins, ends = frame.x(axis.since_ns), frame.x(axis.until_ns)
    width = max(BAR_MIN, (frame.x(axis.since_ns + axis.step_ns) - begins) * (1 - GAP))
    below = [0.0] * len(axis.times_ns)
    body = []
    for one in series:
        paths = []
        for place, (time, value) in enumerate(zip(axis.times_ns, one.values, strict=True)):
            if not value:
                continue
            left, right = max(frame.x(time), begins), min(frame.x(time) + width, ends)
            foot, head = number(frame.y(below[place])), frame.y(below[place] + value)
            if right > left:
                paths.append(f"M{number(left)} {foot}V{head:.2f}H{number(right)}V{foot}z")
            below[place] += value
        body.append(f'<path class="area {one.mark}" d="{"".join(paths)}"/>')
    return frame.svg(series, "".join(body))

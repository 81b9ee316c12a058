"""Areas over time, one upon the other: what a whole is made of."""

from collections.abc import Sequence

from markupsafe import Markup

from mlobs.server.pages.charts.frame import Axis, Frame, Series, Told, number
from mlobs.server.pages.charts.scales import top_of


def stacked(title: str, axis: Axis, series: Sequence[Series], *, told: Told) -> Markup:
    """Return stacked areas over time; what is not known counts as nothing.

    Args:
        title: What it shows.
        axis: Of time.
        series: From the bottom to the top.
        told: A value as people read it.
    """
    sums = [sum(value or 0 for value in step) for step in zip(*(one.values for one in series), strict=True)]
    frame = Frame(title, axis, top_of(sums), told)
    xs = [number(frame.middle(time)) for time in axis.times_ns]
    feet = [0.0] * len(xs)
    body = []
    for one in series:
        heads = [foot + (value or 0) for foot, value in zip(feet, one.values, strict=True)]
        upper = [f"{x} {number(frame.y(head))}" for x, head in zip(xs, heads, strict=True)]
        lower = [f"{x} {number(frame.y(foot))}" for x, foot in zip(xs, feet, strict=True)]
        if xs:
            body.append(f'<path class="area {one.mark}" d="M{"L".join([*upper, *reversed(lower)])}z"/>')
        feet = heads
    return frame.svg(series, "".join(body))

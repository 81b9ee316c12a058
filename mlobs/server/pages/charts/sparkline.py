"""A line without axes, beside a number."""

from collections.abc import Sequence
from html import escape

from markupsafe import Markup

from mlobs.server.pages.charts.frame import number
from mlobs.server.pages.charts.scales import Scale, top_of

WIDTH, HEIGHT = 96, 22


def sparkline(title: str, values: Sequence[float | None], *, mark: str = "s1") -> Markup:
    """Return a small line.

    Args:
        title: What it shows, for who cannot see it.
        values: One for each step; None where nothing is known.
        mark: The class of its colour.
    """
    x = Scale(0, max(1, len(values) - 1), 1, WIDTH - 1)
    y = Scale(0, top_of(values), HEIGHT - 2, 2)
    pieces: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{number(x(place))} {number(y(value))}")
    # A step alone is a point: a line of no length with round ends.
    path = "".join(f"M{'L'.join(piece if len(piece) > 1 else piece * 2)}" for piece in pieces if piece)
    return Markup(  # noqa: S704 # everything in it is ours or escaped
        f'<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{escape(title)}</title>'
        f'<path class="line {mark}" d="{path}"/></svg>'
    )

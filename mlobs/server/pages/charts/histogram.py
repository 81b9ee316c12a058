"""How often values fall into bins: bars beside each other, of one or two distributions."""

from collections.abc import Sequence
from html import escape

from markupsafe import Markup

from mlobs.server.pages.charts.frame import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    WIDTH,
    Series,
    Told,
    drawn,
    grid,
    number,
    sentence,
    spoken,
)
from mlobs.server.pages.charts.scales import Scale, marks, top_of

GAP = 0.16
LABELS_MAX, LABEL_CHARACTERS = 8, 10


def histogram(
    title: str, labels: Sequence[str], series: Sequence[Series], *, told: Told, begins: Sequence[str]
) -> Markup:
    """Return bars for bins; of several series the later ones are in front and narrower.

    Args:
        title: What it shows.
        labels: Of the bins.
        series: What is counted, such as a reference and what is live.
        told: A value as people read it.
        begins: What stands where each bin begins, in place of its label below it; "" where that does.
    """
    high = marks(top_of([value for one in series for value in one.values]))[-1]
    y = Scale(0, high, HEIGHT - BOTTOM, 8)
    slot = (WIDTH - LEFT - RIGHT) / max(1, len(labels))
    parts = grid({y(value): told(value) for value in marks(high)})
    for order, one in enumerate(series):
        inset = slot * (GAP / 2 + order * 0.22)
        paths = [
            f"M{number(LEFT + slot * place + inset)} {number(y(0))}V{y(value):.2f}"
            f"H{number(LEFT + slot * (place + 1) - inset)}V{number(y(0))}z"
            for place, value in enumerate(one.values)
            if value
        ]
        parts.append(f'<path class="area {one.mark}" d="{"".join(paths)}"/>')
    every = -(-len(labels) // LABELS_MAX) or 1
    parts += [
        f'<text class="axis" x="{number(LEFT + slot * (place + (0 if start else 0.5)))}" y="{HEIGHT - 5}" '
        f'text-anchor="middle">{escape((start or label)[:LABEL_CHARACTERS])}</text>'
        for place, (label, start) in enumerate(zip(labels, begins, strict=True))
        if place % every == 0
    ]
    said = {
        "times": False,
        "xs": [round(LEFT + slot * (place + 0.5), 1) for place in range(len(labels))],
        "labels": list(labels),
        "series": spoken(series, told),
    }
    return drawn(title, "".join(parts), said, sentence(title, series, told))

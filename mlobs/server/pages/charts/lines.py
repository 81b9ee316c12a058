"""Lines over time. Where nothing is known a line is broken; a step alone is a dot."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from mlobs.server.pages.charts.frame import Axis, Frame, Series, Told, number
from mlobs.server.pages.charts.scales import top_of

Point = tuple[float, float]


def lines(
    title: str, axis: Axis, series: Sequence[Series], *, told: Told, limit: float | None = None
) -> Markup:
    """Return lines over time.

    Args:
        title: What it shows.
        axis: Of time.
        series: A line each.
        told: A value as people read it.
        limit: A line across, such as that of an alarm.
    """
    values = [value for one in series for value in one.values]
    frame = Frame(title, axis, top_of([*values, limit]), told)
    body = "".join(_line(frame, one) for one in series)
    if limit is not None:
        begin, end, y = (
            number(one) for one in (frame.x(axis.since_ns), frame.x(axis.until_ns), frame.y(limit))
        )
        body += f'<path class="limit" d="M{begin} {y}H{end}"/>'
    return frame.svg(series, body)


def _line(frame: Frame, series: Series) -> str:
    pieces = []
    for piece in _pieces(frame, series):
        if len(piece) == 1:
            x, y = map(number, piece[0])
            pieces.append(f'<circle class="dot {series.mark}" cx="{x}" cy="{y}" r="2"/>')
        else:
            path = "L".join(f"{number(x)} {number(y)}" for x, y in piece)
            pieces.append(f'<path class="line {series.mark}" d="M{path}"/>')
    return "".join(pieces)


def _pieces(frame: Frame, series: Series) -> Iterator[list[Point]]:
    piece: list[Point] = []
    for time, value in zip(frame.axis.times_ns, series.values, strict=True):
        if value is None:
            if piece:
                yield piece
            piece = []
        else:
            piece.append((frame.middle(time), frame.y(value)))
    if piece:
        yield piece

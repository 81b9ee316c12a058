"""The frame of a graph: grid, axes, annotations, threshold lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlobs.dashboards.preview.drawing import Task
from mlobs.dashboards.preview.fields import Config
from mlobs.dashboards.preview.marks import Mark
from mlobs.dashboards.preview.markup import Markup, tag
from mlobs.dashboards.preview.scales import Scale, moments, powers, text_width, ticks, widest
from mlobs.dashboards.preview.units import is_binary, show

FONT = 11.0
BOTTOM, TOP, RIGHT = 20.0, 6.0, 8.0
TICK_PIXELS = 38


@dataclass(frozen=True, slots=True)
class Plot:
    """Where a graph's lines may be, in pixels."""

    left: float
    right: float
    top: float
    bottom: float

    @property
    def width(self) -> float:
        """How wide it is."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """How high it is."""
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of values: from where to where, its marks and their texts."""

    low: float
    high: float
    marks: Sequence[float]
    texts: Sequence[str]
    log: float = 0.0

    @property
    def width(self) -> float:
        """Pixels its texts take."""
        return widest(self.texts, FONT) + 12


def axis(values: Sequence[float], config: Config, height: float) -> Axis:
    """Return the axis that shows values: from zero or below, with some room above."""
    custom = config.get("custom") or {}
    low, high = _limits(values, config, custom)
    unit, decimals = config.get("unit"), config.get("decimals")
    scale = custom.get("scaleDistribution") or {}
    count = max(int(height / TICK_PIXELS), 2)
    if scale.get("type") == "log":
        base = float(scale.get("log") or 10)
        low = low if low > 0 else min([value for value in values if value > 0], default=1e-3)
        high = max(high, low * base)
        marks = powers(low, high, base)
        return Axis(low, high, marks, [show(mark, unit, decimals) for mark in marks], base)
    marks = ticks(low, high, count, binary=is_binary(unit))
    if config.get("max") is None and marks and marks[-1] < high and len(marks) > 1:
        marks = [*marks, marks[-1] + marks[1] - marks[0]]
        high = marks[-1]
    return Axis(low, high, marks, _apart(marks, unit, decimals))


def _limits(values: Sequence[float], config: Config, custom: Mapping[str, Any]) -> tuple[float, float]:
    low, high = config.get("min"), config.get("max")
    if low is None:
        low = min([0.0, *values] if not values or min(values) >= 0 else values)
        soft = custom.get("axisSoftMin")
        low = low if soft is None else min(low, soft)
    if high is None:
        high = max(values, default=float(low) + 1)
        soft = custom.get("axisSoftMax")
        high = high if soft is None else max(high, soft)
        high = high + (high - low) * 0.05
    if high <= low:
        high = low + (abs(low) or 1.0)
    return float(low), float(high)


def _apart(marks: Sequence[float], unit: str | None, decimals: int | None) -> list[str]:
    """Return texts for marks, no two alike where more digits tell them apart."""
    for more in (decimals, 1, 2, 3, 4):
        texts = [show(mark, unit, more) for mark in marks]
        if len(set(texts)) == len(texts):
            return texts
    return [show(mark, unit) for mark in marks]


def frame(task: Task, plot: Plot, x: Scale, y: Scale | None, left: Axis | None) -> list[Markup]:
    """Return the grid with its texts."""
    theme = task.theme
    drawn = []
    for at, label in moments(task.span, plot.width):
        place = x(at)
        drawn.append(_line(place, plot.top, place, plot.bottom, theme.grid))
        half = text_width(label, FONT) / 2
        drawn.append(
            _text(min(place, task.width - half - 1), plot.bottom + 14, label, theme.faint, "middle")
            if place - half >= plot.left - 24
            else Markup()
        )
    if y is not None and left is not None:
        for mark, label in zip(left.marks, left.texts, strict=True):
            place = y(mark)
            if plot.top - 1 <= place <= plot.bottom + 1:
                drawn.append(_line(plot.left, place, plot.right, place, theme.grid))
                drawn.append(_text(plot.left - 6, place + 4, label, theme.faint, "end"))
    return drawn


def right_axis(task: Task, plot: Plot, y: Scale, right: Axis) -> list[Markup]:
    """Return the texts of a second axis."""
    return [
        _text(plot.right + 6, y(mark) + 4, label, task.theme.faint, "start")
        for mark, label in zip(right.marks, right.texts, strict=True)
        if plot.top - 1 <= y(mark) <= plot.bottom + 1
    ]


def annotations(task: Task, plot: Plot, x: Scale) -> list[Markup]:
    """Return a dashed line with a triangle for every mark, and a band for one that lasted."""
    drawn = []
    for mark in task.marks:
        colour = task.theme.colour(mark.colour)
        begin, end = max(x(mark.begin_s), plot.left), min(x(mark.end_s), plot.right)
        parts = []
        if end - begin > 2:
            parts.append(
                tag(
                    "rect",
                    x=begin,
                    y=plot.top,
                    width=end - begin,
                    height=plot.height,
                    fill=colour,
                    opacity=0.08,
                )
            )
            parts.append(tag("rect", x=begin, y=plot.bottom, width=end - begin, height=3.0, fill=colour))
        if mark.begin_s >= task.span.begin_s:
            parts.append(_line(begin, plot.top, begin, plot.bottom, colour, dash="4 3"))
            foot = plot.bottom + 5
            points = f"{begin - 4:.1f},{foot:.1f} {begin + 4:.1f},{foot:.1f} {begin:.1f},{plot.bottom:.1f}"
            parts.append(tag("polygon", points=points, fill=colour))
        drawn.append(tag("g", tag("title", _told(mark)), parts))
    return drawn


def thresholds(task: Task, plot: Plot, y: Scale, config: Config) -> list[Markup]:
    """Return the lines or areas a graph shows its thresholds as."""
    mode = ((config.get("custom") or {}).get("thresholdsStyle") or {}).get("mode", "off")
    steps = (config.get("thresholds") or {}).get("steps") or ()
    drawn: list[Markup] = []
    if mode in {"off", "series"}:
        return drawn
    for place, step in enumerate(steps):
        colour = task.theme.colour(str(step.get("color")))
        bound = y.low if step.get("value") is None else float(step["value"])
        if "area" in mode:
            above = float(steps[place + 1]["value"]) if place + 1 < len(steps) else y.high
            top, bottom = y(min(above, y.high)), y(max(bound, y.low))
            if bottom > top:
                drawn.append(
                    tag(
                        "rect",
                        x=plot.left,
                        y=top,
                        width=plot.width,
                        height=bottom - top,
                        fill=colour,
                        opacity=0.1,
                    )
                )
        if step.get("value") is not None and mode != "area" and y.low <= bound <= y.high:
            dash = "8 6" if "dashed" in mode else None
            drawn.append(_line(plot.left, y(bound), plot.right, y(bound), colour, dash=dash, width=1.5))
    return drawn


def _told(mark: Mark) -> str:
    begin = datetime.fromtimestamp(mark.begin_s, UTC)
    return f"{mark.name}: {mark.title} from {begin:%Y-%m-%d %H:%M:%S} UTC"


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, *, dash: str | None = None, width: float = 1.0
) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_width=width, stroke_dasharray=dash)


def _text(x: float, y: float, label: str, colour: str, anchor: str) -> Markup:
    return tag("text", label, x=x, y=y, fill=colour, font_size=FONT, text_anchor=anchor)

"""Draws the `timeseries` panel: lines, areas, stacks, bars and points over time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from mlobs.dashboards.preview.axes import (
    BOTTOM,
    RIGHT,
    TOP,
    Axis,
    Plot,
    annotations,
    axis,
    frame,
    right_axis,
    thresholds,
)
from mlobs.dashboards.preview.drawing import Task, nothing
from mlobs.dashboards.preview.fields import Config, config_of, name_of, shown
from mlobs.dashboards.preview.frames import drawable
from mlobs.dashboards.preview.legend import Line, legend
from mlobs.dashboards.preview.markup import Markup, svg, tag
from mlobs.dashboards.preview.scales import Scale

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Series:
    """One line: what is drawn, and what its values are."""

    name: str
    config: Config
    colour: str
    times: Sequence[float]
    values: Values
    drawn: Values
    base: Values

    @property
    def custom(self) -> Config:
        """How it is drawn."""
        found: Config = self.config.get("custom") or {}
        return found

    @property
    def at_right(self) -> bool:
        """Whether it has the axis at the right."""
        return bool(self.custom.get("axisPlacement") == "right")


def timeseries(task: Task) -> Markup:
    """Return a graph with its legend."""
    found = stacked(series_of(task))
    if not any(value is not None for one in found for value in one.drawn):
        return nothing(task)
    lines = [
        Line(one.name, one.colour, one.values, one.config, _dashes(one) is not None)
        for one in found
        if not (one.custom.get("hideFrom") or {}).get("legend")
    ]
    about = legend(task, lines)
    height = task.height - (0 if about.beside else about.height)
    width = task.width - (about.width if about.beside else 0)
    seen = [one for one in found if not (one.custom.get("hideFrom") or {}).get("viz")]
    graph = svg(width, height, _graph(task, seen or found, width, height))
    return tag("div", graph, about.markup, class_="beside" if about.beside else "graph")


def series_of(task: Task) -> list[Series]:
    """Return the lines in a panel's frames, coloured in their order."""
    made: list[Series] = []
    for frame_ in task.frames:
        time = frame_.first("time")
        if time is None:
            continue
        for column in frame_.numbers():
            config = config_of(task.panel, frame_, column)
            last = next((value for value in reversed(column.values) if value is not None), None)
            colour = shown(last, config, task.theme, place=len(made)).colour
            values = list(column.values)
            drawn = [value if drawable(value) else None for value in values]
            times = list(time.values)
            most = (config.get("custom") or {}).get("insertNulls")
            if isinstance(most, int | float) and not isinstance(most, bool):
                times, drawn = _broken(times, drawn, most / 1000)
            made.append(Series(name_of(column, config), config, colour, times, values, drawn, ()))
    return made


def _broken(times: Sequence[float], values: Values, most_s: float) -> tuple[list[float], list[float | None]]:
    """Return a line with nothing in every gap of more than so many seconds."""
    at: list[float] = []
    found: list[float | None] = []
    for moment, value in zip(times, values, strict=True):
        if at and moment - at[-1] > most_s:
            at.append(at[-1] + most_s / 2)
            found.append(None)
        at.append(moment)
        found.append(value)
    return at, found


def stacked(series: Sequence[Series]) -> list[Series]:
    """Return lines standing on those before them, where they are stacked."""
    below: dict[str, dict[float, float]] = {}
    totals: dict[str, dict[float, float]] = {}
    for one in series:
        if _stack(one) == "percent":
            sums = totals.setdefault(_group(one), {})
            for at, value in zip(one.times, one.drawn, strict=True):
                sums[at] = sums.get(at, 0.0) + (value or 0.0)
    made = []
    for one in series:
        if _stack(one) not in {"normal", "percent"}:
            made.append(one)
            continue
        sums, whole = below.setdefault(_group(one), {}), totals.get(_group(one), {})
        base: list[float | None] = []
        drawn: list[float | None] = []
        for at, value in zip(one.times, one.drawn, strict=True):
            part = value
            if value is not None and _stack(one) == "percent":
                part = value / whole[at] if whole.get(at) else 0.0
            base.append(sums.get(at, 0.0))
            drawn.append(None if part is None else sums.get(at, 0.0) + part)
            sums[at] = sums.get(at, 0.0) + (part or 0.0)
        made.append(replace(one, drawn=drawn, base=base))
    return made


def _stack(one: Series) -> str:
    return str((one.custom.get("stacking") or {}).get("mode", "none"))


def _group(one: Series) -> str:
    return str((one.custom.get("stacking") or {}).get("group", "A"))


def _graph(task: Task, series: Sequence[Series], width: float, height: float) -> list[Markup]:
    inner = height - BOTTOM - TOP
    at_left = [one for one in series if not one.at_right] or list(series)
    at_right = [one for one in series if one not in at_left]
    left = axis(_all(at_left), at_left[0].config, inner)
    right = axis(_all(at_right), at_right[0].config, inner) if at_right else None
    plot = Plot(left.width, width - (right.width if right else RIGHT), TOP, height - BOTTOM)
    x = Scale(task.span.begin_s, task.span.end_s, plot.left, plot.right)
    y = _upwards(left, plot)
    drawn = [*frame(task, plot, x, y, left), *thresholds(task, plot, y, at_left[0].config)]
    y2 = y
    if right:
        y2 = _upwards(right, plot)
        drawn += right_axis(task, plot, y2, right)
    clip = f"clip-{task.panel.get('id')}"
    area = tag("rect", x=plot.left, y=plot.top - 1, width=plot.width, height=plot.height + 2)
    inside = [_drawn(one, x, y2 if one in at_right else y, task) for one in series]
    dots = [_dot(task, x, y, dot.at_s, dot.value, dot.labels) for dot in task.dots]
    return [
        tag("clipPath", area, id=clip),
        *drawn,
        tag("g", inside, dots, clip_path=f"url(#{clip})"),
        *annotations(task, plot, x),
    ]


def _upwards(axis_: Axis, plot: Plot) -> Scale:
    return Scale(axis_.low, axis_.high, plot.bottom, plot.top, axis_.log)


def _all(series: Sequence[Series]) -> list[float]:
    return [value for one in series for value in one.drawn if value is not None]


def _drawn(one: Series, x: Scale, y: Scale, task: Task) -> Markup:
    custom = one.custom
    style = custom.get("drawStyle", "line")
    width = float(custom.get("lineWidth", 1))
    fill = float(custom.get("fillOpacity", 0)) / 100
    if style == "bars":
        return tag("g", tag("title", one.name), _bars(one, x, y, task, max(fill, 0.3)))
    parts = []
    for run in _runs(one, spanning=bool(custom.get("spanNulls"))):
        points = [(x(at), y(value)) for at, value, _ in run]
        stairs = str(custom.get("lineInterpolation", "linear"))
        path = _path(points, stairs)
        if style == "points" or len(points) == 1:
            parts += [tag("circle", cx=px, cy=py, r=2.0, fill=one.colour) for px, py in points]
            continue
        if fill:
            floor = [(x(at), y(base)) for at, _, base in reversed(run)]
            closed = path + _path(floor, stairs).replace("M", "L", 1) + "Z"
            parts.append(tag("path", d=closed, fill=one.colour, fill_opacity=fill, stroke="none"))
        parts.append(
            tag(
                "path",
                d=path,
                fill="none",
                stroke=one.colour,
                stroke_width=max(width, 1.0) + 0.3,
                stroke_linejoin="round",
                stroke_dasharray=_dashes(one),
            )
        )
    return tag("g", tag("title", one.name), parts)


def _bars(one: Series, x: Scale, y: Scale, task: Task, fill: float) -> list[Markup]:
    wide = max(abs(x(task.span.begin_s + task.step_s) - x(task.span.begin_s)) * 0.7, 1.0)
    made = []
    for run in _runs(one, spanning=False):
        for at, value, base in run:
            top, bottom = min(y(value), y(base)), max(y(value), y(base))
            made.append(
                tag(
                    "rect",
                    x=x(at) - wide / 2,
                    y=top,
                    width=wide,
                    height=max(bottom - top, 0.5),
                    fill=one.colour,
                    fill_opacity=min(fill + 0.2, 1.0),
                )
            )
    return made


def _runs(one: Series, *, spanning: bool) -> list[list[tuple[float, float, float]]]:
    """Return the unbroken parts of a line: moment, value, and what it stands on."""
    floor = 0.0 if one.config.get("min") is None else float(one.config["min"])
    runs: list[list[tuple[float, float, float]]] = [[]]
    for place, (at, value) in enumerate(zip(one.times, one.drawn, strict=True)):
        if value is None:
            if runs[-1] and not spanning:
                runs.append([])
            continue
        base = one.base[place] if one.base else floor
        runs[-1].append((at, value, floor if base is None else base))
    return [run for run in runs if run]


def _path(points: Sequence[tuple[float, float]], form: str) -> str:
    parts = [f"M{points[0][0]:.1f},{points[0][1]:.1f}"]
    before = points[0]
    for px, py in points[1:]:
        if form == "stepAfter":
            parts.append(f"L{px:.1f},{before[1]:.1f}")
        elif form == "stepBefore":
            parts.append(f"L{before[0]:.1f},{py:.1f}")
        parts.append(f"L{px:.1f},{py:.1f}")
        before = (px, py)
    return "".join(parts)


def _dashes(one: Series) -> str | None:
    style = one.custom.get("lineStyle") or {}
    if style.get("fill") not in {"dash", "dot"}:
        return None
    usual = [10, 10] if style["fill"] == "dash" else [1, 4]
    return " ".join(str(float(length)) for length in style.get("dash") or usual)


def _dot(task: Task, x: Scale, y: Scale, at_s: float, value: float, labels: object) -> Markup:
    px, py = x(at_s), y(value)
    when = datetime.fromtimestamp(at_s, UTC)
    title = f"exemplar {labels} at {when:%H:%M:%S} UTC"
    points = f"{px:.1f},{py - 4:.1f} {px + 4:.1f},{py:.1f} {px:.1f},{py + 4:.1f} {px - 4:.1f},{py:.1f}"
    return tag("polygon", tag("title", title), points=points, fill=task.theme.colour("blue"), opacity=0.7)

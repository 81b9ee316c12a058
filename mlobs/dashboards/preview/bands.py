"""Draws the `state-timeline` and `status-history` panels: one band per series."""

from collections.abc import Sequence
from datetime import UTC, datetime

from mlobs.dashboards.preview.axes import BOTTOM, FONT, RIGHT, TOP, Plot, annotations, frame
from mlobs.dashboards.preview.colours import readable_on
from mlobs.dashboards.preview.drawing import Task, nothing
from mlobs.dashboards.preview.fields import Config, Shown, config_of, name_of, shown
from mlobs.dashboards.preview.markup import Markup, svg, tag
from mlobs.dashboards.preview.scales import Scale, fitting, text_width, widest

ROW_MIN, LABEL = 16.0, 12.0

Band = tuple[str, Sequence[float], Sequence[object], Config]


def state_timeline(task: Task) -> Markup:
    """Return bands that change their colour with the state."""
    found = _bands(task)
    if not any(value is not None for _, _, values, _ in found for value in values):
        return nothing(task)
    room = max(int((task.height - BOTTOM - TOP) / ROW_MIN), 1)
    kept = found if len(found) <= room else found[: max(room - 1, 1)]
    left = min(widest([name for name, *_ in kept], LABEL) + 14, task.width * 0.45)
    more_height = 16 if len(kept) < len(found) else 0
    plot = Plot(left, task.width - RIGHT, TOP, task.height - BOTTOM - more_height)
    x = Scale(task.span.begin_s, task.span.end_s, plot.left, plot.right)
    row = plot.height / len(kept)
    drawn = frame(task, plot, x, None, None)
    for place, band in enumerate(kept):
        drawn += _band(task, band, x, left, plot.top + place * row, row)
    if more_height:
        more = f"and {len(found) - len(kept)} more: scroll in Grafana"
        drawn.append(tag("text", more, x=0.0, y=task.height - 3, fill=task.theme.faint, font_size=FONT))
    return svg(task.width, task.height, drawn, annotations(task, plot, x))


def _bands(task: Task) -> list[Band]:
    made: list[Band] = []
    for frame_ in task.frames:
        time = frame_.first("time")
        if time is None:
            continue
        for column in frame_.fields:
            if column is not time:
                config = config_of(task.panel, frame_, column)
                made.append((name_of(column, config), time.values, column.values, config))
    return made


def _band(task: Task, band: Band, x: Scale, left: float, top: float, row: float) -> list[Markup]:
    name, times, values, config = band
    thick = row * float(task.options.get("rowHeight", 0.9))
    middle = top + row / 2
    opacity = float((config.get("custom") or {}).get("fillOpacity", 70)) / 100
    drawn = [
        tag(
            "text",
            tag("title", name),
            fitting(name, left - 12, LABEL),
            x=left - 8,
            y=middle + 4,
            fill=task.theme.text,
            font_size=LABEL,
            text_anchor="end",
        )
    ]
    for begin, end, value in _runs(times, values, task.step_s):
        state = shown(value, config, task.theme)
        x1, x2 = max(x(begin), x.begin), min(x(end), x.end)
        if x2 <= x1:
            continue
        drawn.append(
            tag(
                "rect",
                tag("title", f"{name}: {state.text} from {_clock(begin)} to {_clock(end)} UTC"),
                x=x1,
                y=middle - thick / 2,
                width=max(x2 - x1, 1.0),
                height=thick,
                rx=2.0,
                fill=state.colour,
                fill_opacity=opacity,
            )
        )
        drawn += _word(task, state, x1, x2, middle, opacity)
    return drawn


def _word(task: Task, state: Shown, x1: float, x2: float, middle: float, opacity: float) -> list[Markup]:
    wanted = task.options.get("showValue", "auto")
    if wanted == "never" or (wanted == "auto" and text_width(state.text, FONT) + 10 > x2 - x1):
        return []
    ink = readable_on(state.colour) if opacity > 0.5 else task.theme.text
    return [
        tag("text", fitting(state.text, x2 - x1 - 6, FONT), x=x1 + 5, y=middle + 4, fill=ink, font_size=FONT)
    ]


def _runs(
    times: Sequence[float], values: Sequence[object], step_s: float
) -> list[tuple[float, float, object]]:
    """Return from when to when each value stood; nothing stands where there is none."""
    runs: list[tuple[float, float, object]] = []
    for at, value in zip(times, values, strict=True):
        if value is None:
            continue
        if runs and runs[-1][2] == value and at - runs[-1][1] <= step_s * 0.6:
            runs[-1] = (runs[-1][0], at + step_s, value)
        else:
            runs.append((at, at + step_s, value))
    return runs


def _clock(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%H:%M:%S}"

"""What every drawing of a panel is given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlobs.dashboards.preview.choices import Choice, interpolated
from mlobs.dashboards.preview.colours import Theme
from mlobs.dashboards.preview.dots import Dot
from mlobs.dashboards.preview.frames import Frame
from mlobs.dashboards.preview.marks import Mark
from mlobs.dashboards.preview.markup import Markup, tag
from mlobs.dashboards.preview.spans import Span


@dataclass(frozen=True, slots=True)
class Task:
    """One panel to draw.

    Args:
        panel: As in the dashboard.
        frames: Its data, after its transformations.
        width: Pixels there are for it.
        height: Pixels there are for it.
        theme: Colours.
        span: What is shown.
        step_s: Seconds between two points.
        marks: Annotations.
        dots: Exemplars.
        values: Variables.
        addresses: Makes an address of Grafana's one that leads somewhere from the page, or nothing.
    """

    panel: Mapping[str, Any]
    frames: Sequence[Frame]
    width: float
    height: float
    theme: Theme
    span: Span
    step_s: float = 15.0
    marks: Sequence[Mark] = ()
    dots: Sequence[Dot] = ()
    values: Mapping[str, Choice] = field(default_factory=dict)
    addresses: Callable[[str], str] = str

    @property
    def options(self) -> Mapping[str, Any]:
        """The panel's options."""
        return self.panel.get("options") or {}

    def filled(self, text: str) -> str:
        """Return text with the variables in it filled in."""
        return interpolated(text, self.values)


def nothing(task: Task) -> Markup:
    """Return what stands where there are no data."""
    defaults = (task.panel.get("fieldConfig") or {}).get("defaults") or {}
    return tag("div", str(defaults.get("noValue") or "No data"), class_="empty")

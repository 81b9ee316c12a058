"""What the pictures with axes have in common: the frame, its marks, and what the script is told."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from mlobs.server.ask.ranges import DAY_NS
from mlobs.server.pages.amounts import duration, stamp
from mlobs.server.pages.charts.scales import Scale, marks, moments

WIDTH, HEIGHT = 420, 150
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 8, 20
BESIDE_CHARACTERS = 7
_NOUGHTS = re.compile(r"(?<=\.[0-9]{2})([0-9]*?)0+$")
Told = Callable[[float | None], str]


@dataclass(frozen=True, slots=True)
class Series:
    """What one line, area or kind of bar shows.

    Attributes:
        name: For people.
        values: One for each step; None where nothing is known.
        mark: The class of its colour: s1 to s6, or bad, warn, quiet.
    """

    name: str
    values: Sequence[float | None]
    mark: str = "s1"


@dataclass(frozen=True, slots=True)
class Axis:
    """Of time, from left to right.

    Attributes:
        times_ns: Where each step begins.
        since_ns: Where the axis begins.
        until_ns: Where it ends.
        step_ns: How long one step is.
        link: Where a click on a step leads, with from and to added; empty for nowhere.
    """

    times_ns: Sequence[int]
    since_ns: int
    until_ns: int
    step_ns: int
    link: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture's axes.

    Attributes:
        title: What a screen reader says first.
        axis: Of time.
        high: The largest value.
        told: A value as people read it.
    """

    title: str
    axis: Axis
    high: float
    told: Told

    @property
    def x(self) -> Scale:
        """From moments to places."""
        return Scale(self.axis.since_ns, self.axis.until_ns, LEFT, WIDTH - RIGHT)

    @property
    def y(self) -> Scale:
        """From values to places."""
        return Scale(0, self.marks[-1], HEIGHT - BOTTOM, TOP)

    @property
    def marks(self) -> list[float]:
        """At which values there are lines."""
        return marks(self.high, milliseconds=self.told is duration)

    def middle(self, time_ns: int) -> float:
        """Return where the middle of that part of a step lies that is within the axis."""
        begins = max(time_ns, self.axis.since_ns)
        ends = min(time_ns + self.axis.step_ns, self.axis.until_ns)
        return self.x((begins + max(begins, ends)) / 2)

    def svg(self, series: Sequence[Series], body: str) -> Markup:
        """Return the picture.

        Args:
            series: What it shows.
            body: The marks of the picture itself.
        """
        axis = self.axis
        said = {
            "times": True,
            "step": axis.step_ns // 10**9,
            "xs": [round(self.middle(one), 1) for one in axis.times_ns],
            "labels": [stamp(one) for one in axis.times_ns],
            "series": spoken(series, self.told),
            "link": axis.link,
        }
        return drawn(self.title, f"{self._axes()}{body}", said, sentence(self.title, series, self.told))

    def _axes(self) -> str:
        since_ns, until_ns = self.axis.since_ns, self.axis.until_ns
        parts = grid({self.y(value): self.told(value) for value in self.marks})
        form = "day" if until_ns - since_ns > 2 * DAY_NS else "minute"
        for moment in moments(since_ns, until_ns):
            at = stamp(moment)
            shown = at[5:10] if form == "day" else at[11:16]
            x = self.x(moment)
            anchor = "end" if x > WIDTH - 24 else "middle"
            parts.append(
                f'<text class="axis" x="{number(x)}" y="{HEIGHT - 5}" text-anchor="{anchor}" '
                f'data-time="{at}" data-form="{form}">{shown}</text>'
            )
        return "".join(parts)


def grid(labels: Mapping[float, str]) -> list[str]:
    """Return lines across a picture, by their places, with what each stands for.

    Where one does not fit beside the picture, as small screens have large letters, all lie upon the lines.
    """
    short = {y: _NOUGHTS.sub(r"\1", label.removesuffix(".00")) for y, label in labels.items()}
    beside = all(len(label) <= BESIDE_CHARACTERS for label in short.values())
    x, dy, anchor = (LEFT - 6, ".32em", "end") if beside else (0, "-.25em", "start")
    return [
        f'<path class="grid" d="M{LEFT} {number(y)}H{WIDTH - RIGHT}"/>'
        f'<text class="axis" x="{x}" y="{number(y)}" dy="{dy}" text-anchor="{anchor}">{escape(label)}</text>'
        for y, label in short.items()
    ]


def spoken(series: Sequence[Series], told: Told) -> list[dict[str, object]]:
    """Return what the script says of each series."""
    return [{"name": one.name, "mark": one.mark, "values": list(map(told, one.values))} for one in series]


def drawn(title: str, body: str, said: object, description: str) -> Markup:
    """Return a picture that the script speaks for."""
    cursor = f'<path class="cursor" d="M0 {TOP}V{HEIGHT - BOTTOM}"/>'
    text = escape(json.dumps(said, separators=(",", ":"), ensure_ascii=False))
    return Markup(  # noqa: S704 # everything in it is ours or escaped
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" tabindex="0" data-chart="{text}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{body}{cursor}</svg>"
    )


def sentence(title: str, series: Sequence[Series], told: Told) -> str:
    """Return what a picture shows in words: the last and the largest value of each series."""
    found = []
    for one in series:
        known = [value for value in one.values if value is not None]
        if known:
            found.append(f"{one.name}: last {told(known[-1])}, at most {told(max(known))}")
    return f"{title}. {'; '.join(found) or 'Nothing to show'}."


def number(value: float) -> str:
    """Return a place with as many digits as a screen has.

    >>> number(12.0), number(3.14159)
    ('12', '3.1')
    """
    return f"{value:.1f}".removesuffix(".0")

"""Colours: the two themes, names such as `semi-dark-red`, the order series take them in."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}|rgba?\([0-9., %]+\)")
SHADES = ("super-light-", "light-", "", "semi-dark-", "dark-")
HUES = {
    "red": ("#ffa6b0", "#ff7383", "#f2495c", "#e02f44", "#c4162a"),
    "orange": ("#ffcb7d", "#ffb357", "#ff9830", "#ff780a", "#fa6400"),
    "yellow": ("#fff899", "#ffee52", "#fade2a", "#f2cc0c", "#e0b400"),
    "green": ("#c8f2c2", "#96d98d", "#73bf69", "#56a64b", "#37872d"),
    "blue": ("#c0d8ff", "#8ab8ff", "#5794f2", "#3274d9", "#1f60c4"),
    "purple": ("#deb6f2", "#ca95e5", "#b877d9", "#a352cc", "#8f3bb8"),
}
NAMED = {
    **{f"{shade}{hue}": hues[place] for hue, hues in HUES.items() for place, shade in enumerate(SHADES)},
    "transparent": "transparent",
    "black": "#000000",
    "white": "#ffffff",
    "gray": "#808080",
    "grey": "#808080",
}
CLASSIC = (
    "green", "semi-dark-yellow", "light-blue", "semi-dark-orange", "red", "blue", "purple", "#705da0",
    "dark-green", "yellow", "#447ebc", "#c15c17", "#890f02", "#0a437c", "#6d1f62", "#584477",
    "#b7dbab", "#f4d598", "#70dbed", "#f9ba8f", "#f29191", "#82b5d8", "#e5a8e2", "#aea2e0",
)  # fmt: skip
# From low to high, for the modes that colour by value without thresholds.
RAMPS = {
    "continuous-GrYlRd": ("green", "yellow", "red"),
    "continuous-RdYlGr": ("red", "yellow", "green"),
    "continuous-BlYlRd": ("dark-blue", "super-light-yellow", "dark-red"),
    "continuous-YlRd": ("super-light-yellow", "dark-red"),
    "continuous-BlPu": ("blue", "purple"),
    "continuous-YlBl": ("super-light-yellow", "dark-blue"),
    "continuous-blues": ("super-light-blue", "dark-blue"),
    "continuous-reds": ("super-light-red", "dark-red"),
    "continuous-greens": ("super-light-green", "dark-green"),
    "continuous-purples": ("super-light-purple", "dark-purple"),
}
HEAT_DARK = ("#1b2a49", "#2f5aa8", "#39a7c9", "#f2cc0c", "#ff780a", "#f2495c")
HEAT_LIGHT = ("#e6eefb", "#a9c8f5", "#5794f2", "#7a52c7", "#c4164f", "#7a0019")


@dataclass(frozen=True, slots=True)
class Theme:
    """What a page is painted with."""

    name: str
    canvas: str
    panel: str
    raised: str
    border: str
    text: str
    faint: str
    grid: str
    link: str
    heat: Sequence[str]

    def colour(self, name: str) -> str:
        """Return a colour for a name of Grafana's, or itself if it is none."""
        if name == "text":
            return self.text
        return NAMED.get(name, name if _is_colour(name) else NAMED["gray"])

    def series(self, place: int) -> str:
        """Return the colour of the series at this place."""
        return self.colour(CLASSIC[place % len(CLASSIC)])


THEMES = {
    "dark": Theme(
        name="dark",
        canvas="#111217",
        panel="#181b1f",
        raised="#22252b",
        border="#2c3036",
        text="#ccccdc",
        faint="#8e8e9b",
        grid="#2b2e35",
        link="#6e9fff",
        heat=HEAT_DARK,
    ),
    "light": Theme(
        name="light",
        canvas="#f4f5f5",
        panel="#ffffff",
        raised="#f1f2f3",
        border="#dfe0e2",
        text="#24292e",
        faint="#5f6368",
        grid="#e8e9eb",
        link="#1f62e0",
        heat=HEAT_LIGHT,
    ),
}


def at_step(value: float, thresholds: Mapping[str, Any] | None, *, low: float, high: float) -> str:
    """Return the name of the colour a value has by its thresholds."""
    found = "green"
    percent = (thresholds or {}).get("mode") == "percentage"
    for step in (thresholds or {}).get("steps") or ():
        bound = step.get("value")
        if bound is not None and percent:
            bound = low + (high - low) * bound / 100
        if bound is None or value >= bound:
            found = step.get("color", found)
    return str(found)


def between(colours: Sequence[str], share: float) -> str:
    """Return the colour at a share, 0 to 1, of the way through `colours`, which are #rrggbb."""
    share = min(max(share, 0.0), 1.0) * (len(colours) - 1)
    place = min(int(share), len(colours) - 2)
    rest = share - place
    pairs = zip(_parts(colours[place]), _parts(colours[place + 1]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * rest):02x}" for a, b in pairs)


def readable_on(background: str) -> str:
    """Return black or white, whichever can be read on a colour."""
    if not background.startswith("#") or len(background) < 7:
        return "#ffffff"
    red, green, blue = _parts(background)
    return "#111217" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#ffffff"


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _is_colour(name: str) -> bool:
    return COLOUR.fullmatch(name) is not None

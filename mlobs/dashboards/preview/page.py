"""Puts the drawn panels of a dashboard on a page that looks like it does in Grafana."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlobs.dashboards.layout import COLUMNS
from mlobs.dashboards.preview.bands import state_timeline
from mlobs.dashboards.preview.bars import bargauge
from mlobs.dashboards.preview.choices import interpolated
from mlobs.dashboards.preview.colours import THEMES, Theme
from mlobs.dashboards.preview.drawing import Task
from mlobs.dashboards.preview.gathering import Answer, Gathered
from mlobs.dashboards.preview.heat import heatmap
from mlobs.dashboards.preview.lines import timeseries
from mlobs.dashboards.preview.markup import Markup, join, link, tag
from mlobs.dashboards.preview.stat import stat
from mlobs.dashboards.preview.style import CELL, EDGE, GAP, HEADER, PADDING, style
from mlobs.dashboards.preview.tables import as_table, table
from mlobs.dashboards.preview.transformations import transformed
from mlobs.dashboards.preview.words import words

NARROW = 769  # Below it Grafana puts panels under each other.
BOARD = re.compile(r"(?:https?://[^/]+)?/d/(?P<uid>[A-Za-z0-9_-]+)")
DRAWINGS: dict[str, Callable[[Task], Markup]] = {
    "stat": stat,
    "timeseries": timeseries,
    "table": table,
    "state-timeline": state_timeline,
    "status-history": state_timeline,
    "bargauge": bargauge,
    "heatmap": heatmap,
    "text": words,
}
OWN = {
    "now/d": "today so far",
    "now/w": "this week so far",
    "now/M": "this month so far",
    "now/y": "this year so far",
}
WITHOUT_QUERY = frozenset({"text", "alertlist", "dashlist", "news"})


@dataclass(frozen=True, slots=True)
class Page:
    """How a page is drawn.

    Args:
        theme: `light` or `dark`.
        width: In pixels.
        siblings: File names of the other previews beside it, by uid of the dashboard.
        asked: The addresses that were asked, for the last line.
    """

    theme: str = "dark"
    width: int = 1280
    siblings: Mapping[str, str] | None = None
    asked: Sequence[str] = ()

    def address(self, given: str) -> str:
        """Return where an address of Grafana's leads from here: another preview, or nowhere."""
        if found := BOARD.match(given):
            return (self.siblings or {}).get(found["uid"], "")
        return given if given.startswith(("http://", "https://")) else ""


def page(dashboard: Mapping[str, Any], gathered: Gathered, how: Page) -> str:
    """Return a dashboard as one HTML file, without a script and without anything to fetch."""
    theme = THEMES[how.theme]
    title = str(dashboard.get("title", ""))
    sections = [_section(row, panels, gathered, theme, how) for row, panels in _sections(dashboard)]
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width"),
        tag("title", title),
        tag("style", style(theme, how.width)),
    )
    problems = [tag("p", sentence, class_="problem") for sentence in gathered.problems]
    body = tag("body", _header(dashboard, gathered, theme, how), problems, sections, _footer(gathered, how))
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _header(dashboard: Mapping[str, Any], gathered: Gathered, theme: Theme, how: Page) -> Markup:
    shown = gathered.span
    variables = [
        tag("span", tag("b", choice.label), tag("span", choice.text, title=choice.text), class_="chip")
        for choice in gathered.choices.values()
        if choice.label and not choice.hidden
    ]
    filters = [
        tag(
            "span",
            tag("b", str(one.get("label") or one.get("name"))),
            tag("span", "no filter"),
            class_="chip off",
        )
        for one in (dashboard.get("templating") or {}).get("list") or ()
        if one.get("type") == "adhoc"
    ]
    notes = [
        tag(
            "span",
            tag("i", style=f"background:{theme.colour(str(note.get('iconColor', 'blue')))}"),
            tag("span", str(note.get("name", ""))),
            class_="chip off",
        )
        for note in (dashboard.get("annotations") or {}).get("list") or ()
        if note.get("enable", True) and not note.get("hide")
    ]
    boards = [
        link(how.address(str(one.get("url", ""))), str(one.get("title", "")))
        if how.address(str(one.get("url", "")))
        else tag("span", str(one.get("title", "")), class_="link")
        for one in dashboard.get("links") or ()
    ]
    when = f"{_moment(shown.begin_s)} to {_moment(shown.end_s)} UTC"
    span = tag("span", tag("b", "Time"), tag("span", when), class_="chip push")
    return tag(
        "header",
        tag("h1", str(dashboard.get("title", ""))),
        tag("p", str(dashboard.get("description") or "")),
        tag("div", variables, filters, notes, boards, span, class_="bar-top"),
    )


def _footer(gathered: Gathered, how: Page) -> Markup:
    asked = " and ".join(how.asked) or "nobody"
    return tag(
        "footer",
        f"A preview by mlobs, drawn with what {asked} answered. Queries, choices and units are Grafana's; "
        "how it looks is near to Grafana's and not the same. Tempo is not asked, and kinds of panels that "
        "are not drawn here are tables.",
    )


def _sections(
    dashboard: Mapping[str, Any],
) -> list[tuple[Mapping[str, Any] | None, list[Mapping[str, Any]]]]:
    """Return rows with their panels; closed rows keep their own, which are shown as well."""
    found: list[tuple[Mapping[str, Any] | None, list[Mapping[str, Any]]]] = [(None, [])]
    for panel in sorted(dashboard["panels"], key=lambda one: (_at(one)["y"], _at(one)["x"])):
        if panel.get("type") == "row":
            found.append((panel, list(panel.get("panels") or ())))
        else:
            found[-1][1].append(panel)
    return [(row, panels) for row, panels in found if row or panels]


def _section(
    row: Mapping[str, Any] | None,
    panels: Sequence[Mapping[str, Any]],
    gathered: Gathered,
    theme: Theme,
    how: Page,
) -> Markup:
    heading = None
    if row is not None:
        closed = tag("small", "closed when the dashboard is opened") if row.get("collapsed") else None
        heading = tag("h2", interpolated(str(row.get("title", "")), gathered.choices), closed)
    top = min((_at(panel)["y"] for panel in panels), default=0)
    drawn = [_panel(panel, top, gathered, theme, how) for panel in panels]
    return tag("section", heading, tag("div", drawn, class_="grid"))


def _panel(panel: Mapping[str, Any], top: int, gathered: Gathered, theme: Theme, how: Page) -> Markup:
    at = dict(_at(panel))
    if how.width < NARROW:
        at |= {"x": 0, "w": COLUMNS}
        place = f"grid-column:1/span {COLUMNS};grid-row:span {at['h']}"
    else:
        place = f"grid-column:{at['x'] + 1}/span {at['w']};grid-row:{at['y'] - top + 1}/span {at['h']}"
    column = (how.width - 2 * EDGE - (COLUMNS - 1) * GAP) / COLUMNS
    title = interpolated(str(panel.get("title") or ""), gathered.choices)
    width = column * at["w"] + GAP * (at["w"] - 1) - 2 * PADDING - 2
    height = CELL * at["h"] + GAP * (at["h"] - 1) - (HEADER if title else PADDING) - PADDING - 2
    answer = gathered.answers.get(panel.get("id")) or Answer(15.0, gathered.span)
    inside = _inside(panel, answer, gathered, theme, (width, height), how)
    kinds = ["panel", *([] if title else ["bare"]), *(["clear"] if panel.get("transparent") else [])]
    heading = _heading(panel, title, gathered, how) if title else None
    return tag("article", heading, tag("div", inside, class_="body"), class_=" ".join(kinds), style=place)


def _heading(panel: Mapping[str, Any], title: str, gathered: Gathered, how: Page) -> Markup:
    about = str(panel.get("description") or "")
    links = list(panel.get("links") or ())
    leads = None
    if links:
        address = how.address(interpolated(str(links[0].get("url", "")), gathered.choices))
        label = str(links[0].get("title") or "open")
        arrow = tag("span", "↗", title=label)
        leads = link(address, arrow) if address else tag("span", arrow, class_="link")
    mark = tag("i", "i", title=about) if about else None
    own = str(panel.get("timeFrom") or "")
    if own and not panel.get("hideTimeOverride"):
        title = f"{title} ({OWN.get(own, f'last {own}')})"
    return tag("h3", tag("span", title, title=about or None), mark, leads)


def _inside(
    panel: Mapping[str, Any],
    answer: Answer,
    gathered: Gathered,
    theme: Theme,
    size: tuple[float, float],
    how: Page,
) -> Markup:
    said = [tag("p", sentence, class_="problem") for sentence in answer.problems]
    said += [tag("p", sentence, class_="note") for sentence in answer.notes]
    kind = str(panel.get("type"))
    if said and not answer.frames and kind not in WITHOUT_QUERY:
        return join(*said)
    frames, unknown = transformed(answer.frames, panel.get("transformations") or ())
    if unknown:
        names = ", ".join(unknown)
        said.append(tag("p", f"The preview leaves out the transformation {names}.", class_="note"))
    task = Task(
        panel=panel,
        frames=frames,
        width=size[0],
        height=size[1] - 20 * len(said),
        theme=theme,
        span=answer.span,
        step_s=answer.step_s,
        marks=gathered.marks,
        dots=answer.dots,
        values=answer.values or gathered.choices,
        addresses=how.address,
    )
    return join(*said, DRAWINGS.get(kind, as_table)(task))


def _at(panel: Mapping[str, Any]) -> Mapping[str, int]:
    return {"x": 0, "y": 0, "w": COLUMNS, "h": 8, **(panel.get("gridPos") or {})}


def _moment(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M}"

"""Panels and answers made by hand, the page that is drawn of them, and what stands on it."""

import html.parser

from mlobs.dashboards.preview.choices import Choice
from mlobs.dashboards.preview.frames import Field, Frame
from mlobs.dashboards.preview.gathering import Answer, Gathered
from mlobs.dashboards.preview.page import Page, page
from mlobs.dashboards.preview.spans import Span

BEGIN_S, END_S = 1_800_000_000.0, 1_800_000_600.0
TIMES = [BEGIN_S + at for at in range(0, 601, 60)]


def series(name, values, ref="A", **labels):
    return Frame(ref, [Field("Time", "time", list(TIMES)), Field("Value", "number", values, labels, name)])


def rows(**columns):
    return Frame(
        "A",
        [
            Field(name, "text" if isinstance(values[0], str) else "number", list(values))
            for name, values in columns.items()
        ],
    )


def board(*panels, **parts):
    placed = [
        {"id": n, "gridPos": {"x": 0, "y": n * 8, "w": 12, "h": 8}, **one} for n, one in enumerate(panels)
    ]
    return {"title": "T", "panels": placed, "templating": {"list": []}, "annotations": {"list": []}, **parts}


def drawn(panel, frames, *, problems=(), notes=(), dots=(), marks=(), how=None, **parts):
    answer = Answer(60, Span(BEGIN_S, END_S), list(frames), list(dots), list(problems), list(notes))
    choices = {"service": Choice("service", ("shop",), "Service")}
    gathered = Gathered(Span(BEGIN_S, END_S), choices, {0: answer}, list(marks), [])
    return page(board(panel, **parts), gathered, how or Page(asked=["http://prometheus"]))


def config(**defaults):
    return {"defaults": defaults, "overrides": []}


class Tags(html.parser.HTMLParser):
    """Every element with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.open = []
        self.feed(text)

    def handle_starttag(self, name, given):
        self.found.append((name, dict(given)))
        if name not in {"meta", "br", "img"}:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def count(self, name):
        return sum(one == name for one, _ in self.found)

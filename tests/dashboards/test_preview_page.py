"""A dashboard and answers become a page: what is on it, and what never is."""

import re

import pytest

from mlobs.dashboards.preview.dots import Dot
from mlobs.dashboards.preview.gathering import Gathered
from mlobs.dashboards.preview.marks import Mark
from mlobs.dashboards.preview.markup import link, tag
from mlobs.dashboards.preview.page import DRAWINGS, Page, page
from mlobs.dashboards.preview.shape import readable
from mlobs.dashboards.preview.spans import Span
from mlobs.errors import DataError
from tests.dashboards.drawings import BEGIN_S, END_S, Tags, board, config, drawn, rows, series

HOSTILE = "</text></svg><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u202e\x00\ud800"


@pytest.mark.parametrize("kind", [*DRAWINGS, "piechart"])
def test_nothing_that_came_from_outside_becomes_markup(kind):
    """Labels, titles, legends, errors and dashboards are strangers' words."""
    panel = {
        "type": kind,
        "title": HOSTILE,
        "description": HOSTILE,
        "options": {
            "content": f"# {HOSTILE}\n[{HOSTILE}](javascript:alert(1)) `{HOSTILE}`",
            "textMode": "value_and_name",
        },
        "links": [{"title": HOSTILE, "url": "javascript:alert(1)"}],
        "fieldConfig": config(
            unit=f"suffix:{HOSTILE}",
            noValue=HOSTILE,
            color={"mode": "fixed", "fixedColor": '"><script>alert(3)</script>'},
            links=[{"title": HOSTILE, "url": "javascript:alert(${__value.raw})"}],
            mappings=[{"type": "value", "options": {"1": {"text": HOSTILE, "color": HOSTILE}}}],
        ),
    }
    text = drawn(
        panel,
        [series(HOSTILE, [1.0] * 11, le=HOSTILE), rows(**{HOSTILE: [HOSTILE]}, n=[1])],
        problems=[HOSTILE],
        notes=[HOSTILE],
        dots=[Dot(BEGIN_S, 1, {"trace_id": HOSTILE})],
        marks=[Mark(HOSTILE, HOSTILE, HOSTILE, BEGIN_S, END_S)],
        description=HOSTILE,
        links=[{"title": HOSTILE, "url": "javascript:alert(1)"}],
    )
    found = Tags(text)
    assert {"script", "img", "iframe", "object"}.isdisjoint(name for name, _ in found.found)
    assert not [given for _, given in found.found if any(key.startswith("on") for key in given)]
    assert "javascript" not in "".join(given.get("href") or "" for _, given in found.found)
    assert not found.open
    assert "\x00" not in text
    assert "\u202e" not in text
    text.encode()


def test_a_page_has_nothing_to_fetch_and_no_script_to_run():
    found = Tags(drawn({"type": "timeseries", "title": "a"}, [series("x", [1.0] * 11)]))
    policy = next(given["content"] for name, given in found.found if "http-equiv" in given)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert not [given for _, given in found.found if "src" in given]


@pytest.mark.parametrize(
    "address", ["javascript:x", " JavaScript:x", "data:text/html,x", "java\nscript:x", "vbscript:x"]
)
def test_a_link_that_could_run_something_is_none(address):
    assert "href" not in link(address, "here")


def test_a_number_of_a_coordinate_is_short():
    assert tag("line", x1=1 / 3, y1=2.0) == '<line x1="0.33" y1="2"></line>'


def test_a_link_to_another_dashboard_leads_to_its_preview_or_nowhere():
    links = [{"title": "go", "url": "/d/mlobs-models/models?var-model=x"}]
    panel = {"type": "stat", "title": "x", "links": links}
    frames = [series("x", [1.0] * 11)]
    assert "href" not in drawn(panel, frames)
    how = Page(siblings={"mlobs-models": "models.html"})
    assert 'href="models.html"' in drawn(panel, frames, how=how)


def test_an_annotation_is_a_mark_on_every_graph():
    mark = Mark("Alerts", "MlobsX", "red", BEGIN_S + 60, BEGIN_S + 180)
    text = drawn({"type": "timeseries", "title": "x"}, [series("x", [1.0] * 11)], marks=[mark])
    assert "Alerts: MlobsX from 2027-01-15 08:01:00 UTC" in text


def test_an_exemplar_is_a_dot_that_names_its_trace():
    dot = Dot(BEGIN_S + 60, 1.0, {"trace_id": "4bf92f"})
    text = drawn({"type": "timeseries", "title": "x"}, [series("x", [1.0] * 11)], dots=[dot])
    assert re.search(r"<polygon[^>]*><title>exemplar [^<]*4bf92f", text)


def test_a_refused_query_is_said_in_its_panel():
    text = drawn({"type": "timeseries", "title": "x"}, [], problems=["Query A: parse error."])
    assert "Query A: parse error." in text
    assert "No data" not in text


@pytest.mark.parametrize("kind", [kind for kind in DRAWINGS if kind != "text"])
def test_a_panel_without_data_says_so(kind):
    assert "No data" in drawn({"type": kind, "title": "x"}, [])
    assert "nothing fires" in drawn(
        {"type": kind, "title": "x", "fieldConfig": config(noValue="nothing fires")}, []
    )


def test_panels_of_closed_rows_are_shown_below_their_heading():
    inner = {
        "id": 7,
        "type": "text",
        "title": "inside",
        "gridPos": {"x": 0, "y": 9, "w": 24, "h": 3},
        "options": {},
    }
    row = {"type": "row", "title": "Rarely", "collapsed": True, "panels": [inner]}
    text = page(board(row), Gathered(Span(0, 60), {}, {}, [], []), Page())
    assert "closed when the dashboard is opened" in text
    assert "inside" in text


@pytest.mark.parametrize(
    ("width", "columns"), [(1280, "grid-column:13/span 12"), (600, "grid-column:1/span 24")]
)
def test_a_narrow_page_has_its_panels_below_each_other(width, columns):
    panel = {"type": "text", "title": "x", "gridPos": {"x": 12, "y": 0, "w": 12, "h": 4}}
    assert columns in drawn(panel, [], how=Page(width=width))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_both_themes_are_drawn(theme):
    text = drawn({"type": "timeseries", "title": "x"}, [series("x", [1.0] * 11)], how=Page(theme=theme))
    assert ("#111217" in text) == (theme == "dark")


@pytest.mark.parametrize(
    "spoilt",
    [
        {"panels": "none"},
        {"panels": [1]},
        {"panels": [{"title": "x", "targets": {}}]},
        {"panels": [{"title": "x", "gridPos": {"w": "wide"}}]},
        {"panels": [{"title": "x", "gridPos": {"h": -1}}]},
        {"panels": [{"title": "x", "fieldConfig": {"defaults": []}}]},
        {"panels": [{"title": "x", "fieldConfig": {"overrides": ["x"]}}]},
        {"panels": [{"type": "row", "panels": [{"options": 3}]}]},
        {"templating": {"list": [{}]}},
        {"annotations": []},
        {"links": "x"},
    ],
)
def test_a_dashboard_of_another_shape_gets_a_sentence(spoilt):
    with pytest.raises(DataError, match="cannot be drawn: at"):
        readable({**board(), **spoilt}, "mine.json")

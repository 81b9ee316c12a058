"""A dashboard and answers become a page: what is on it, and what never is."""

import html.parser
import math
import re

import pytest

from mlobs.dashboards.preview.choices import Choice
from mlobs.dashboards.preview.dots import Dot
from mlobs.dashboards.preview.frames import Field, Frame
from mlobs.dashboards.preview.gathering import Answer, Gathered
from mlobs.dashboards.preview.marks import Mark
from mlobs.dashboards.preview.markup import link, tag
from mlobs.dashboards.preview.page import DRAWINGS, Page, page
from mlobs.dashboards.preview.shape import readable
from mlobs.dashboards.preview.spans import Span
from mlobs.errors import DataError

HOSTILE = "</text></svg><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u202e\x00\ud800"
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


def test_a_stat_has_its_number_its_colour_and_a_line():
    steps = [{"color": "green", "value": None}, {"color": "red", "value": 0.5}]
    fields = config(
        unit="percentunit", color={"mode": "thresholds"}, thresholds={"mode": "absolute", "steps": steps}
    )
    panel = {"type": "stat", "title": "Failed", "options": {"graphMode": "area"}, "fieldConfig": fields}
    text = drawn(panel, [series("x", [0.1] * 10 + [0.75])])
    assert ">75%<" in text
    assert "#f2495c" in text
    assert Tags(text).count("path") == 2


def heights(text):
    """Return where the points of the line stand."""
    (line,) = [given["d"] for name, given in Tags(text).found if name == "path" and given["fill"] == "none"]
    return [float(point.split(",")[1]) for point in line.removeprefix("M").split(" L")]


def test_shares_of_a_panel_that_names_no_release_have_the_ends_of_an_old_one():
    """So does Grafana: three percent are a line on the floor, and what is below 0 is cut off."""
    panel = {"type": "stat", "fieldConfig": config(unit="percentunit"), "options": {"graphMode": "area"}}
    values = [0.01, 0.03, -0.5, *[0.02] * 8]
    old = heights(drawn(panel, [series("v", values)]))
    assert max(old) - min(old) < 5
    new = heights(drawn({**panel, "pluginVersion": "12.0.0"}, [series("v", values)]))
    assert max(new) - min(new) > 20


@pytest.mark.parametrize(
    ("calc", "text"), [("lastNotNull", "9"), ("max", "10"), ("mean", "5"), ("min", "0"), ("sum", "50")]
)
def test_a_stat_reduces_as_it_is_told(calc, text):
    panel = {"type": "stat", "title": "x", "options": {"reduceOptions": {"calcs": [calc]}}}
    values = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 10.0, 9.0, None, None]
    if calc in {"mean", "sum"}:
        values = [0.0, 10.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, None]
    assert f">{text}<" in drawn(panel, [series("x", values)])


def test_a_stacked_line_stands_on_the_one_below():
    fields = config(min=0, custom={"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 30})
    panel = {"type": "timeseries", "title": "x", "fieldConfig": fields}
    text = drawn(panel, [series("a", [10.0] * 11), series("b", [20.0] * 11)])
    assert ">30<" in text  # the axis reaches their sum
    assert not re.search(r">60<", text)


def test_a_gap_is_not_drawn_over():
    panel = {"type": "timeseries", "title": "x", "fieldConfig": config(custom={"spanNulls": False})}
    values = [1.0, 2.0, 3.0, None, None, 3.0, 2.0, 1.0, 2.0, 3.0, 4.0]
    assert len(re.findall(r'<path d="M[^"]*"', drawn(panel, [series("x", values)]))) == 2
    panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] = True
    assert len(re.findall(r'<path d="M[^"]*"', drawn(panel, [series("x", values)]))) == 1


def test_a_gap_longer_than_a_panel_allows_is_not_drawn_over():
    frame = Frame("A", [Field("t", "time", [BEGIN_S, BEGIN_S + 60, BEGIN_S + 400, BEGIN_S + 460])])
    frame.fields.append(Field("Value", "number", [1.0, 2.0, 1.0, 2.0]))
    panel = {"type": "timeseries", "title": "x", "fieldConfig": config(custom={"insertNulls": 180_000})}
    assert len(re.findall(r'<path d="M[^"]*"', drawn(panel, [frame]))) == 2


def test_an_override_makes_a_line_dashed_and_its_legend_too():
    fields = config()
    style = [{"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}}]
    fields["overrides"] = [{"matcher": {"id": "byRegexp", "options": "/^limit/"}, "properties": style}]
    legend = {"legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["max"]}}
    panel = {"type": "timeseries", "title": "x", "fieldConfig": fields, "options": legend}
    text = drawn(panel, [series("limit of a", [5.0] * 11), series("a", [1.0] * 11)])
    assert text.count("stroke-dasharray") == 1
    assert "3px dashed" in text


def test_more_series_than_a_legend_has_room_for_are_counted():
    legend = {"legend": {"displayMode": "table", "placement": "bottom", "showLegend": True}}
    panel = {"type": "timeseries", "title": "x", "options": legend}
    assert "and 37 more" in drawn(panel, [series(f"s{n}", [1.0] * 11) for n in range(40)])


def test_numbers_without_end_are_shown_and_not_drawn():
    values = [math.inf, 1.0, -math.inf, 1e308, 5.0, None, 2.0, 3.0, 4.0, 5.0, math.inf]
    for kind in DRAWINGS:
        text = drawn({"type": kind, "title": "x"}, [series("x", values)])
        assert "nan" not in text.lower().replace("nanos", "")
        assert "inf" not in text.lower()
    assert "∞" in drawn({"type": "stat", "title": "x"}, [series("x", values)])


def test_a_table_writes_units_colours_and_links():
    fields = config()
    fields["overrides"] = [
        {
            "matcher": {"id": "byName", "options": "Took"},
            "properties": [
                {"id": "unit", "value": "s"},
                {"id": "custom.cellOptions", "value": {"type": "color-background"}},
                {
                    "id": "thresholds",
                    "value": {"mode": "absolute", "steps": [{"color": "red", "value": None}]},
                },
            ],
        },
        {
            "matcher": {"id": "byName", "options": "Trace"},
            "properties": [{"id": "links", "value": [{"url": "http://mlobs/traces/${__data.fields.Trace}"}]}],
        },
    ]
    panel = {"type": "table", "title": "x", "fieldConfig": fields}
    text = drawn(panel, [rows(Trace=["a/b?c"], Took=[0.25])])
    assert 'href="http://mlobs/traces/a%2Fb%3Fc"' in text
    assert "250 ms" in text
    assert "background:#f2495c" in text


def test_a_link_to_another_dashboard_leads_to_its_preview_or_nowhere():
    links = [{"title": "go", "url": "/d/mlobs-models/models?var-model=x"}]
    panel = {"type": "stat", "title": "x", "links": links}
    frames = [series("x", [1.0] * 11)]
    assert "href" not in drawn(panel, frames)
    how = Page(siblings={"mlobs-models": "models.html"})
    assert 'href="models.html"' in drawn(panel, frames, how=how)


def test_rows_that_have_no_room_are_counted():
    panel = {"type": "table", "title": "x"}
    text = drawn(panel, [rows(Name=[f"n{i}" for i in range(100)])])
    (more,) = re.findall(r"and (\d+) more rows", text)
    assert text.count(">n") + int(more) == 100


def test_a_band_changes_its_colour_with_the_state():
    mapping = {"0": {"text": "fine", "color": "green"}, "1": {"text": "drifts", "color": "red"}}
    fields = config(mappings=[{"type": "value", "options": mapping}])
    panel = {"type": "state-timeline", "title": "x", "fieldConfig": fields}
    text = drawn(panel, [series("a", [0.0] * 5 + [1.0] * 6)])
    assert len(re.findall(r"<rect[^>]*fill=\"#(?:73bf69|f2495c)\"", text)) == 2
    assert "drifts from" in text


def test_a_heatmap_leaves_out_the_buckets_nothing_came_into():
    panel = {"type": "heatmap", "title": "x", "fieldConfig": config(unit="s")}
    frames = [
        series("0.1", [0.0] * 11, le="0.1"),
        series("0.2", [4.0] * 11, le="0.2"),
        series("0.4", [0.0] * 11, le="0.4"),
    ]
    text = drawn(panel, frames)
    assert ">200 ms<" in text
    assert ">100 ms<" not in text
    assert ">400 ms<" not in text


def test_a_bar_is_as_long_as_its_share():
    panel = {"type": "bargauge", "title": "x", "fieldConfig": config(unit="percentunit", min=0, max=1)}
    text = drawn(panel, [series("spent", [0.5] * 11)])
    whole, part = (float(width) for width in re.findall(r'<rect[^>]* width="([0-9.]+)"', text))
    assert part == pytest.approx(whole / 2, abs=0.02)


def test_markdown_becomes_what_it_means():
    content = (
        "## How\n\nA **strong** `code` [page](https://example.org/x).\n\n- one\n- two\n  more\n\n1. first"
    )
    found = drawn({"type": "text", "title": "x", "options": {"content": content}}, [])
    for part in (
        "<h3>How</h3>",
        "<strong>strong</strong>",
        "<code>code</code>",
        '<a href="https://example.org/x"',
        "<ul><li>one</li><li>two more</li></ul>",
        "<ol><li>first</li></ol>",
    ):
        assert part in found


@pytest.mark.parametrize("marks", ["```", "~~~~"])
def test_a_block_of_code_keeps_its_lines_and_signs(marks):
    """Somebody copies it: indents are part of YAML."""
    content = f"Keep:\n{marks}yaml\n- action: *keep*\n\n  regex: <a>\n``\n{marks}\nNot in it: `x`."
    found = drawn({"type": "text", "title": "x", "options": {"content": content}}, [])
    assert "<p>Keep:</p><pre>- action: *keep*\n\n  regex: &lt;a&gt;\n``</pre><p>Not in it: " in found


def test_a_block_of_code_that_nobody_ended_goes_to_the_end():
    found = drawn({"type": "text", "title": "x", "options": {"content": "```\na\n# b"}}, [])
    assert "<pre>a\n# b</pre>" in found


def test_an_annotation_is_a_mark_on_every_graph():
    mark = Mark("Alerts", "MlobsX", "red", BEGIN_S + 60, BEGIN_S + 180)
    text = drawn({"type": "timeseries", "title": "x"}, [series("x", [1.0] * 11)], marks=[mark])
    assert "Alerts: MlobsX from 2027-01-15 08:01:00 UTC" in text


def test_an_exemplar_is_a_dot_that_names_its_trace():
    dot = Dot(BEGIN_S + 60, 1.0, {"trace_id": "4bf92f"})
    text = drawn({"type": "timeseries", "title": "x"}, [series("x", [1.0] * 11)], dots=[dot])
    assert re.search(r"<polygon[^>]*><title>exemplar [^<]*4bf92f", text)


def test_a_moment_of_a_table_is_as_long_ago_as_the_page_s_end():
    frame = Frame("A", [Field("Began", "time", [END_S - 180, END_S])])
    text = drawn({"type": "table", "title": "x", "fieldConfig": config(unit="dateTimeFromNow")}, [frame])
    assert "3 minutes ago" in text
    assert "a few seconds ago" in text


def test_columns_that_have_no_room_are_counted():
    """Grafana gives a column 150 pixels unless it is told otherwise."""
    frame = rows(**{f"column {n}": [n] for n in range(8)})
    panel = {"type": "table", "title": "x"}
    assert "4 columns cut" in drawn(panel, [frame])
    assert "cut:" not in drawn({**panel, "fieldConfig": config(custom={"minWidth": 50})}, [frame])


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

"""Each kind of panel draws the answers it is given."""

import math
import re

import pytest

from mlobs.dashboards.preview.frames import Field, Frame
from mlobs.dashboards.preview.page import DRAWINGS
from tests.dashboards.drawings import BEGIN_S, END_S, Tags, config, drawn, rows, series


def heights(text):
    """Return where the points of the line stand."""
    (line,) = [given["d"] for name, given in Tags(text).found if name == "path" and given["fill"] == "none"]
    return [float(point.split(",")[1]) for point in line.removeprefix("M").split(" L")]


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

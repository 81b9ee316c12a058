"""Pictures are well-formed, say what they show, and take whatever values come."""

import json
import math
import re
from html import unescape
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.server.pages import charts
from mlobs.server.pages.amounts import count, duration
from mlobs.server.pages.charts.frame import LEFT, grid
from mlobs.server.pages.charts.scales import marks, top_of

AXIS = charts.Axis((0, 60 * 10**9, 120 * 10**9), 0, 180 * 10**9, 60 * 10**9, "/traces?q=a")
VALUES = st.lists(st.none() | st.floats(0, 1e12), min_size=3, max_size=3)


@pytest.mark.parametrize("kind", [charts.lines, charts.bars])
@given(first=VALUES, second=VALUES)
def test_every_picture_over_time_is_well_formed(kind, first, second):
    series = (charts.Series("<a>", first), charts.Series('"b"', second, "bad"))
    picture = ET.fromstring(kind("A & B", AXIS, series, told=count))
    said = json.loads(picture.attrib["data-chart"])
    assert [one["name"] for one in said["series"]] == ["<a>", '"b"']
    assert len(said["xs"]) == len(said["labels"]) == 3
    assert said["link"] == "/traces?q=a"
    assert picture[0].text == "A & B"
    assert picture[1].text.startswith("A & B.")


@given(st.lists(st.floats(0, 1e12), max_size=30))
def test_histograms_are_well_formed(values):
    labels = [f"<{place}>" for place in range(len(values))]
    begins = ["<" if place % 3 else "" for place in range(len(values))]
    ET.fromstring(charts.histogram("x", labels, [charts.Series("live", values)], told=count, begins=begins))


@given(st.floats(1e-9, 1e15), st.booleans())
def test_marks_are_few_round_and_reach_the_highest(high, milliseconds):
    found = marks(high, milliseconds=milliseconds)
    assert found[0] == 0
    assert found[-1] >= high * 0.999999
    assert 3 <= len(found) <= 8 or (milliseconds and high > 86_400_000)


def test_the_highest_of_nothing_is_something():
    assert top_of([]) == top_of([None, math.nan, 0.0]) == 1.0


def test_a_line_is_broken_where_nothing_is_known():
    text = charts.lines("x", AXIS, [charts.Series("a", [1.0, None, 3.0])], told=duration, limit=2.0)
    assert text.count('<circle class="dot s1"') == 2
    assert 'class="limit"' in text
    assert "500 ms" not in unescape(text)


def test_what_a_step_that_begins_before_the_axis_shows_lies_within_the_axis():
    axis = charts.Axis((0, 60 * 10**9), 55 * 10**9, 120 * 10**9, 60 * 10**9)
    picture = ET.fromstring(charts.lines("Rows", axis, [charts.Series("rows", [1.0, None])], told=count))
    [dot] = (one for one in picture.iter() if one.tag.endswith("circle"))
    assert float(dot.attrib["cx"]) >= LEFT


def test_labels_lie_all_beside_the_picture_or_all_upon_their_lines():
    short, long = (
        [re.findall(r'x="([^"]*)".*>(.*)</text>', one)[0] for one in grid(labels)]
        for labels in (
            {0.0: "$0", 1.0: "$0.0050", 2.0: "$0.10", 3.0: "$1.00"},
            {0.0: "$0", 1.0: "$0.000021"},
        )
    )
    assert short == [(str(LEFT - 6), label) for label in ("$0", "$0.005", "$0.10", "$1")]
    assert long == [("0", "$0"), ("0", "$0.000021")]

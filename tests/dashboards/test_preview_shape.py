"""A dashboard that somebody wrote by hand is drawn, or gets a sentence; never anything else."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlobs import assets
from mlobs.dashboards.preview.gathering import Gatherer
from mlobs.dashboards.preview.page import Page, page
from mlobs.dashboards.preview.shape import readable
from mlobs.dashboards.preview.spans import Span
from mlobs.errors import DataError
from tests.examples import examples

BOARDS = [
    json.loads(file.read_text())
    for file in sorted((assets.root() / "dashboards").iterdir(), key=lambda one: one.name)
    if file.name.endswith(".json")
]
SPAN = Span(1_800_000_000, 1_800_000_600)
STRANGE = [None, "", -1, 0, 3.5, 1e300, True, [], {}, "x", ["a"], {"a": 1}, [[]], [None]]


class Answers:
    """What a Prometheus and a ClickHouse said once, whatever the question is."""

    def scrape_s(self) -> float:
        return 15.0

    def range(self, expr: str, span: Span, step_s: float) -> list[Any]:
        labels = [{"le": "0.1", "service_name": "a"}, {"le": "+Inf"}]
        times = [span.begin_s + 15 * n for n in range(40)]
        return [
            {"metric": one, "values": [[at, "NaN" if at % 7 else "+Inf"] for at in times]} for one in labels
        ]

    def instant(self, expr: str, at_s: float) -> list[Any]:
        return [
            {"metric": {"service_name": "a"}, "value": [at_s, "3"]},
            {"metric": {}, "value": [at_s, "Inf"]},
        ]

    def label_values(self, label: str, selector: str, span: Span) -> list[str]:
        return ["a", "b"]

    def exemplars(self, expr: str, span: Span) -> list[Any]:
        return [{"exemplars": [{"labels": {"trace_id": "1"}, "value": "0.1", "timestamp": SPAN.begin_s}]}]

    def rows(self, sql: str) -> Any:
        return [("time", "DateTime"), ("m", "String"), ("n", "UInt64")], [
            ["2027-01-15 08:00:00", "x", 3],
            ["2027-01-15 08:01:00", "x", "4"],
            [None, None, None],
        ]


def drawn(board: dict[str, Any]) -> str:
    answers = Answers()
    gathered = Gatherer(answers, answers, SPAN, 1280).gather(board, {}, lambda told: None)
    return page(board, gathered, Page())


def places(part: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path to every part of a JSON document."""
    pairs = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    return [found for key, inner in pairs for found in ((*path, key), *places(inner, (*path, key)))]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_a_shipped_dashboard_is_readable_and_drawn(board):
    assert "</html>" in drawn(readable(board, "shipped.json"))


@pytest.mark.parametrize("part", ["annotations", "templating"])
def test_a_dashboard_without_annotations_or_variables_is_drawn(part):
    board = {key: value for key, value in BOARDS[0].items() if key != part}
    assert "</html>" in drawn(readable(board, "mine.json"))


@given(data=st.data())
@settings(max_examples=examples(60))
def test_a_spoilt_dashboard_is_drawn_or_gets_a_sentence(data):
    board = copy.deepcopy(data.draw(st.sampled_from(BOARDS)))
    board["panels"] = data.draw(st.lists(st.sampled_from(board["panels"]), min_size=1, max_size=2))
    board = json.loads(json.dumps(board))
    *parents, last = data.draw(st.sampled_from(places(board)))
    part = board
    for parent in parents:
        part = part[parent]
    part[last] = data.draw(st.sampled_from(STRANGE))
    try:
        assert "</html>" in drawn(readable(board, "mine.json"))
    except DataError as error:
        assert str(error).startswith("mine.json cannot be drawn: at ")  # noqa: PT017

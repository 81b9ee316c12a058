"""The table of features has what can say something, and of few segments until one asks for more."""

from mlobs.server.pages.drift import view
from mlobs.server.pages.drift.segments import folded, telling
from mlobs.server.pages.drift.view import REST
from mlobs.server.pages.drift.watched import merged
from tests.server.pages.watches import WATCH

CALM = {**WATCH, "alarm": False, "log_e": 0.0, "raised": None, "change_start": None}
CLINICS = ("north", "south", "east", "west", "centre")
NONE_YET = {"rows": None, "moves": []}


def watches(*more):
    """A monitor with a segment for each clinic, as the column `clinic` and another one are seen."""
    whole = [{**CALM, "feature": name, "segment": ""} for name in ("age", "clinic")]
    ages = [{**CALM, "feature": "age", "segment": name} for name in CLINICS]
    own = [{**CALM, "feature": "clinic", "segment": name, "moves": []} for name in CLINICS]
    return merged([*whole, *ages, *own, *more], [])


def names(rows):
    return [(one["feature"], one["segment"]) for one in rows]


def test_the_column_that_makes_the_segments_is_in_none_of_them():
    found = names(telling(watches()))
    assert ("clinic", "") in found
    assert [segment for feature, segment in found if feature == "clinic"] == [""]
    assert [segment for feature, segment in found if feature == "age"] == ["", *CLINICS]


def test_other_segments_are_there_when_they_have_rows():
    rest = {**CALM, "feature": "age", "segment": REST}
    assert ("age", REST) not in names(telling(watches({**rest, **NONE_YET})))
    assert ("age", REST) in names(telling(watches({**rest, "rows": 3})))


def test_what_moved_is_always_there():
    moved = {**CALM, **NONE_YET, "feature": "age", "segment": REST, "alarm": True}
    own = {**CALM, "feature": "clinic", "segment": "new", "moves": [], "alarm": True}
    found = names(telling(watches(moved, own)))
    assert {("age", REST), ("clinic", "new")} <= set(found)


def test_segments_beyond_the_first_three_are_folded_and_say_what_moved():
    rows = view.features(telling(watches()))
    assert {one["segment"] for one in folded(rows).rows} == {"", "north", "south", "east"}
    late = [{**one, "alarm": one["segment"] == "centre"} for one in rows]
    found = folded(late)
    assert names(found.more) == [("age", "west"), ("age", "centre")]
    assert (found.segments, found.moved) == (2, 1)
    assert folded(rows, len(rows)).more == []

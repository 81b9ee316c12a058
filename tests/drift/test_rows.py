"""Rows come in many forms; whatever one is, it is read or refused, and never raises."""

from collections import ChainMap, OrderedDict, UserDict, defaultdict, namedtuple
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

from mlobs.drift.streams.rows import mapping_of, plain

INPUTS = ["x", "c"]
WANTED = {"x": 0.5, "c": "a"}


@dataclass(slots=True)
class Slotted:
    x: float
    c: str


@dataclass
class Plain:
    x: float
    c: str


class Model(BaseModel):
    x: float
    c: str


class Lazy:
    """Features that are computed when one asks."""

    x = property(lambda self: 0.5)
    c = property(lambda self: "a")


RECORD = np.array([(0.5, "a")], dtype=[("x", "f8"), ("c", "U1")])
FRAME = pd.DataFrame({"c": ["a"], "x": [0.5]})


@pytest.mark.parametrize(
    "row",
    [
        WANTED,
        OrderedDict(WANTED),
        UserDict(WANTED),
        ChainMap({"x": 0.5}, {"c": "a"}),
        MappingProxyType(WANTED),
        defaultdict(int, WANTED),
        Slotted(0.5, "a"),
        Plain(0.5, "a"),
        Model(x=0.5, c="a"),
        Lazy(),
        SimpleNamespace(**WANTED),
        namedtuple("Named", ["c", "x"])("a", 0.5),  # noqa: PYI024
        next(FRAME.itertuples(index=False)),
        FRAME.iloc[0],
        RECORD[0],
        [0.5, "a"],
        (0.5, "a"),
        np.array([0.5, "a"], dtype=object),
    ],
    ids=lambda row: type(row).__name__,
)
def test_rows_of_every_form_are_read(row):
    """Services have dicts, models, records, vectors and frames' rows."""
    found = mapping_of(row, INPUTS)
    assert {name: found[name] for name in INPUTS} == WANTED


class Raising:
    def __getattribute__(self, name):
        raise RuntimeError("not today")


class RaisingMapping(UserDict):
    def __iter__(self):
        raise RuntimeError("not today")


CYCLIC: list = []
CYCLIC.append(CYCLIC)


@pytest.mark.parametrize(
    "row",
    [
        lambda: None,
        lambda: 5,
        lambda: "text",
        lambda: b"bytes",
        lambda: [1.0],
        lambda: object(),
        lambda: {1, 2},
        lambda: CYCLIC,
        lambda: np.zeros((2, 2, 2)),
        lambda: np.float64(1),
        lambda: Raising(),
        lambda: RaisingMapping(x=1),
        lambda: int,
        lambda: iter([1, 2]),
    ],
)
def test_what_is_no_row_is_none(row):
    """It is counted as unreadable; nothing may be dropped in silence."""
    assert mapping_of(row(), INPUTS) is None


def test_a_row_that_makes_its_own_values_is_not_changed():
    """Looking into a defaultdict must not put anything into it."""
    row = defaultdict(list, {"x": 0.5})
    assert mapping_of(row, INPUTS) == {"x": 0.5}
    assert dict(row) == {"x": 0.5}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(0.5, 0.5), (np.array([0.5]), 0.5), (np.array([[True]]), True), (np.str_("a"), "a"), (None, None)],
)
def test_an_output_of_one_value_is_that_value(given, wanted):
    """Models return arrays of one prediction."""
    assert plain(given) == wanted


def test_an_output_of_many_values_stays_as_it_is():
    """It will be counted as of another type."""
    many = np.array([0.1, 0.9])
    assert plain(many) is many

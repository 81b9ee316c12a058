"""Values are recorded as they were, and nothing a user hands over can hurt."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlobs
from mlobs.instrument.values import CHARACTERS_MAX, DEPTH_MAX, ITEMS_MAX, TEXTS_CHARACTERS_MAX, freeze

ANYTHING = st.recursive(
    st.none() | st.text(max_size=9) | st.integers() | st.floats() | st.binary(max_size=9) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(ANYTHING)
def test_anything_becomes_a_scalar_a_tuple_or_text(value):
    """Never an exception."""
    assert isinstance(freeze(value), bool | int | float | str | bytes | tuple)


@pytest.mark.parametrize(
    ("value", "frozen"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.True_, True),
        (np.float64(0.25), 0.25),
        (np.array([1, 2]), "array([1, 2])"),
        ([np.int64(1), "a"], (1, "a")),
        ({"a": {1}}, '{"a": "{1}"}'),
        (None, "None"),
    ],
)
def test_values_of_numpy_and_others_become_what_they_are(value, frozen):
    """A quoted repr of a number cannot be added up."""
    assert freeze(value) == frozen


def test_what_explodes_is_named():
    """Cyclic containers and broken reprs are somebody's bug, not ours to die of."""

    class Bomb:
        def __repr__(self):
            raise RuntimeError

    class Number(int):
        def __and__(self, other):
            raise RuntimeError

    cyclic: dict[str, object] = {}
    cyclic["me"] = cyclic
    endless: list[object] = []
    endless.append(endless)
    assert str(freeze(cyclic)).count("me") == DEPTH_MAX
    assert type(freeze(Number(5))) is int
    assert freeze(Bomb()) == "<Bomb that cannot be written: RuntimeError>"
    assert str(freeze(endless)).count("(") == DEPTH_MAX


def test_a_number_of_any_size_costs_no_span(sink):
    """Python refuses to write one of more than 4,300 digits."""

    @mlobs.step
    def count(number):
        mlobs.set({"number": number})

    count(10**30)
    count(10**5000)
    assert mlobs.flush()
    found = [span.attributes["number"] for span in sink.named("step count", count=2)]
    assert found == [str(10**30), "<int that cannot be written: ValueError>"]


def test_what_is_long_is_cut_with_a_mark():
    """A prompt of 50 MB stays in the process."""
    text = freeze("x" * 50_000_000)
    assert (len(text), text[-1]) == (CHARACTERS_MAX, "…")
    assert len(freeze(list(range(10**6)))) == ITEMS_MAX


class Counted(list):
    """A list that counts how many of its items were asked for."""

    asked = 0

    def __iter__(self):
        for item in super().__iter__():
            Counted.asked += 1
            yield item


def leaves(value):
    """Return how many scalars are in a frozen value."""
    return sum(map(leaves, value)) if isinstance(value, tuple) else 1


@pytest.mark.parametrize("shape", [(1000, 1000), (100, 100, 100), (10**6,)])
def test_of_a_matrix_no_more_is_looked_at_than_is_kept(shape):
    """A thousand lists of a thousand numbers are a million numbers, on the request's own thread."""
    value = 1.0
    for size in reversed(shape):
        value = Counted([value] * size)
    for shown in (value, {"matrix": value}):
        Counted.asked = 0
        frozen = freeze(shown)
        assert Counted.asked <= 2 * ITEMS_MAX
        assert leaves(frozen) <= ITEMS_MAX


def test_of_a_large_dict_no_more_is_looked_at_than_is_kept():
    """What does not fit is told as such, and the JSON stays whole."""
    frozen = str(freeze({"all": {str(number): "v" for number in range(50_000)}}))
    assert len(json.loads(frozen)["all"]) == ITEMS_MAX
    assert "…" in json.loads(frozen)["all"]
    texts = freeze(["x" * CHARACTERS_MAX] * ITEMS_MAX)
    assert sum(map(len, texts)) <= TEXTS_CHARACTERS_MAX


def test_keys_of_any_kind_are_written():
    """Programs count by tuples and dates."""
    assert freeze({(1, 2): 1, None: 2, 3: {"s": "t"}}) == '{"(1, 2)": 1, "null": 2, "3": {"s": "t"}}'


def test_attributes_are_what_they_were_when_they_were_set(sink):
    """A list that is emptied afterwards was full then."""

    @mlobs.tool
    def work():
        found = [1, 2]
        mlobs.set({"found": found, 7: np.int64(3)})
        found.clear()

    work()
    assert mlobs.flush()
    assert {"found": [1, 2], "7": 3}.items() <= sink.spans()[0].attributes.items()


def test_nonsense_as_attributes_never_raises(sink, caplog):
    """Telemetry is a guest in the user's program."""

    @mlobs.agent
    def work():
        mlobs.set(5)
        mlobs.set(None)
        with mlobs.session("s", tags=["a"]), mlobs.span("inner", 5):
            return 1

    assert work() == 1
    assert mlobs.flush()
    assert {span.name for span in sink.spans()} == {"invoke_agent work", "inner"}
    assert "setting attributes" in caplog.text

"""The fast way from rows to bins ends where the slow way ends, whatever the values are."""

import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlobs.drift.bins import Bins
from mlobs.drift.columns import from_values
from mlobs.drift.profile import Profile
from mlobs.drift.streams.places import Placer
from tests.examples import examples


class Hostile:
    """A value that raises whatever one asks it."""

    def __float__(self):
        raise RuntimeError("no number")

    def __str__(self):
        raise RuntimeError("no text")

    def __eq__(self, other):
        raise RuntimeError("no comparison")

    __hash__ = None


N = 4_000
RNG = np.random.default_rng(1)
DATA = {
    "x": RNG.normal(size=N),
    "k": RNG.integers(0, 5, N),
    "c": np.array(["a", "b", "c"])[RNG.integers(0, 3, N)],
    "b": RNG.random(N) < 0.3,
    "t": np.datetime64("2026-01-01T00:00:00") + RNG.integers(0, 10**6, N).astype("timedelta64[s]"),
    "v": RNG.normal(size=(N, 3)),
    "score": RNG.random(N),
}
PROFILE = Profile.of(DATA, model="m", prediction="score")
NUMBERS = (None, np.nan, np.inf, -np.inf, 0, True, 10**400, np.float32(0.5), Decimal("0.1"), "0.5", [], b"1")
VALUES = st.one_of(
    st.sampled_from(
        [*NUMBERS, "a", "new", "", np.str_("b"), np.bool_(True), datetime(2026, 1, 5, tzinfo=UTC), pd.NA]
    ),
    st.floats(),
    st.integers(-3, 8),
    st.lists(st.floats(width=32), min_size=3, max_size=3),
)


def number(value):
    """Return a value as a double if it is a number of any type; text is none."""
    try:
        return struct.unpack("d", struct.pack("d", value))[0]
    except (struct.error, TypeError, OverflowError):
        return value


def placer():
    bins = [Bins(feature) for feature in PROFILE.features.values()]
    return Placer(list(PROFILE.features), bins, given="score", known=[])


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(PROFILE.features, VALUES)), min_size=1, max_size=8))
@settings(max_examples=examples(150), deadline=None)
def test_rows_are_counted_as_their_values_are_one_by_one(rows):
    """Packing, comparing and learning are shortcuts and nothing else."""
    one = placer()
    places = one.of_rows(rows, None)
    for i, (name, bins) in enumerate(zip(one.names, one.bins, strict=True)):
        feature = bins.feature
        values = [
            number(row[name]) if feature.kind == "numeric" and name != "score" else row[name] for row in rows
        ]
        expected = [int(bins.of_values([value])[0]) for value in values]
        assert places[i].tolist() == expected, name


def test_batches_and_rows_are_counted_alike():
    """A nightly batch and a service that saw the same rows have the same counts."""
    frame = pd.DataFrame({name: list(values) for name, values in DATA.items()}).head(500)
    rows = frame.to_dict("records")
    from mlobs.drift.frames import Frame

    one = placer()
    places = one.of_columns(Frame(frame).columns, len(frame))
    assert (places == one.of_rows(rows, None)).all()


def test_values_that_raise_are_other_and_spoil_no_neighbour():
    """One odd row in a slice must not change what the others count as."""
    good = {name: values[0] for name, values in DATA.items()} | {"v": [0.0, 0.0, 0.0]}
    bad = {name: Hostile() for name in DATA}
    one = placer()
    alone = one.of_rows([good], None)
    mixed = one.of_rows([good, bad, good], None)
    assert (mixed[:, [0]] == alone).all()
    assert (mixed[:, [2]] == alone).all()
    assert [b.coarse_names[p] for b, p in zip(one.bins, mixed[:, 1], strict=True)] == ["__other__"] * 7


@pytest.mark.parametrize("missing", ["x", "k", "c", "b", "t", "v"])
def test_columns_that_are_missing_are_null_and_noted(missing):
    """A renamed column is the commonest fault, and must not look like an ordinary null."""
    row = dict.fromkeys(DATA)
    del row[missing]
    one = placer()
    places = one.of_rows([row, row], None)
    i = one.names.index(missing)
    assert one.bins[i].coarse_names[places[i, 0]] == "__null__"
    assert dict(one.missing) == {missing: 2}


def test_columns_the_profile_does_not_know_are_noted_and_bounded():
    """Their names come from whoever sends rows."""
    one = placer()
    row = dict.fromkeys(DATA)
    for i in range(100):
        one.of_rows([row | {f"new {i}": 1}], None)
    assert len(one.extra) == 20
    assert one.extra["new 0"] == 1


def test_strings_that_clients_make_long_are_not_kept():
    """Ten thousand levels of any length would be a way to fill the memory."""
    one = placer()
    for i in range(50):
        one.of_rows([dict.fromkeys(DATA) | {"c": f"{i}" + "x" * 100_000}], None)
    assert sum(map(len, one.bins[one.names.index("c")].table)) < 1_000
    assert all(len(level) <= 200 for learning in one._levels.values() for level in learning)


class Counting(dict):
    """A row that counts how often it was asked for a name."""

    asked = 0

    def __contains__(self, name):
        self.asked += 1
        return super().__contains__(name)

    def __iter__(self):
        for name in super().__iter__():
            self.asked += 1
            yield name


def test_a_row_of_very_many_columns_costs_no_more_than_those_that_are_kept():
    """Whoever sends rows may send any number of names, and all rows wait meanwhile."""
    one = placer()
    row = Counting(dict.fromkeys(DATA) | {f"new {i}": 1 for i in range(300_000)})
    one.of_rows([row] * 3, None)
    one.of_rows([row], None)
    assert row.asked < 300
    assert dict(one.extra) == {f"new {i}": 4 for i in range(20)}


KINDS = Profile.of(
    DATA
    | {
        "n": np.array(["1", "2", "true", "x"])[RNG.integers(0, 4, N)],
        "w": np.array([f"a longer text {i} {'y' * int(k)}" for i, k in enumerate(RNG.integers(1, 50, N))]),
    },
    model="m",
    text=["w"],
)
COLUMNS = {
    "booleans": [True, False, None],
    "0 and 1": [1, 0, 2],
    "0.0 and 1.0": [1.0, 0.0, None, 0.5],
    "seconds": [1_767_225_600, 1_767_800_000, 5],
    "texts": ["1", "true", "a", "zzz", None],
    "times as text": ["2026-01-05T00:00:00", "2026-01-06", "no time", None],
    "times": [datetime(2026, 1, 5, tzinfo=UTC), datetime(1999, 1, 5, tzinfo=UTC), None],
    "durations": [timedelta(seconds=1), timedelta(days=3)],
    "decimals": [Decimal(1), Decimal("0.5")],
    "vectors": [[0.0, 0.0, 0.1], [5.0, 5.0, 5.0]],
    "short vectors": [[0.0], [5.0]],
    "nothing": [None, None],
}


@pytest.mark.parametrize("feature", sorted(KINDS.features))
@pytest.mark.parametrize("kind", COLUMNS)
def test_a_value_counts_alike_by_row_and_by_batch_whatever_column_it_is_in(feature, kind):
    """One service hands over dicts and another frames; both have the same profile."""
    values = COLUMNS[kind]
    bins = Bins(KINDS.features[feature])
    by_row, by_batch = (Placer([feature], [bins], given=None, known=[]) for _ in range(2))
    expected = by_row.of_rows([{feature: value} for value in values], None)
    found = by_batch.of_columns({feature: from_values(values)}, len(values))
    assert found.tolist() == expected.tolist()
    assert by_batch.wrong == by_row.wrong


@pytest.mark.parametrize(
    ("feature", "values", "wanted"),
    [
        ("x", [True], ["true"]),
        ("b", [1, 0.0, 2], ["true", "false", "__other__"]),
        ("n", [1, 3, True], ["1", "__other__", "true"]),
        ("t", ["yesterday", True], ["__other__", "__other__"]),
    ],
)
def test_values_of_another_type_count_where_they_mean_the_same(feature, values, wanted):
    """The rule itself, by row; that batches follow it is said above."""
    bins = Bins(KINDS.features[feature])
    one = Placer([feature], [bins], given=None, known=[])
    found = [bins.coarse_names[p] for p in one.of_rows([{feature: value} for value in values], None)[0]]
    if feature == "x":
        wanted = [bins.coarse_names[bins.of_values([1.0])[0]]]
    assert found == wanted

"""Every kind of column has its bins, the same ones whatever the data comes in."""

import datetime as dt
import json
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlobs.drift.bins import Bins
from mlobs.drift.columns import from_values
from mlobs.drift.feature import ABOVE, BELOW, NULL, OTHER, REST
from mlobs.drift.profile import Profile
from mlobs.errors import DataError, ProfileError
from tests.examples import examples

N = 4_000


def online(feature, values):
    """Return which online bins the values are in, by name."""
    bins = Bins(feature)
    return [bins.coarse_names[place] for place in bins.of_values(values)]


@pytest.fixture(scope="module")
def table():
    """Return a column of each kind, some values missing."""
    rng = np.random.default_rng(1)
    start = dt.datetime(2025, 1, 1)  # noqa: DTZ001 naive on purpose
    moments = [start + dt.timedelta(minutes=int(m)) for m in rng.integers(0, 1e6, N)]

    def gaps():
        return rng.random(N) < 0.1

    words = ["lorem", "ipsum", "dolor", "sit", "amet"]
    notes = [f"{i} " + " ".join(rng.choice(words, int(k))) for i, k in enumerate(rng.integers(4, 40, N))]
    return pa.table(
        {
            "x": pa.array(rng.normal(size=N), mask=gaps()),
            "few": pa.array(rng.integers(0, 9, N), mask=gaps()),
            "many": pa.array(rng.integers(0, 10_000, N), mask=gaps()),
            "c": pa.array(np.array(["a", "bb", "c"])[rng.integers(0, 3, N)], mask=gaps()),
            "b": pa.array(rng.random(N) < 0.3, mask=gaps()),
            "at": pa.array(moments, pa.timestamp("us"), mask=gaps()),
            "zoned": pa.array(moments, pa.timestamp("us", "Europe/Berlin"), mask=gaps()),
            "note": pa.array(notes, mask=gaps()),
            "emb": pa.array(rng.normal(size=(N, 4)).astype("f4").tolist(), pa.list_(pa.float32())),
        }
    )


FORMS = {
    "pandas": lambda t: t.to_pandas(),
    "pandas with an index": lambda t: t.to_pandas().set_index(pd.Index(range(N, 0, -1), name="row")),
    "pandas on arrow": lambda t: t.to_pandas(types_mapper=pd.ArrowDtype),
    "polars": lambda t: pl.from_arrow(t),
    "polars series": lambda t: {s.name: s for s in pl.from_arrow(t)},
    "python rows": lambda t: t.to_pylist(),
    "python columns": lambda t: t.to_pydict(),
    "numpy": lambda t: {name: t.to_pandas()[name].to_numpy() for name in t.column_names},
    "arrow columns": lambda t: dict(zip(t.column_names, t.columns, strict=True)),
    "arrow in milliseconds": lambda t: t.set_column(5, "at", t.column("at").cast(pa.timestamp("ms"))),
    "arrow of fixed width": lambda t: t.set_column(8, "emb", t.column("emb").cast(pa.list_(pa.float32(), 4))),
    "arrow with a dictionary": lambda t: t.set_column(3, "c", t["c"].combine_chunks().dictionary_encode()),
    "arrow in chunks": lambda t: pa.concat_tables([t.slice(0, 1_234), t.slice(1_234)]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_data_gives_the_same_profile(table, form):
    """A team that moves from pandas to polars keeps its reference."""
    assert Profile.of(FORMS[form](table), time="at") == Profile.of(table, time="at")


def test_each_column_has_the_kind_and_the_type_it_looks_like(table):
    """The kinds decide how a column is counted, the types what a schema check says."""
    found = {name: (f.kind, f.dtype, f.discrete) for name, f in Profile.of(table).features.items()}
    assert found == {
        "x": ("numeric", "float64", False),
        "few": ("numeric", "int64", True),
        "many": ("numeric", "int64", False),
        "c": ("categorical", "string", False),
        "b": ("boolean", "bool", False),
        "at": ("datetime", "timestamp", False),
        "zoned": ("datetime", "timestamp[UTC]", False),
        "note": ("text", "string", False),
        "emb": ("embedding", "vector[4]", False),
    }


def test_a_value_between_known_integers_is_unseen():
    """A code that the training data did not have is news, though it lies inside the range."""
    feature = Profile.of({"code": [1, 2, 10] * 400}).features["code"]
    assert feature.discrete
    assert online(feature, [1, 2, 10, 5, 0, 11, None, 2.5]) == [
        "00",
        "01",
        "02",
        OTHER,
        BELOW,
        ABOVE,
        NULL,
        OTHER,
    ]


def test_integers_with_few_rows_each_are_not_called_codes():
    """Else most of the next rows would look unseen."""
    assert not Profile.of({"age": list(range(60))}).features["age"].discrete


def test_times_are_counted_by_the_instant_whatever_zone_they_come_in():
    """A service in another zone is not a drift."""
    start = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    moments = [start + dt.timedelta(minutes=k) for k in range(10_000)]
    feature = Profile.of({"at": moments}).features["at"]
    there = moments[4_000].astimezone(ZoneInfo("America/New_York"))
    forms = [
        there,
        moments[4_000].replace(tzinfo=None),
        there.isoformat(),
        np.datetime64("2025-01-03T18:40"),
        pd.Timestamp(there),
        moments[4_000].timestamp(),
    ]
    assert len(set(online(feature, forms))) == 1
    assert online(feature, [dt.date(1999, 1, 1), dt.date(2030, 1, 1), pd.NaT, "soon"]) == [
        BELOW,
        ABOVE,
        NULL,
        OTHER,
    ]


def test_text_is_counted_by_its_length():
    """A truncated field upstream shows."""
    rng = np.random.default_rng(1)
    notes = [f"{i:06d}" + "x" * int(k) for i, k in enumerate(rng.integers(20, 400, N))]
    feature = Profile.of({"note": notes}).features["note"]
    assert feature.kind == "text"
    assert online(feature, ["", "x" * 9_999, None, 7]) == [BELOW, ABOVE, NULL, OTHER]
    assert feature.mean == pytest.approx(216, abs=8)


def test_an_id_is_left_out_unless_it_is_asked_for():
    """Nearly everything is unseen in it, always."""
    data = {"id": [f"user-{i}" for i in range(N)], "x": np.arange(N) % 500}
    profile = Profile.of(data)
    assert list(profile.features) == ["x"]
    assert profile.excluded["id"].startswith("nearly every value is unique")
    assert Profile.of(data, columns=["id"]).features["id"].kind == "categorical"
    assert Profile.of(data, text=["id"]).features["id"].kind == "text"


def test_numbers_can_be_counted_by_value():
    """Zip codes are no quantity. Services have them as integers, floats or texts."""
    feature = Profile.of({"zip": [80331, 10115, None] * 500}, categorical=["zip"]).features["zip"]
    assert (feature.kind, feature.dtype, set(feature.levels)) == ("categorical", "int64", {"80331", "10115"})
    assert online(feature, [80331, 80331.0, "80331", 5, None]) == ["80331", "80331", "80331", OTHER, NULL]
    bins = Bins(feature)
    assert bins.of_column(from_values([80331.0, None])).tolist() == [bins.table["80331"], bins.null]


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"categorical": ["emb"]}, r"'emb' holds vector\[4\], which cannot be counted by value"),
        ({"categorical": ["at"]}, "'at' holds timestamp, which cannot be counted by value"),
        ({"text": ["x"]}, "'x' holds float64, which has no length"),
        ({"text": ["nix"]}, "The data has no column 'nix'"),
        ({"time": "c"}, "'c' holds string, so it cannot say when a row came"),
        ({"season": True}, "need the column of the times"),
        ({"by": ["emb"]}, "Segments can be made by"),
        ({"exclude": ["x"], "target": "x"}, "'x' cannot be profiled: left out on request"),
    ],
)
def test_what_a_column_cannot_do_is_refused_with_a_sentence(table, wanted, sentence):
    """Before a monitor counts nonsense for a year."""
    with pytest.raises(ProfileError, match=sentence):
        Profile.of(table, **wanted)


def test_values_of_several_types_are_counted_by_their_text():
    """Nothing is lost, and the type says so."""
    feature = Profile.of({"m": [1, "a", 2.5, None] * 200}).features["m"]
    assert (feature.kind, feature.dtype) == ("categorical", "mixed")
    assert set(feature.levels) == {"1", "a", "2.5"}


def test_decimals_durations_and_times_of_day_are_numbers():
    """Seconds, where there is a unit."""
    data = {
        "price": [Decimal("1.50"), None] * 50,
        "took": [dt.timedelta(seconds=90), None] * 50,
        "opens": [dt.time(8, 30), None] * 50,
    }
    for form in (data, pa.table(data)):
        found = Profile.of(form).features
        assert [(f.dtype, f.mean) for f in found.values()] == [
            ("float64", 1.5),
            ("duration", 90.0),
            ("time", 30_600.0),
        ]


def test_a_part_of_the_data_without_any_value_has_no_type_of_its_own():
    """A month in which a column was empty is all nulls, in whatever type the reader gave it."""
    first = pa.table({"x": pa.nulls(70_000)})
    for column in (pa.array(np.arange(70_000.0)), pa.array(["a", "b"] * 35_000), pa.array([True] * 70_000)):
        feature = Profile.of(Batches(first, pa.table({"x": column}))).features["x"]
        assert feature.counts[-2] == pytest.approx(35_000, rel=0.02)


def test_a_column_that_changes_its_kind_or_is_missing_in_a_part_is_refused():
    """Half a reference is none."""
    number, text = pa.table({"x": np.arange(100) % 50}), pa.table({"x": ["a"] * 100})
    with pytest.raises(DataError, match="Column 'x' cannot be profiled: its kind changes"):
        Profile.of(Batches(number, text))
    with pytest.raises(DataError, match="Column 'x' is missing from row 100 on"):
        Profile.of(Batches(number, pa.table({"y": [1]})))


@pytest.mark.slow
def test_a_million_new_categories_take_bounded_room(tmp_path):
    """An attacker's labels, or a bug that puts an id in a category."""
    rng = np.random.default_rng(1)
    n = 1_000_000
    common = np.array(["a", "b"])[rng.integers(0, 2, n)]
    data = {"c": pa.array(np.where(np.arange(n) % 2, common, np.arange(n).astype(str)))}
    profile = Profile.of(data)
    profile.write(tmp_path / "p.json")
    assert (tmp_path / "p.json").stat().st_size < 8_000
    feature = profile.features["c"]
    assert feature.counts[-1] / feature.rows == pytest.approx(0.5, abs=0.01)
    bins = Bins(feature)
    bins.of_values([f"new-{i}" for i in range(50_000)])
    assert len(bins.table) <= 10_000


class Batches:
    """Some tables, one batch each."""

    yields_batches = True

    def __init__(self, *tables):
        from mlobs.drift.frames import Frame

        self.frames = [Frame(table) for table in tables]

    def __iter__(self):
        for frame in self.frames:
            frame_rows = list(frame)
            yield from frame_rows


SCALARS = {
    "floats": st.floats(),
    "integers": st.integers(),
    "texts": st.text(max_size=8),
    "booleans": st.booleans(),
    "times": st.datetimes(),
    "zoned": st.datetimes(timezones=st.just(dt.UTC)),
    "dates": st.dates(),
    "durations": st.timedeltas(),
    "vectors": st.lists(st.floats(), min_size=2, max_size=2),
    "decimals": st.decimals(),
    "mixed": st.one_of(st.integers(), st.text(max_size=3), st.floats(), st.booleans()),
}


@settings(deadline=None, max_examples=examples(300))
@given(st.sampled_from(sorted(SCALARS)), st.data())
def test_any_column_gives_a_profile_that_counts_its_own_rows(kind, data):
    """Whatever the values are: no crash, every row in one bin, and the file says the same."""
    values = data.draw(st.lists(st.none() | SCALARS[kind], min_size=1, max_size=40))
    bins = data.draw(st.sampled_from([2, 10, 64]))
    profile = Profile.of({"v": values}, bins=bins)
    feature = profile.features["v"]
    made = Bins(feature)
    same = Profile.of({"v": values}, like=profile).features["v"]
    assert sum(same.counts) == len(values)
    live = np.bincount(made.of_values(values), minlength=len(made.coarse_names))
    assert live.sum() == len(values)
    assert Profile.parse(json.loads(profile.model_dump_json())) == profile
    if kind != "mixed":
        assert live.tolist() == made.coarse(same.counts).tolist()


def test_rest_is_a_level_that_the_reference_had_and_no_bin_of_its_own():
    """And the names and fingerprints together stay small."""
    levels = [f"a rather long name of level number {i:04d}" for i in range(300)]
    feature = Profile.of({"c": levels * 10}, bins=10).features["c"]
    assert set(online(feature, levels)) <= {*feature.levels[:8], REST, OTHER}
    assert len(feature.model_dump_json(exclude_defaults=True)) < 1024

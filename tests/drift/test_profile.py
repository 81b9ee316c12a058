"""What a profile keeps of the training data, and what it refuses."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlobs.drift.bins import Bins
from mlobs.drift.check import check
from mlobs.drift.columns import Numbers
from mlobs.drift.feature import ABOVE, BELOW, NULL, OTHER, REST, Feature
from mlobs.drift.profile import Profile
from mlobs.errors import DataError, ProfileError


def online(feature, values):
    """Return which online bins the values are in, by name."""
    bins = Bins(feature)
    return [bins.coarse_names[place] for place in bins.of_values(values)]


def test_a_profile_written_and_read_is_the_same_one(tmp_path):
    """And it has the same ref, under which its metrics go out."""
    made = Profile.of(
        {"x": np.arange(1_000.0), "c": ["a", "b"] * 500, "f": [True, None] * 500}, model="churn@7"
    )
    made.write(tmp_path / "p.json")
    again = Profile.read(tmp_path / "p.json")
    assert again == made
    assert again.ref == made.ref
    assert len(made.ref) == 8


def test_ref_changes_with_the_data_and_not_with_the_name():
    """Counts by different bins must never be added up."""
    x = np.arange(1_000.0)
    assert Profile.of({"x": x}).ref == Profile.of({"x": x}, model="churn@7").ref
    assert Profile.of({"x": x}).ref != Profile.of({"x": x + 1}).ref


def test_a_feature_takes_less_than_a_kilobyte_at_ten_bins(tmp_path):
    """Profiles travel in containers and configuration maps."""
    rng = np.random.default_rng(1)
    levels = [f"level-{i:03d}" for i in rng.integers(0, 500, 50_000)]
    data = {"x": rng.normal(size=50_000), "big": rng.lognormal(12, 3, 50_000), "many": levels}
    Profile.of(data, bins=10).write(tmp_path / "p.json")
    lines = [line for line in (tmp_path / "p.json").read_text().splitlines() if '"kind"' in line]
    assert len(lines) == 3
    assert all(len(line) < 1024 for line in lines)


def test_online_bins_are_runs_of_fine_bins_with_about_a_tenth_each():
    """So live counts and batch counts can be compared without the data."""
    feature = Profile.of({"x": np.random.default_rng(2).normal(size=100_000)}).features["x"]
    bins = Bins(feature)
    shares = bins.coarse(feature.counts)[1:-3] / feature.rows
    assert len(feature.edges) == 65
    assert len(shares) == 10
    assert shares == pytest.approx(0.1, abs=0.02)
    values = [-99.0, -0.5, 0.1, 99.0, None]
    fine = bins.of_column(Numbers(np.array([-99.0, -0.5, 0.1, 99.0, np.nan])))
    assert [bins.coarse_names[i] for i in bins.group[fine]] == online(feature, values)


def test_counts_come_from_the_rows_that_did_not_choose_the_bins():
    """Edges fitted to the same rows would make the reference look too even."""
    profile = Profile.of({"x": np.random.default_rng(2).normal(size=10_000)})
    assert profile.rows == 10_000
    assert 4_800 < profile.features["x"].rows < 5_200  # 4 standard deviations of a fair coin


def test_values_outside_missing_or_of_another_type_have_their_own_bins():
    """A new range, a broken join and a wrong type are different stories."""
    feature = Profile.of({"x": np.arange(1_000.0)}).features["x"]
    values = [-1.0, 1e300, float("inf"), float("-inf"), None, float("nan"), "12", 10**400, True]
    assert online(feature, values) == [BELOW, ABOVE, ABOVE, BELOW, NULL, NULL, OTHER, ABOVE, "00"]


def test_a_rare_level_is_not_an_unseen_one():
    """The first is life; the second is often a bug upstream."""
    common = ["c0"] * 2_000 + [f"c{i}" for i in range(64)] * 400
    rare = [f"r{i}" for i in range(50)] * 40
    feature = Profile.of({"c": common + rare}).features["c"]
    assert online(feature, ["c0", "r7", "never", None, 5]) == ["c0", REST, OTHER, NULL, OTHER]
    assert feature.counts[-1] == 0


def test_levels_of_an_id_column_are_new_in_the_reference_too():
    """So a column that is always new does not count as changed when it is new again."""
    feature = Profile.of({"id": [f"user-{i}" for i in range(20_000)]}, columns=["id"]).features["id"]
    assert feature.counts[-1] / feature.rows > 0.99


def test_few_distinct_integers_get_a_bin_each():
    """Ties must not be torn apart: a bin holds whole values."""
    feature = Profile.of({"n": [1, 2, 2, 3, 3, 3, 10] * 500}).features["n"]
    assert feature.edges == (1.0, 2.0, 3.0, 10.0, 10.0)
    shares = np.array(feature.counts[1:5]) / feature.rows
    # 7 standard deviations of the shares: which rows are counted is a matter of chance.
    assert shares == pytest.approx([1 / 7, 2 / 7, 3 / 7, 1 / 7], abs=0.08)
    assert feature.discrete
    assert online(feature, [1, 2, 2.5, 3, 10, 11]) == ["00", "01", OTHER, "02", "03", ABOVE]


def test_a_constant_has_one_bin_and_knows_what_is_not_in_it():
    """Constants that start to vary are worth knowing."""
    feature = Profile.of({"k": [7.0] * 100}).features["k"]
    assert online(feature, [7.0, 6.9, 7.1]) == ["00", BELOW, ABOVE]


@pytest.mark.parametrize("values", [[None] * 50, np.full(50, np.nan), pa.nulls(50)])
def test_a_column_of_nulls_has_no_bins_and_any_value_is_new(values):
    """A feed that comes alive is a change, too."""
    feature = Profile.of({"x": values}).features["x"]
    assert online(feature, [None, 1.0 if feature.kind == "numeric" else "a"]) == [NULL, OTHER]


def test_infinities_do_not_spoil_edges_and_moments():
    """One division by zero upstream must not cost the whole feature."""
    values = np.append(np.arange(1_000.0), [np.inf, -np.inf] * 20)
    feature = Profile.of({"x": values}).features["x"]
    assert np.isfinite(feature.edges).all()
    assert feature.mean == pytest.approx(499.5, abs=40)
    assert feature.counts[0] > 0


def test_booleans_are_two_levels():
    """From frames and from services, where they come as numbers at times."""
    feature = Profile.of({"b": [True, False, True, None] * 100}).features["b"]
    assert feature.kind == "boolean"
    assert online(feature, [True, 0, None, "true"]) == ["true", "false", NULL, OTHER]


def test_a_hostile_level_stays_short_and_off_the_reserved_names():
    """Levels become labels of metrics."""
    feature = Profile.of({"c": ["x" * 10_000, "__null__"] * 100}).features["c"]
    assert all(len(level) <= 64 for level in feature.levels)
    assert online(feature, ["x" * 10_000, "__null__"]) == sorted(feature.levels)[::-1]
    assert "__null__" not in feature.levels


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_handful_of_rows_makes_a_profile(rows):
    """It will say that it knows too little; it must not crash."""
    assert Profile.of({"x": np.arange(float(rows)), "c": ["a"] * rows}).rows == rows


def test_dependent_rows_are_noticed_and_independent_ones_are_not():
    """Bursts of 20 equal rows: counts vary about 20 times as much as those of independent rows."""
    rng = np.random.default_rng(4)
    free = rng.normal(size=60_000)
    bursts = np.repeat(rng.normal(size=3_000), 20)
    features = Profile.of({"free": free, "bursts": bursts}).features
    assert features["free"].design_effect == 1.0
    # The relative standard error is sqrt(2 / (9 * 60)) = 6 %, doubled by the correction.
    assert features["bursts"].design_effect == pytest.approx(20, rel=0.4)
    assert Profile.of({"bursts": bursts}, ordered=False).features["bursts"].design_effect is None


def test_what_cannot_be_counted_is_left_out_with_the_reason():
    """So nobody has to ask why a column has no drift."""
    table = pa.table({"x": [1, 2], "at": pa.array([1, 2], pa.timestamp("us")), "tags": [["a"], []]})
    profile = Profile.of(table.append_column("id", [["u", "v"]]), exclude=["id"])
    assert list(profile.features) == ["x", "at"]
    assert profile.excluded == {
        "id": "left out on request",
        "tags": "values of type list<item: string>",
    }


def test_the_prediction_column_is_found_or_named():
    """Prediction drift is reported under one name, whatever the column is called."""
    data = {"x": [1.0, 2.0], "score": [0.1, 0.2]}
    assert Profile.of(data).prediction is None
    assert Profile.of(data, prediction="score").prediction == "score"
    assert Profile.of({"x": [1.0], "prediction": [0.1]}).prediction == "prediction"
    with pytest.raises(ProfileError, match="The prediction is in column 'score', but there is a column"):
        Profile.of({**data, "prediction": [1.0, 1.0]}, prediction="score")


def test_a_column_that_is_not_there_is_named_with_those_there_are():
    """The reader should see the typo without opening the file."""
    with pytest.raises(ProfileError, match=r"no column 'y'. Columns found: c, x\."):
        Profile.of({"x": [1.0], "c": ["a"]}, columns=["x", "y"])


def test_no_rows_are_refused():
    """A profile of nothing would call everything drifted."""
    with pytest.raises(DataError, match="The data has no rows"):
        Profile.of({"x": []})


def test_a_profile_of_a_newer_format_is_refused_with_a_sentence(tmp_path):
    """Fleets upgrade one service at a time."""
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"format": 3, "rows": 1, "features": {}}))
    with pytest.raises(ProfileError, match=r"has format 3; this mlobs reads formats up to 2\. Upgrade mlobs"):
        Profile.read(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is not a profile: Expecting"),
        ("[]", "is not a profile: the document"),
        ('{"rows": 1, "features": {"x": {"kind": "odd", "counts": []}}}', r"features\.x\.kind"),
        ('{"rows": 1, "features": {"x": {"kind": "numeric", "counts": [1]}}}', "the bins of 'x' do not fit"),
    ],
)
def test_what_is_no_profile_is_refused_with_a_sentence(tmp_path, text, sentence):
    """Files get mixed up; a monitor must not start with half of one."""
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises((ProfileError, DataError), match=sentence):
        Profile.read(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 12) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.sampled_from(["x", "c"]), st.sampled_from(sorted(Feature.model_fields)), JSON)
def test_any_damage_to_a_profile_is_refused_or_harmless(column, key, value):
    """Whatever is read as a profile must be fit to count with."""
    found = Profile.of({"x": np.arange(100.0), "c": ["a", "b"] * 50}).model_dump(mode="json")
    found["features"][column][key] = value
    try:
        profile = Profile.parse(found)
    except ProfileError as error:
        assert "Make it anew with" in str(error)  # noqa: PT017 a refusal is one of two right answers
    else:
        assert check(profile, {"x": [1.0], "c": ["a"]}).rows == 1
        for feature in profile.features.values():
            bins = Bins(feature)
            places = bins.of_values([1.0, "a", None, True, [1.0]])
            assert bins.coarse(feature.counts).sum() == feature.rows
            assert places.max() < len(bins.coarse_names) == feature.online_bins


def test_a_missing_profile_says_how_to_make_one(tmp_path):
    """The first thing a newcomer meets."""
    with pytest.raises(
        DataError, match=r"cannot be read: No such file or directory\. Make one with: mlobs drift"
    ):
        Profile.read(tmp_path / "none.json")

"""Segments, errors of a model, and profiles that are counted alike and merged."""

import numpy as np
import pytest

from mlobs.drift.columns import from_values
from mlobs.drift.profile import Profile
from mlobs.drift.quality import error_of
from mlobs.drift.segments import label_of
from mlobs.drift.streams.segments import Segments
from mlobs.errors import DataError, ProfileError

N = 20_000


def rows(seed=1, n=N):
    rng = np.random.default_rng(seed)
    chance = rng.random(n)
    return {
        "at": np.arange(n) * 60.0,
        "x": rng.normal(2, 3, n),
        "country": np.array(["DE", "FR", None], dtype=object)[rng.integers(0, 3, n)],
        "tier": rng.integers(1, 3, n),
        "e": rng.normal(size=(n, 6)).astype(np.float32),
        "score": chance,
        "churned": rng.random(n) < chance,
    }


OPTIONS = {
    "by": ["country", "tier"],
    "prediction": "score",
    "target": "churned",
    "time": "at",
    "season": True,
}


@pytest.fixture(scope="module")
def profile():
    return Profile.of(rows(), model="churn@7", **OPTIONS)


def test_segments_add_up_to_the_whole(profile):
    """Every counted row is in one of them, by every feature."""
    assert set(profile.segments) == {"DE|1", "DE|2", "FR|1", "FR|2", "__null__|1", "__null__|2", "__rest__"}
    for name, feature in profile.features.items():
        parts = np.sum([counts[name] for counts in profile.segments.values()], axis=0)
        assert parts.sum() == feature.rows
        assert len(parts) == feature.online_bins
    assert sum(profile.segments["__rest__"]["x"]) == 0


def test_a_segment_is_named_by_its_values_as_a_row_has_them():
    """The monitor names those of live rows, and they must meet."""
    assert label_of(["DE", 1]) == label_of(["DE", 1.0]) == label_of(["DE", np.int64(1)]) == "DE|1"
    assert label_of([None, float("nan")]) == "__null__|__null__"
    assert label_of(["__rest__"]) == "=__rest__"


def test_no_two_segments_have_one_name():
    """A bar in a value must not move it into the next column."""
    names = [label_of(v) for v in (["a|b", "c"], ["a", "b|c"], ["a\\", "b|c"], ["a\\|b", "c"])]
    assert len(set(names)) == 4
    data = {"g": ["a|b", "a", "a"] * 100, "h": ["c", "b|c", None] * 100, "x": np.arange(300.0) % 7}
    profile = Profile.of(data, model="m", by=["g", "h"])
    sizes = {name: sum(counts["x"]) for name, counts in profile.segments.items()}
    assert set(sizes) == {label_of(["a|b", "c"]), label_of(["a", "b|c"]), label_of(["a", None]), "__rest__"}
    segments = Segments(profile, 20)
    rows = [{name: data[name][i] for name in ("g", "h")} for i in range(3)]
    columns = {name: from_values(data[name][:3]) for name in ("g", "h")}
    assert segments.of_rows(rows).tolist() == segments.of_columns(columns, 3).tolist()
    assert [segments.names[place] for place in segments.of_rows(rows)] == [
        label_of(row.values()) for row in rows
    ]


def test_long_values_of_segments_are_not_kept():
    """Clients choose what they send; ten thousand of any length would fill the memory."""
    profile = Profile.of({"g": ["a", "b"] * 100, "x": np.arange(200.0) % 7}, model="m", by=["g"])
    segments = Segments(profile, 20)
    assert segments.of_rows([{"g": "a"}, {"g": "c" * 100_000}]).tolist() == [0, 2]
    assert list(segments._learnt) == ["a"]


def test_segments_beyond_the_twentieth_are_one():
    """A label with a thousand values must not make a thousand monitors."""
    rng = np.random.default_rng(1)
    who = np.minimum(rng.geometric(0.1, N), 60)
    profile = Profile.of({"who": who, "x": rng.normal(size=N)}, by=["who"])
    assert len(profile.segments) == 21
    assert sum(profile.segments["__rest__"]["x"]) / profile.features["x"].rows == pytest.approx(
        0.9**20, abs=0.03
    )


def test_the_error_of_a_chance_is_the_truth_less_the_chance(profile):
    """Its mean is the calibration error, and its bins are a feature like any other."""
    error = profile.features["error"]
    assert error.kind == "numeric"
    assert abs(error.mean) < 0.01
    assert error.edges[0] >= -1
    assert error.edges[-1] <= 1


@pytest.mark.parametrize(
    ("target", "prediction", "kind", "right"),
    [
        ([1.0, 2.0, None] * 200, [1.5, 2.0, 3.0] * 200, "numeric", None),
        (["cat", "dog", None] * 200, ["cat", "cat", "dog"] * 200, "boolean", 0.5),
        ([1, 2, 3] * 200, ["1", "2", "4"] * 200, "boolean", 2 / 3),
        ([True, False] * 300, [True, True] * 300, "boolean", 0.5),
    ],
)
def test_other_errors_are_right_or_wrong(target, prediction, kind, right):
    """Classes are compared by their text."""
    feature = Profile.of({"prediction": prediction, "target": target}).features["error"]
    assert feature.kind == kind
    if right is not None:
        known = sum(feature.counts[:-2])
        assert feature.counts[feature.levels.index("true")] / known == pytest.approx(right, abs=0.08)
    errors = [error_of(kind, t, p) for t, p in zip(target, prediction, strict=True)]
    again = Profile.of({"error": errors, "x": [1] * len(errors)}).features["error"]
    assert (again.kind, again.counts) == (kind, feature.counts)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"error": [1.0] * N}, "Prediction and target make a feature 'error', but there is a column"),
        ({"target": [1.0] * N}, "The target is in column 'churned', but there is a column 'target' as well"),
    ],
)
def test_a_column_in_the_way_of_a_role_is_refused(more, sentence):
    """Two things under one name on the wire cannot be told apart."""
    with pytest.raises(ProfileError, match=sentence):
        Profile.of({**rows(), **more}, prediction="score", target="churned")


def test_profiles_of_the_parts_make_that_of_the_whole(profile):
    """A month at a time, or one by each of many workers."""
    data = rows(seed=2)
    whole = Profile.of(data, like=profile)
    parts = [
        Profile.of({k: v[s] for k, v in data.items()}, like=profile)
        for s in (slice(0, 7_000), slice(7_000, N))
    ]
    merged = parts[0].merge(parts[1])
    assert merged.rows == whole.rows == N
    assert merged.segments == whole.segments
    for name, feature in whole.features.items():
        found = merged.features[name]
        assert found.counts == feature.counts
        assert found.slots == feature.slots
        assert found.rows == N
        for moment in ("mean", "std", "spread"):
            if getattr(feature, moment) is not None:
                assert getattr(found, moment) == pytest.approx(getattr(feature, moment), rel=1e-5, abs=1e-5)
    assert merged.ref == whole.ref
    assert merged.model == "churn@7"


def test_the_order_of_merging_does_not_matter(profile):
    """Workers finish in any order."""
    parts = [Profile.of(rows(seed=seed, n=3_000), like=profile) for seed in (3, 4)]
    assert parts[0].merge(parts[1]).ref == parts[1].merge(parts[0]).ref


def test_profiles_of_other_bins_are_not_merged(profile):
    """Bin 03 of one is not bin 03 of the other."""
    with pytest.raises(ProfileError, match=r"cannot be merged: the bins of '\w+' differ.*--like"):
        profile.merge(Profile.of(rows(seed=5), **OPTIONS))
    with pytest.raises(ProfileError, match="cannot be merged: by is"):
        profile.merge(Profile.of(rows(), prediction="score", target="churned", time="at", season=True))
    with pytest.raises(ProfileError, match="cannot be merged: only one of them has 'y'"):
        Profile.of({"x": [1.0, 2.0]}).merge(Profile.of({"x": [1.0, 2.0], "y": [1.0, 2.0]}))


def test_data_that_does_not_fit_the_other_profile_is_refused(profile):
    """By the name of the column."""
    data = rows(seed=2)
    del data["x"]
    with pytest.raises(ProfileError, match="The data has no column 'x'"):
        Profile.of(data, like=profile)
    with pytest.raises(DataError, match="Column 'x' cannot be profiled: its kind changes"):
        Profile.of({**data, "x": ["a"] * N}, like=profile)


def test_a_file_with_segments_says_the_same_and_a_damaged_one_is_refused(profile, tmp_path):
    """One line a feature and one a segment: a person can read it."""
    profile.write(tmp_path / "p.json")
    assert Profile.read(tmp_path / "p.json") == profile
    text = (tmp_path / "p.json").read_text()
    assert len(text.splitlines()) < 60
    found = profile.model_dump(mode="json")
    found["segments"]["DE|1"]["x"] = [1]
    with pytest.raises(ProfileError, match=r"the segment 'DE\|1' does not fit"):
        Profile.parse(found)


@pytest.mark.slow
def test_ref_changes_with_whatever_changes_the_bins(profile):
    """And with the shares that live counts are compared with."""
    plain = Profile.of(rows())
    assert (
        len({p.ref for p in (profile, plain, Profile.of(rows(), by=["tier"]), Profile.of(rows(), bins=10))})
        == 4
    )
    unseasonal = Profile.of(rows(), **{**OPTIONS, "season": False})
    assert unseasonal.ref != profile.ref

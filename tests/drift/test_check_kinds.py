"""What a check says of each kind of column, of labels, segments and hours, and of bad input."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlobs.drift.check import check
from mlobs.drift.judging import UNPROVEN
from mlobs.drift.profile import Profile
from mlobs.errors import DataError, SettingError

N = 20_000
START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday


def only(report, column):
    [found] = [finding for finding in report.findings if finding.column == column]
    return found


def verdict(reference, live, **asked):
    return only(check(Profile.of({"x": reference}, **asked), {"x": live}), "x").verdict


def hours(count, start=START):
    return [start + timedelta(hours=float(h)) for h in count]


def test_times_are_told_as_times():
    """New rows come after old ones, and a reader wants to see dates."""
    rng = np.random.default_rng(1)
    reference = hours(rng.uniform(0, 1000, N))
    profile = Profile.of({"when": reference})
    assert not check(profile, {"when": hours(rng.uniform(0, 1000, N))}).moved
    found = only(check(profile, {"when": hours(rng.uniform(900, 1900, N))}), "when")
    assert (found.kind, found.verdict) == ("datetime", "drifted")
    assert found.outside_ratio == pytest.approx(0.9, abs=0.02)
    assert any("2026-" in move.bin for move in found.moves)


def test_texts_are_compared_by_length():
    """A free text of twice the length is drift; other words of the same length are not seen."""
    rng = np.random.default_rng(2)

    def texts(words, start):
        return [f"{i:06d} " + "word " * int(n) for i, n in enumerate(rng.poisson(words, 5_000), start)]

    profile = Profile.of({"note": texts(20, 0)}, text=["note"])
    assert not check(profile, {"note": texts(20, 10_000)}).moved
    found = only(check(profile, {"note": texts(40, 20_000)}), "note")
    assert (found.kind, found.verdict) == ("text", "drifted")
    assert found.mean == pytest.approx(2 * found.reference_mean, rel=0.1)


@pytest.mark.slow
def test_an_embedding_moves_with_its_cells_or_with_its_mean():
    """A new topic fills other cells; a shift that no cell shows is seen in the mean vector."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(8, 16)) * 4

    def vectors(n, weights=None, shift=0.0):
        return (centres[rng.choice(8, n, p=weights)] + rng.normal(size=(n, 16)) + shift).astype(np.float32)

    profile = Profile.of({"e": vectors(N)})
    calm = only(check(profile, {"e": vectors(N)}), "e")
    assert calm.verdict == "stable"
    assert calm.shift.at_least == 0
    assert calm.shift.debiased < calm.shift.seen
    topic = only(check(profile, {"e": vectors(N, [0.4, 0.3, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05])}), "e")
    assert topic.verdict == "drifted"
    assert topic.tv_lower_bound > 0.05
    mean = only(check(profile, {"e": vectors(N, shift=0.5)}), "e")
    assert mean.verdict == "drifted"
    assert mean.tv_lower_bound < mean.shift.at_least
    assert mean.shift.seen == pytest.approx(0.5 * 4 / profile.features["e"].spread, rel=0.1)
    wide = only(check(profile, {"e": np.zeros((N, 8), np.float32)}), "e")
    assert (wide.verdict, wide.reason) == (
        "schema change",
        "was vectors of 16 numbers, is vectors of 8 numbers",
    )


@pytest.mark.parametrize(
    ("reference", "live", "reason"),
    [
        (np.arange(N) % 7, np.arange(N) % 7 + 0.0, ""),
        (np.arange(N) % 7, np.arange(N) % 7 * 0.9, "was whole numbers, has fractions"),
        (np.arange(N) / 7, (np.arange(N) / 7).astype(str), "was numbers, is text"),
        (["a", "b"] * (N // 2), [1, 2] * (N // 2), "was text, is whole numbers"),
        ([True, False] * (N // 2), [1, 0] * (N // 2), "was true or false, is whole numbers"),
        (["a", "b"] * (N // 2), ["a", 1] * (N // 2), "was text, is values of several types"),
        (np.arange(N) % 99, hours(range(N)), "was whole numbers, is times with a zone"),
        (
            [t.replace(tzinfo=None) for t in hours(range(N))],
            hours(range(N)),
            "was times without a zone, is times with a zone",
        ),
        ([1.0] * N, [{"a": 1}] * N, "was whole numbers, is values of type dict"),
    ],
)
def test_a_changed_type_is_told_in_words(reference, live, reason):
    """Whole numbers that come as doubles have not changed; all else has, whatever can be counted."""
    found = only(check(Profile.of({"x": reference}), {"x": live}), "x")
    assert found.reason == reason
    assert (found.verdict == "schema change") is bool(reason)


def scored(n, seed, noise=0.1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return {"x": x, "score": x + rng.normal(size=n) * noise, "sold": x + 0.0}


@pytest.fixture(scope="module")
def judged():
    return Profile.of(scored(N, 1), prediction="score", target="sold")


def test_prediction_target_and_error_are_told_as_what_they_are(judged):
    """A model whose errors grow on unchanged features has drifted, and the report says where."""
    report = check(judged, scored(N, 2, noise=1.0))
    roles = {finding.column: finding.role for finding in report.findings}
    assert roles == {"x": "feature", "score": "prediction", "sold": "target", "error": "error"}
    assert report.columns("drifted") == ["error", "score"]


def test_labels_that_have_not_come_are_no_change_and_no_verdict(judged):
    """Labels come days later. Until then nothing can be said, least of all that all is well."""
    data = scored(N, 3)
    del data["sold"]
    report = check(judged, data)
    assert {f.column: f.verdict for f in report.findings} == {
        "x": "stable", "score": "stable", "sold": "insufficient data", "error": "insufficient data",
    }  # fmt: skip
    assert only(report, "sold").reason == "the data has no labels"
    assert not report.moved
    assert report.summary == (
        "No change is proven. 2 of 4 columns had no verdict for want of data: sold, error."
    )


def countries(n, seed, moved=0.0):
    rng = np.random.default_rng(seed)
    country = rng.choice(["DE", "FR", "US"], n, p=[0.5, 0.4, 0.1])
    x = rng.normal(size=n) + moved * (country == "US")
    return {"x": x, "country": country}


def test_a_segment_moves_where_all_rows_together_do_not():
    """A tenth of the rows moved by one standard deviation moves too little of all to be seen."""
    profile = Profile.of(countries(200_000, 1), by=["country"])
    report = check(profile, countries(50_000, 2, moved=1.0))
    assert report.columns("drifted") == []
    [first, *others] = report.segments
    assert first.label == "US"
    assert [finding.column for finding in first.drifted] == ["x"]
    assert first.ratio == pytest.approx(0.1, abs=0.01)
    assert first.reference_ratio == pytest.approx(0.1, abs=0.01)
    assert not any(one.drifted for one in others)
    assert report.moved
    assert "1 of 3 segments drifted: US." in report.summary
    assert not check(profile, countries(50_000, 3)).moved
    without = check(profile, {"x": countries(50_000, 4)["x"]})
    [note] = without.notes
    assert note.startswith("The segments by country were not compared: the data does not have the columns")
    assert note.endswith("Wanted: country.")


def seasonal(start_h, span_h, seed, n=N, moved=0.0):
    """A value that follows the hour of the day."""
    rng = np.random.default_rng(seed)
    hour = rng.uniform(start_h, start_h + span_h, n)
    wave = np.sin(2 * np.pi * hour / 24)
    return {"x": wave * 2 + rng.normal(size=n) + moved, "at": hours(hour)}


@pytest.mark.slow
def test_a_night_is_compared_with_nights():
    """One night of data differs from whole weeks, and not from other nights."""
    data = seasonal(0, 24 * 28, 1, n=400_000)
    plain, season = (Profile.of(data, time="at", season=s) for s in (False, True))
    night = seasonal(24 * 28 + 2, 4, 2)
    assert check(plain, night).columns("drifted") == ["x"]
    report = check(season, night)
    assert report.seasonal
    assert report.columns("drifted") == []
    moved = only(check(season, seasonal(24 * 28 + 2, 4, 3, moved=0.7)), "x")
    assert moved.verdict == "drifted"
    assert moved.distances.w1 == pytest.approx(0.7 / season.features["x"].std, rel=0.3)
    report = check(season, {"x": night["x"]})
    assert not report.seasonal
    assert report.notes[0].startswith(
        "The column 'at' is not there, so the rows were compared with the whole"
    )


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        ([], "insufficient data"),
        ([0.5], "insufficient data"),
        ([None] * N, "drifted"),
        (np.full(N, np.nan), "drifted"),
        (np.full(N, -np.inf), "drifted"),
        (np.full(N, 0.0), "drifted"),
        (pd.Series(["1", 2, None, 3.5] * (N // 4), dtype=object), "schema change"),
    ],
)
def test_bad_columns_of_numbers_have_a_verdict(live, wanted):
    """Empty, one row, nothing but nulls, constant, of several types."""
    reference = np.random.default_rng(1).normal(size=N)
    assert verdict(reference, live) == wanted


@pytest.mark.parametrize("reference", [[None] * N, np.full(N, 3.0), np.full(N, np.nan), [7.0], ["a"] * N])
@pytest.mark.parametrize("live", [[None] * N, np.full(N, 3.0), np.full(N, np.inf), [7.0], [], ["a"] * N])
def test_a_bad_reference_never_crashes_and_never_hides_a_change(reference, live):
    """Constant or empty references know less, and what they do not know is unseen or insufficient."""
    report = check(Profile.of({"x": reference}), {"x": live}, intervals=True, bars=True)
    json.dumps(report.to_json(), allow_nan=False)
    kinds = [{str(value) for value in values} - {"nan", "None"} for values in (reference, live)]
    same = kinds[0] == kinds[1] and len(live) > 1
    assert (only(report, "x").verdict == "stable") <= same


def test_new_categories_by_the_hundred_thousand_are_unseen():
    """They are counted as one thing, in bounded memory."""
    reference = np.array(["a", "b", "c"])[np.arange(N) % 3]
    live = pa.array([f"user-{i}" for i in range(200_000)])
    found = only(check(Profile.of({"x": reference}), {"x": live}), "x")
    assert found.verdict == "drifted"
    assert found.unseen_ratio == 1.0


@pytest.mark.slow
def test_ten_thousand_columns_are_judged():
    """A few thousand rows each are enough for a change of this size, also among so many."""
    rng = np.random.default_rng(4)
    names = [f"f{i}" for i in range(10_000)]
    profile = Profile.of(dict(zip(names, rng.normal(size=(10_000, 4_000)), strict=True)))
    live = dict(zip(names, rng.normal(size=(10_000, 4_000)), strict=True))
    live["f77"] = live["f77"] + 3
    report = check(profile, live)
    assert report.columns("drifted") == ["f77"]
    assert report.summary.startswith("1 of 10000 columns drifted: f77.")


def test_duplicate_columns_are_one_sentence():
    """Which of two columns of one name the model reads cannot be guessed."""
    frame = pd.DataFrame(np.zeros((3, 2)), columns=["x", "x"])
    with pytest.raises(DataError, match="more than one column named 'x'"):
        check(Profile.of({"x": [1.0, 2.0]}), frame)


def test_debiased_psi_is_zero_on_average_where_nothing_moved():
    """The plain value is above zero by chance, and by half a count, which is more in a small sample.

    The mean of 200 values with a standard deviation of about 0.005 has one of 0.0004.
    """
    rng = np.random.default_rng(5)
    profile = Profile.of({"x": rng.normal(size=200_000)})
    found = [only(check(profile, {"x": rng.normal(size=1_000)}), "x") for _ in range(200)]
    assert np.mean([f.distances.psi for f in found]) > 0.015
    assert abs(np.mean([f.psi_debiased for f in found])) < 0.0012


def test_what_is_more_than_chance_but_not_proven_is_not_called_stable():
    """Between proof and calm there is not knowing, and more rows settle it."""
    rng = np.random.default_rng(6)
    profile = Profile.of({f"f{i}": rng.normal(size=20_000) for i in range(50)})
    live = {f"f{i}": rng.normal(size=20_000) for i in range(50)}
    live["f7"] = live["f7"] + 0.4
    few = check(profile, {name: values[:700] for name, values in live.items()})
    assert few.columns("insufficient data") == ["f7"]
    assert only(few, "f7").reason.startswith(f"{UNPROVEN} (about ")
    assert only(few, "f7").distances.tv > 0.1
    assert "1 of 50 columns had no verdict for want of data: f7." in few.summary
    assert check(profile, live).columns("drifted") == ["f7"]


@pytest.mark.slow
def test_unchanged_data_is_stable_nearly_always():
    """Three sigma and the floor: of 500 columns at most one or two may be left open."""
    rng = np.random.default_rng(7)
    names = [f"f{i}" for i in range(500)]
    profile = Profile.of(dict(zip(names, rng.normal(size=(500, 10_000)), strict=True)))
    report = check(profile, dict(zip(names, rng.normal(size=(500, 3_000)), strict=True)), floor=0.0)
    assert report.columns("drifted") == []
    assert len(report.columns("stable")) >= 490


def test_a_learned_floor_is_what_the_days_of_the_reference_did():
    """Days that wander by themselves are no drift; a column whose days do not has a floor near zero."""
    rng = np.random.default_rng(8)
    days = np.repeat(np.arange(40), 4_000)
    at = hours(days * 24 + rng.uniform(0, 24, len(days)))
    data = {
        "wanders": rng.normal(size=len(days)) + rng.normal(size=40)[days] * 0.5,
        "calm": rng.normal(size=len(days)),
        "at": at,
    }
    profile = Profile.of(data, time="at")
    live = {"wanders": rng.normal(0.6, 1, 50_000), "calm": rng.normal(0.1, 1, 50_000)}
    report = check(profile, live, floor="learned")
    assert only(report, "wanders").floor > 0.1 > 0.03 > only(report, "calm").floor
    assert only(report, "wanders").verdict != "drifted"
    assert only(report, "calm").verdict == "drifted"
    assert "each column's learned share" in report.legend
    with pytest.raises(SettingError, match="floor='high' cannot be used"):
        check(profile, live, floor="high")


def test_a_rest_that_neither_side_has_is_no_segment():
    """Where every segment has a name of its own, there is no row left over."""
    rng = np.random.default_rng(5)
    data = {"x": rng.standard_normal(4_000), "country": rng.choice(["de", "fr"], 4_000)}
    report = check(Profile.of(data, by=["country"]), data)
    assert sorted(one.label for one in report.segments) == ["de", "fr"]
    gone = check(
        Profile.of(data, by=["country"]), {name: v[data["country"] == "de"] for name, v in data.items()}
    )
    assert sorted(one.label for one in gone.segments) == ["de", "fr"], "one that is gone is worth a line"

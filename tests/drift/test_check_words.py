"""What a check says besides its verdicts: how sure it is, and what a reader should know."""

import re

import numpy as np
import pandas as pd
import pytest

from mlobs.cli import main
from mlobs.drift.check import check
from mlobs.drift.judging import TOO_FEW, UNPROVEN
from mlobs.drift.measures import number
from mlobs.drift.profile import Profile
from mlobs.drift.report.page import page

N = 20_000


def only(report, column):
    [found] = [finding for finding in report.findings if finding.column == column]
    return found


def test_an_interval_above_the_floor_is_not_called_stable():
    """4,000 rows with a shift of a fifth: the interval excludes the floor, the proof does not."""
    rng = np.random.default_rng(1)
    profile = Profile.of({"x": rng.normal(size=4_000)})
    found = only(check(profile, {"x": rng.normal(0.2, 1, 4_000)}, intervals=True), "x")
    assert found.intervals["tv"][0] > 0.05
    assert found.verdict == "insufficient data"
    assert found.reason.startswith(UNPROVEN)


@pytest.mark.slow
def test_unchanged_columns_are_rarely_called_unsure():
    """Of 200 columns without a change, with a floor of zero at that."""
    rng = np.random.default_rng(2)
    profile = Profile.of({f"f{i}": rng.normal(size=N) for i in range(200)})
    live = {f"f{i}": rng.normal(size=N) for i in range(200)}
    assert len(check(profile, live, floor=0.0).columns("insufficient data")) < 5
    assert not check(profile, live).columns("insufficient data")


def test_a_mean_vector_that_moved_without_a_proof_is_not_called_stable():
    """The cells of k-means hardly see a small shift in all directions."""
    rng = np.random.default_rng(3)
    profile = Profile.of({"v": rng.normal(size=(4_000, 48)).astype(np.float32)})
    moved = check(profile, {"v": (rng.normal(size=(4_000, 48)) + 0.1).astype(np.float32)})
    assert only(moved, "v").verdict == "insufficient data"
    assert only(moved, "v").reason.startswith("mean vector 0.1")
    same = check(profile, {"v": rng.normal(size=(4_000, 48)).astype(np.float32)})
    assert only(same, "v").verdict == "stable"


def test_the_rows_that_would_do_are_told_and_do():
    """Also which design effect makes them so many."""
    rng = np.random.default_rng(4)
    profile = Profile.of({"x": np.repeat(rng.normal(size=20_000), 20)})
    effect = profile.features["x"].design_effect
    found = only(check(profile, {"x": rng.normal(size=200)}), "x")
    assert found.reason.startswith(f"{TOO_FEW} (about ")
    assert found.reason.endswith(f"design effect {effect:.1f})")
    wanted = int(found.reason.split("about ")[1].split()[0].replace(",", ""))
    assert only(check(profile, {"x": rng.normal(size=int(wanted * 1.1))}), "x").verdict == "stable"


def test_a_schema_change_does_not_hide_the_drift():
    """Whole numbers of few values that get fractions and move by half their range."""
    rng = np.random.default_rng(5)
    profile = Profile.of({"n": rng.integers(0, 10, N), "y": rng.normal(size=N)})
    live = {"n": np.where(rng.random(N) < 0.1, 0.5, rng.integers(6, 10, N)), "y": rng.normal(size=N)}
    report = check(profile, live)
    assert only(report, "n").reason == "was whole numbers, has fractions; drifted as well"
    assert only(report, "n").drifted
    assert report.summary == "1 of 2 columns changed type: n. 1 of 2 columns drifted: n."


def test_fractions_among_many_whole_numbers_are_a_note():
    """Floats may have been whole by chance, so the release goes on."""
    rng = np.random.default_rng(6)
    profile = Profile.of({"income": np.round(rng.normal(40_000, 9_000, N))})
    report = check(profile, {"income": rng.normal(40_000, 9_000, N)})
    assert only(report, "income").verdict == "stable"
    assert report.notes == ("The column 'income' held whole numbers and has fractions now.",)


def test_a_text_among_numbers_is_named():
    """The one value that must be repaired."""
    rng = np.random.default_rng(7)
    numbers = [f"{x:.6f}" for x in rng.normal(size=2_000)]
    profile = Profile.of({"x": rng.normal(size=2_000)})
    found = only(check(profile, {"x": ["N/A", *numbers[1:]]}), "x")
    assert found.reason == "was numbers, is text such as 'N/A'"
    left_out = Profile.of({"x": ["N/A", *numbers[1:]] * 2, "y": rng.normal(size=4_000)})
    assert "x" in left_out.features or "'N/A'" in left_out.excluded["x"]
    left_out = Profile.of({"x": ["N/A"] * 20 + numbers[20:], "y": rng.normal(size=2_000)})
    assert left_out.excluded["x"].startswith("numbers, but for texts such as 'N/A'")


def test_levels_too_rare_to_be_remembered_are_not_unseen():
    """A profile forgets most of ten thousand names, of its own rows too."""
    rng = np.random.default_rng(8)
    data = {"c": np.array([f"n{i}" for i in range(10_000)])[rng.integers(0, 10_000, 40_000)]}
    profile = Profile.of(data)
    assert only(check(profile, data), "c").unseen_ratio < 0.05
    new = {"c": np.where(np.arange(40_000) % 2, data["c"], "new")}
    assert only(check(profile, new), "c").unseen_ratio > 0


def test_a_missing_column_beside_a_new_one_of_nearly_its_name_is_asked_about():
    profile = Profile.of({"age": np.ones(N), "x": np.ones(N)})
    report = check(profile, {"Age": np.ones(N), "x": np.ones(N)})
    assert report.notes == ("The column 'age' is missing, and 'Age' is new: was it renamed?",)
    assert not check(profile, {"income": np.ones(N), "x": np.ones(N)}).notes


def test_a_learned_floor_that_nobody_learned_is_told():
    profile = Profile.of({"x": np.random.default_rng(9).normal(size=N)})
    [note] = check(profile, {"x": np.ones(N)}, floor="learned").notes
    assert note.startswith("The profile learned no floor of any column, so 0.05 was taken.")


def test_times_as_texts_give_the_hours_of_the_week_in_a_check_too():
    """As they do in a profile."""
    at = pd.date_range("2025-01-06", periods=N, freq="2min").strftime("%Y-%m-%dT%H:%M:%S").to_list()
    rng = np.random.default_rng(10)
    profile = Profile.of({"at": at, "x": rng.normal(size=N)}, time="at", season=True)
    report = check(profile, {"at": at, "x": rng.normal(size=N)})
    assert report.seasonal
    assert not report.notes
    report = check(profile, {"at": ["noon"] * N, "x": rng.normal(size=N)})
    assert "'at' holds no times" in report.notes[0]


def test_distances_are_at_most_one_in_their_intervals_too():
    profile = Profile.of({"c": ["a", "b"] * 5_000})
    found = only(check(profile, {"c": ["c", "d"] * 5_000}, intervals=True), "c")
    assert all(high <= 1 for name, (_, high) in found.intervals.items() if name in {"js", "tv", "ks"})


def test_one_column_is_not_one_of_one():
    profile = Profile.of({"x": np.random.default_rng(11).normal(size=N)})
    assert check(profile, {"x": np.ones(N)}).summary == "The only column drifted: x."


@pytest.mark.parametrize("option", [[], ["--wide"]])
def test_the_table_shows_the_floors_that_were_learned(tmp_path, capsys, option):
    at = pd.date_range("2025-01-01", periods=N, freq="1min")
    path, out = tmp_path / "a.parquet", str(tmp_path / "p.json")
    pd.DataFrame({"at": at, "x": np.random.default_rng(12).normal(size=N)}).to_parquet(path)
    main(["drift", "profile", str(path), "-o", out, "--time", "at"])
    capsys.readouterr()
    assert main(["drift", "check", out, str(path), "--floor", "learned", *option]) == 0
    assert " floor " in capsys.readouterr().out
    main(["drift", "check", out, str(path), *option])
    assert " floor " not in capsys.readouterr().out


def test_drift_without_a_schema_change_is_marked_too():
    profile = Profile.of({"x": np.random.default_rng(13).normal(size=N)})
    assert only(check(profile, {"x": np.ones(N)}), "x").drifted
    assert not only(check(profile, {"y": np.ones(N)}), "x").drifted


def test_numbers_are_shown_without_exponents_where_they_can_be_read():
    """An axis from 3.717e+04 to 6.2e+04 has to be translated."""
    assert [number(v, 4) for v in (37170.4, 1234567.0, 0.5, -37170.0)] == [
        "37170",
        "1234567",
        "0.5",
        "-37170",
    ]
    assert number(1e12) == "1e+12"


def test_an_interval_stands_behind_the_value_it_is_about():
    """The debiased index has one; the raw one may lie outside of it."""
    profile = Profile.of({"x": np.random.default_rng(14).normal(size=2_000)})
    report = check(profile, {"x": np.random.default_rng(15).normal(size=2_000)}, intervals=True, bars=True)
    html = page(report, data="x")
    assert re.search(r"<dt>PSI</dt><dd>[0-9.]+</dd>", html)
    assert re.search(r"<dt>PSI debiased</dt><dd>-?[0-9.]+ \[", html)
    assert "-0.0000" not in html

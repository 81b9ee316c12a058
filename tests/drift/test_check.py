"""What a check calls drifted, and what it refuses to judge."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from mlobs.cli import main
from mlobs.drift.check import check
from mlobs.drift.profile import Profile

N = 20_000


@pytest.fixture(scope="module")
def reference():
    rng = np.random.default_rng(1)
    return {
        "x": rng.normal(size=N),
        "c": np.array(["a", "b", "c"])[rng.integers(0, 3, N)],
        "b": rng.random(N) < 0.3,
    }


@pytest.fixture(scope="module")
def profile(reference):
    return Profile.of(reference, model="churn@7")


def fresh(seed=2, n=N):
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(size=n),
        "c": np.array(["a", "b", "c"])[rng.integers(0, 3, n)],
        "b": rng.random(n) < 0.3,
    }


def verdicts(report):
    return {finding.column: finding.verdict for finding in report.findings}


def test_new_rows_of_the_same_kind_are_stable(profile):
    """The common case, and the one that must not page."""
    report = check(profile, fresh())
    assert verdicts(report) == {"x": "stable", "c": "stable", "b": "stable"}
    assert not report.moved


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("x", lambda v: v + 0.5),
        ("x", lambda v: np.where(np.arange(len(v)) % 4, v, np.nan)),
        ("x", lambda v: np.where(np.arange(len(v)) % 4, v, np.inf)),
        ("c", lambda v: np.where(np.arange(len(v)) % 4, v, "never-seen")),
        ("b", lambda v: ~v),
    ],
)
def test_a_change_of_any_kind_is_found_and_comes_first(profile, column, change):
    """A shift, missing values, infinities, a new level, a switch turned round."""
    data = fresh()
    report = check(profile, {**data, column: change(data[column])})
    assert report.findings[0].column == column
    assert report.findings[0].verdict == "drifted"
    assert [f.verdict for f in report.findings[1:]] == ["stable", "stable"]
    assert report.findings[0].tv_lower_bound > report.floor
    assert report.findings[0].moves


def test_shares_of_missing_unseen_and_outside_values_are_told(profile):
    """They are the first question after an alarm."""
    data = fresh()
    data["x"][:2_000] = np.nan
    data["x"][2_000:3_000] = 1e9
    data["c"] = np.where(np.arange(N) < 4_000, "new", data["c"])
    found = {f.column: f for f in check(profile, data).findings}
    assert found["x"].missing_ratio == 0.1
    assert found["x"].outside_ratio == pytest.approx(0.05, abs=0.001)
    assert found["c"].unseen_ratio == 0.2
    assert found["c"].outside_ratio is None
    assert found["c"].distances.ks is None


@pytest.mark.parametrize("rows", [0, 1, 50])
def test_too_few_rows_are_insufficient_and_not_stable(profile, rows):
    """Silence from a check must mean that it looked."""
    report = check(profile, fresh(n=rows))
    assert set(verdicts(report).values()) == {"insufficient data"}
    assert not report.judged


@pytest.mark.slow
def test_false_verdicts_are_rarer_than_promised():
    """At floor 0 and error 5 %, at most 5 % of checks of unchanged data may call any column drifted.

    Of 300 checks of three columns that is 15; 29 or more would happen to a correct test with a
    probability below 0.001 (binomial).
    """
    rng = np.random.default_rng(9)
    wrong = 0
    for _ in range(300):
        data = {name: rng.integers(0, 4, 2_000) for name in "xyz"}
        live = {name: rng.integers(0, 4, 2_000) for name in "xyz"}
        wrong += check(Profile.of(data), live, floor=0.0, error=0.05).moved
    assert wrong < 29


def test_a_missing_column_is_a_schema_change_and_the_others_are_still_judged(profile):
    """What a model reads is gone: that is a finding, and no reason to look at nothing else."""
    data = fresh()
    report = check(profile, {"X": data["x"], "c": data["c"]})
    assert verdicts(report) == {"b": "schema change", "x": "schema change", "c": "stable", "X": "new column"}
    assert {f.reason for f in report.findings if f.verdict == "schema change"} == {"missing column"}
    assert report.moved
    assert report.summary == "2 of 3 columns are missing: x, b."
    json.dumps(report.to_json(), allow_nan=False)


def test_a_changed_kind_moves_and_a_new_column_is_only_told(profile):
    """The model reads the one and not the other; columns left out on purpose are not even told."""
    report = check(profile, {**fresh(), "b": fresh()["b"].astype(float)})
    assert {f.column: f.reason for f in report.findings if f.verdict == "schema change"} == {
        "b": "was true or false, is numbers"
    }
    assert report.moved
    assert report.summary == "1 of 3 columns changed type: b."
    report = check(profile, {**fresh(), "extra": np.ones(N)})
    assert report.columns("new column") == ["extra"]
    assert not report.moved
    assert report.summary == "Nothing moved."
    assert not check(profile, {**fresh(n=5), "extra": np.ones(5)}).judged
    without = Profile.of({**fresh(), "extra": np.ones(N)}, exclude=["extra"])
    assert not check(without, {**fresh(3), "extra": np.ones(N)}).columns("new column")


def test_a_profile_of_one_row_judges_nothing():
    """One row is no reference."""
    assert set(verdicts(check(Profile.of({"x": [1.0]}), {"x": np.ones(500)})).values()) <= {
        "insufficient data"
    }


@pytest.mark.parametrize("live", [[None] * N, np.full(N, np.inf), ["a", 1] * (N // 2), np.full(N, 3)])
def test_strange_columns_have_a_verdict(profile, live):
    """All null, all infinite, of several types, constant: moved, and no crash."""
    report = check(profile, {**fresh(), "x": live}, columns=["x"])
    assert report.findings[0].verdict in {"drifted", "schema change"}
    json.dumps(report.to_json(), allow_nan=False)


@pytest.fixture
def files(tmp_path, reference):
    same, moved = fresh(), {**fresh(), "x": fresh()["x"] + 1}
    for name, data in {"train": reference, "same": same, "moved": moved, "few": fresh(n=3)}.items():
        pyarrow.parquet.write_table(pa.table(data), tmp_path / f"{name}.parquet")
    return tmp_path


def test_the_command_line_profiles_and_checks(files, capsys):
    """Exit status 0 nothing moved, 1 something moved, 2 it could not be said."""
    profile = str(files / "p.json")
    assert main(["drift", "profile", str(files / "train.parquet"), "-o", profile, "--model", "churn@7"]) == 0
    assert main(["drift", "check", profile, str(files / "same.parquet")]) == 0
    out = capsys.readouterr().out
    assert "\nNothing moved.\n" in out
    assert "'drifted'" not in out
    assert main(["drift", "check", profile, str(files / "moved.parquet")]) == 1
    out = capsys.readouterr().out
    assert out.startswith("1 of 3 columns drifted: x.\n")
    assert out.endswith("The chance that any such verdict here is wrong is at most 0.001.\n")
    assert "\n'drifted' means: with both" in out
    assert main(["drift", "check", profile, str(files / "moved.parquet"), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["model"] == "churn@7"
    assert report["findings"][0]["column"] == "x"
    assert main(["drift", "check", profile, str(files / "moved.parquet"), "--column", "c"]) == 0
    assert main(["drift", "check", profile, str(files / "few.parquet")]) == 2
    assert "3 rows are too few for a verdict on any column" in capsys.readouterr().err


@pytest.mark.parametrize("columns", [80, 100])
def test_on_a_narrow_terminal_the_table_can_be_read(files, terminal, capsys, columns):
    """The verdict and what it rests on; every distance with --wide, and for programs."""
    profile, moved = str(files / "p.json"), str(files / "moved.parquet")
    main(["drift", "profile", str(files / "train.parquet"), "-o", profile])
    capsys.readouterr()
    main(["drift", "check", profile, moved])
    assert re.search(r"column +verdict +tv +tv at least +psi .* what changed most", capsys.readouterr().out)
    screen = terminal(columns)
    assert main(["drift", "check", profile, moved]) == 1
    table = screen.lines()[:-2]
    assert all(len(line) <= columns for line in table)
    assert re.search(r"column +verdict +tv +tv at least +outside +what changed most", "\n".join(table))
    assert re.search(r"\nx +drifted +0\.\d+ ", "\n".join(line.strip() for line in table))
    screen = terminal(columns)
    main(["drift", "check", profile, moved, "--wide"])
    assert "w1/std" in "\n".join(screen.lines())


def test_a_profile_says_which_rows_it_counted(files, capsys):
    """9,956 beside a column and 20,000 below it look like rows that were lost."""
    main(["drift", "profile", str(files / "train.parquet"), "-o", str(files / "p.json")])
    out = capsys.readouterr().out
    assert f"of {N} rows\nUnder 'rows' stand those that were counted; the others, about half, placed" in out


def test_a_new_column_alone_is_not_a_failure(files, capsys):
    """A pipeline that adds a column must not stop the release."""
    profile = str(files / "p.json")
    main(["drift", "profile", str(files / "train.parquet"), "-o", profile])
    pyarrow.parquet.write_table(pa.table({**fresh(), "extra": np.ones(N)}), files / "more.parquet")
    assert main(["drift", "check", profile, str(files / "more.parquet")]) == 0
    assert "\nNot in the profile, so not compared: extra.\n" in capsys.readouterr().out


def test_a_file_with_a_header_only_is_one_sentence(files, capsys):
    """No table of nothing."""
    profile = str(files / "p.json")
    main(["drift", "profile", str(files / "train.parquet"), "-o", profile])
    (files / "head.csv").write_text("x,c,b\n")
    capsys.readouterr()
    assert main(["drift", "check", profile, str(files / "head.csv")]) == 2
    assert tuple(capsys.readouterr()) == (
        "",
        "mlobs: The data has no rows, so there is nothing to compare.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none.parquet"], "There is no file"),
        (
            ["same.parquet", "--column", "y"],
            "The profile has no column 'y'. Columns of the profile: b, c, x.",
        ),
        (["same.parquet", "--floor", "2"], "--floor 2 cannot be used"),
    ],
)
def test_the_command_line_says_in_a_sentence_what_is_wrong(files, capsys, arguments, sentence):
    """No stack trace for what a person typed."""
    profile = str(files / "p.json")
    main(["drift", "profile", str(files / "train.parquet"), "-o", profile])
    assert main(["drift", "check", profile, str(files / arguments[0]), *arguments[1:]]) == 2
    assert sentence in capsys.readouterr().err

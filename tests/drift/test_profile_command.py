"""`mlobs drift profile`: what it reads, prints and refuses."""

import json

import numpy as np
import pandas as pd
import pytest

from mlobs.cli import main
from mlobs.drift.profile import Profile

N = 20_000


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    rng = np.random.default_rng(1)
    chance = rng.random(N)
    path = tmp_path_factory.mktemp("data") / "train.parquet"
    pd.DataFrame(
        {
            "at": pd.date_range("2025-01-01", periods=N, freq="1min"),
            "x": rng.normal(size=N),
            "zip": rng.integers(10_000, 10_020, N),
            "country": np.array(["DE", "FR"])[rng.integers(0, 2, N)],
            "note": [f"{i}" + "x" * int(k) for i, k in enumerate(rng.integers(0, 30, N))],
            "id": [f"u{i}" for i in range(N)],
            "churned": rng.random(N) < chance,
            "prediction": chance,
        }
    ).to_parquet(path)
    return path


def test_every_option_of_the_command_reaches_the_profile(train, tmp_path, capsys):
    """One call with all of them."""
    out = tmp_path / "p.json"
    options = ["--time", "at", "--season", "--by", "country", "--target", "churned", "--model", "churn@7"]
    options += ["--categorical", "zip", "--text", "note", "--exclude", "id"]
    assert main(["drift", "profile", str(train), "-o", str(out), *options]) == 0
    profile = Profile.read(out)
    assert (profile.model, profile.time, profile.by, profile.target) == (
        "churn@7",
        "at",
        ("country",),
        "churned",
    )
    assert {name: feature.kind for name, feature in profile.features.items()} == {
        "x": "numeric",
        "zip": "categorical",
        "country": "categorical",
        "note": "text",
        "churned": "boolean",
        "prediction": "numeric",
        "error": "numeric",
    }
    assert len(profile.features["x"].slots) == 168
    shown = capsys.readouterr().out
    for words in (
        "learned floor",
        "left out: id (left out on request)",
        "left out: at (says when a row came)",
        "segments by country: DE, FR, __rest__",
        f"profile {profile.ref} of {N} rows",
        "Under 'rows' stand those that were counted",
    ):
        assert words in shown.replace("FR, DE", "DE, FR")


def test_like_counts_every_row_by_the_bins_of_the_other_profile(train, tmp_path, capsys):
    """So that the two can be merged."""
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    assert main(["drift", "profile", str(train), "-o", str(first), "--time", "at", "--by", "country"]) == 0
    assert main(["drift", "profile", str(train), "-o", str(second), "--like", str(first)]) == 0
    a, b = Profile.read(first), Profile.read(second)
    assert b.features["x"].edges == a.features["x"].edges
    assert b.features["x"].rows == N
    assert a.merge(b).features["x"].rows == N + a.features["x"].rows
    assert "those that were counted" not in capsys.readouterr().out.rpartition("b.json")[2]


def test_where_hours_differ_much_the_season_is_recommended(tmp_path, capsys):
    """A learned floor as wide as the daily wave would see nothing."""
    path, out = tmp_path / "wave.parquet", str(tmp_path / "p.json")
    rng = np.random.default_rng(1)
    at = pd.date_range("2025-01-01", periods=60_000, freq="1min")
    night = np.asarray(at.hour) < 6
    pd.DataFrame(
        {"at": at, "x": rng.normal(size=60_000), "y": rng.normal(size=60_000) + 3 * night}
    ).to_parquet(path)
    command = ["drift", "profile", str(path), "-o", out, "--time", "at"]
    assert main(command) == 0
    assert "Days or hours differ much in y: " in capsys.readouterr().out
    assert main([*command, "--season"]) == 0
    assert "differ much" not in capsys.readouterr().out


def test_rows_sorted_by_a_column_are_told(tmp_path, capsys):
    """A monitor cannot know how much such rows depend on each other."""
    path, out = tmp_path / "sorted.parquet", str(tmp_path / "p.json")
    rng = np.random.default_rng(1)
    pd.DataFrame({"x": np.sort(rng.normal(size=40_000)), "y": rng.normal(size=40_000)}).to_parquet(path)
    command = ["drift", "profile", str(path), "-o", out]
    assert main(command) == 0
    assert "depend on each other is not known in x: " in capsys.readouterr().out
    assert main([*command, "--unordered"]) == 0
    assert "not known" not in capsys.readouterr().out


def test_only_the_columns_asked_for_are_read_and_those_they_need(train, tmp_path):
    """Of a wide file in particular."""
    out = tmp_path / "p.json"
    options = ["--column", "x", "--column", "id", "--time", "at", "--by", "country"]
    assert main(["drift", "profile", str(train), "-o", str(out), *options]) == 0
    assert list(Profile.read(out).features) == ["x", "id"]


def test_the_summary_as_json_has_one_row_a_column(train, tmp_path, capsys):
    """For scripts."""
    assert main(["drift", "profile", str(train), "-o", str(tmp_path / "p.json"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"column", "kind", "bins", "rows", "missing", "design effect", "learned floor"} <= set(rows[0])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--season"], "Counts by the hour of the week need the column of the times. Name it with: --time"),
        (["--time", "country"], "Column 'country' holds string, so it cannot say when a row came."),
        (["--by", "nix"], "The data has no column 'nix'. Columns found: at, churned, country"),
        (["--categorical", "at"], "Column 'at' holds timestamp, which cannot be counted by value."),
        (["--bins", "1"], "A profile of 1 bins tells nothing."),
        (["--like", "nowhere.json"], "The profile 'nowhere.json' cannot be read"),
        (["--like", "{self}", "--season", "--by", "x"], "--by, --season cannot be given with --like"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(train, tmp_path, capsys, options, sentence):
    """No stack trace for what a person typed, and no file."""
    known = tmp_path / "known.json"
    Profile.of({"x": [1.0, 2.0]}).write(known)
    options = [option.replace("{self}", str(known)) for option in options]
    assert main(["drift", "profile", str(train), "-o", str(tmp_path / "p.json"), *options]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "p.json").exists()


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    """Files of a column that follows the hours of the day: in order, shuffled, shuffled without times."""
    rng = np.random.default_rng(1)
    rows = 300_000
    seconds = np.arange(rows) * 8.0
    wave = rng.normal(size=rows) + 0.6 * np.sin(seconds / 86_400 * 2 * np.pi)
    table = pd.DataFrame({"at": seconds, "x": wave, "y": rng.normal(size=rows)})
    folder = tmp_path_factory.mktemp("waves")
    mixed = table.sample(frac=1, random_state=1)
    table.to_parquet(folder / "order.parquet")
    mixed.to_parquet(folder / "mixed.parquet")
    mixed.drop(columns="at").to_parquet(folder / "bare.parquet")
    table[:200].to_parquet(folder / "tiny.parquet")
    return folder


@pytest.mark.parametrize(
    ("options", "said", "unsaid"),
    [
        (
            "order --time at",
            ["sees little in x (more than", "rows count as one", "--season helps"],
            ["--unor"],
        ),
        ("order --time at --season", [], ["sees little", "promise"]),
        ("mixed --time at", ["not in the order of at: of x, y a monitor knows", "promise"], ["--unordered"]),
        ("bare", ["measured in the order of the rows. It is right only if they came in that"], ["promise"]),
        ("bare --unordered", ["was not measured", "promise of few false alarms does not hold"], ["shuffled"]),
        ("tiny --time at", ["sees little in "], ["rows count as one"]),
    ],
)
def test_what_a_monitor_will_not_see_or_not_keep_is_said(waves, tmp_path, capsys, options, said, unsaid):
    """A profile that makes it blind, or its promise void, must not look like any other."""
    name, *more = options.split()
    assert main(["drift", "profile", str(waves / f"{name}.parquet"), "-o", str(tmp_path / "p"), *more]) == 0
    shown = capsys.readouterr().out
    assert [words for words in said if words not in shown] == []
    assert [words for words in unsaid if words in shown] == []

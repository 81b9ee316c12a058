"""The backtest says what a monitor would have said, setting by setting."""

import json
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from mlobs.cli import main
from mlobs.drift.backtest import backtest
from mlobs.drift.live import Live
from mlobs.drift.profile import Profile
from mlobs.errors import DataError, ProfileError, SettingError

START = datetime(2026, 1, 1, tzinfo=UTC)
CHANGED = datetime(2026, 1, 11, tzinfo=UTC)
BACK = datetime(2026, 1, 21, tzinfo=UTC)


def reference(rows=20_000) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"x": rng.standard_normal(rows), "y": rng.choice(["a", "b"], rows)})


def history(shift=1.0, per_day=1_500, days=30) -> pd.DataFrame:
    """Return days of rows in which x is shifted from the 10th day to the 20th."""
    rng = np.random.default_rng(1)
    rows = per_day * days
    at = pd.to_datetime(START) + pd.to_timedelta(np.arange(rows) * 86_400 / per_day, unit="s")
    moved = (at >= CHANGED) & (at < BACK)
    x = rng.standard_normal(rows) + shift * moved
    return pd.DataFrame({"at": at, "x": x, "y": rng.choice(["a", "b"], rows)})


@pytest.fixture(scope="module")
def profile():
    return Profile.of(reference())


def test_an_alarm_comes_soon_after_the_change_and_goes_when_it_is_over(profile):
    found = backtest(profile, history(), time="at", floors=[0.05], false_alarms_per_year=[1])
    [episode] = found.runs[0].episodes
    assert episode.feature == "x"
    assert abs(episode.change_start - CHANGED) < timedelta(hours=5)
    assert timedelta(0) < episode.raised - CHANGED < timedelta(hours=12)
    assert 200 <= episode.rows <= 1_500
    assert episode.cleared is not None
    assert timedelta(0) < episode.cleared - BACK < timedelta(days=5)
    assert found.runs[0].before(CHANGED) == ()
    assert (found.began, found.rows) == (START, 45_000)


def test_a_wider_floor_alarms_less_and_later(profile):
    found = backtest(profile, history(0.3), time="at", floors=[0.0, 0.05, 0.2], false_alarms_per_year=[1])
    none, usual, wide = found.runs
    assert none.episodes[0].raised <= usual.episodes[0].raised
    assert not wide.episodes


@pytest.mark.slow
def test_it_says_what_the_monitor_says(profile):
    """The same rows through `Live`, one by one."""
    rows = history(per_day=500)
    live = Live(profile, floor=0.05, false_alarms_per_year=1, block_rows=200)
    raised = []
    for at, x, y in zip(rows["at"], rows.x.tolist(), rows.y.tolist(), strict=True):
        raised += live.add([({"x": x, "y": y}, None, None, None)], at.timestamp())
    found = backtest(profile, rows, time="at", floors=[0.05], false_alarms_per_year=[1]).runs[0].episodes
    assert [(one.feature, one.raised, one.change_start) for one in found] == [
        (watch.feature, watch.raised, watch.change_start) for watch in raised
    ]


def test_a_history_without_times_needs_a_rate(profile):
    rows = history().drop(columns="at")
    with pytest.raises(ProfileError, match="--rows-per-day"):
        backtest(profile, rows)
    found = backtest(profile, rows, rows_per_day=1_500, floors=[0.05], false_alarms_per_year=[1])
    [episode] = found.runs[0].episodes
    assert abs(episode.change_start.timestamp() - 10 * 86_400) < 5 * 3600


def test_bad_histories_get_a_sentence(profile):
    rows = history(per_day=3_000)
    # One batch is put in order; files that are named in the wrong order cannot be.
    with pytest.raises(DataError, match="goes back in time"):
        backtest(profile, pd.concat([rows, rows], ignore_index=True), time="at")
    with pytest.raises(ProfileError, match="no column 'when'"):
        backtest(profile, rows, time="when")
    with pytest.raises(ProfileError, match="cannot say when"):
        backtest(profile, rows, time="y")
    with pytest.raises(DataError, match="no rows"):
        backtest(profile, rows[:0], time="at")
    with pytest.raises(DataError, match="3 rows have no time"):
        backtest(profile, rows.assign(at=rows["at"].where(rows.index > 2)), time="at")
    milliseconds = rows.assign(at=rows["at"].astype("int64") // 1000)
    with pytest.raises(DataError, match="milliseconds"):
        backtest(profile, milliseconds, time="at")
    for wrong in (
        {"floors": [1.5]},
        {"false_alarms_per_year": [0]},
        {"block_rows": 0},
        {"rows_per_day": -1},
        {"false_alarms_per_year": [float("inf")]},
    ):
        with pytest.raises(SettingError):
            backtest(profile, rows, **{"time": "at", **wrong})


@pytest.fixture
def files(tmp_path, profile):
    profile.write(tmp_path / "p.json")
    rows = history(per_day=3_000)
    # In two files, as a history usually is.
    rows[:70_000].to_parquet(tmp_path / "1.parquet", index=False)
    rows[70_000:].to_parquet(tmp_path / "2.parquet", index=False)
    return [str(tmp_path / name) for name in ("p.json", "1.parquet", "2.parquet")]


def test_the_command_prints_a_row_for_each_setting(files, capsys):
    assert main(["drift", "backtest", *files, "--time", "at", "--changed-at", "2026-01-11"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n") > 10
    for words in ("first alarm after it", "before the change", "0.02", "90,000 rows from 2026-01-01", "x"):
        assert words in printed


@pytest.mark.slow
def test_the_command_prints_everything_as_json(files, capsys):
    command = ["drift", "backtest", *files, "--time", "at", "--floor", "0.05", "--false-alarms", "1"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    [run] = found["runs"]
    assert [one["feature"] for one in run["episodes"]] == ["x"]
    assert main([*command, "--changed-at", "yesterday"]) == 2
    assert "ISO 8601" in capsys.readouterr().err
    assert main(["drift", "backtest", files[0], files[2], files[1], "--time", "at"]) == 2
    assert "goes back in time" in capsys.readouterr().err


def test_a_column_of_many_values_is_counted_as_in_a_monitor():
    """A slice of the rows keeps only the levels that occur in it."""
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({"key": [f"k{key}" for key in rng.geometric(0.002, 20_000)]})
    rows.loc[14_000::2, "key"] = "k1"
    rows.loc[::7, "key"] = None
    many = Profile.of(rows[:10_000], columns=["key"])
    found = backtest(many, rows[10_000:], rows_per_day=1_000, floors=[0.0], false_alarms_per_year=[1])
    live = Live(many, floor=0.0, false_alarms_per_year=1, block_rows=200)
    raised = []
    for place, key in enumerate(rows.key[10_000:].tolist()):
        raised += live.add([({"key": key}, None, None, None)], place * 86.4)
    assert raised
    assert [(one.change_start, one.moves) for one in found.runs[0].episodes] == [
        (watch.change_start, watch.moves) for watch in raised
    ]


@pytest.mark.slow
def test_a_change_outside_the_history_is_told_and_the_estimate_is_shown(files, capsys):
    command = ["drift", "backtest", *files, "--time", "at", "--changed-at"]
    assert main([*command, "2026-01-11"]) == 0
    known = capsys.readouterr().out
    assert "is not in the history" not in known
    main(["drift", "backtest", *files, "--time", "at"])
    alarm_and_change = re.compile(r"^ *[xy] +(\S+ \S+) +(\S+ \S+) ", re.MULTILINE)
    assert alarm_and_change.findall(known)
    assert alarm_and_change.findall(known) == alarm_and_change.findall(capsys.readouterr().out)
    assert main([*command, "2031-01-11"]) == 0
    assert (
        "--changed-at 2031-01-11 00:00 is not in the history but after its last row"
        in capsys.readouterr().out
    )


@pytest.mark.slow
def test_a_history_without_times_has_days_and_no_dates(files, capsys):
    assert main(["drift", "backtest", *files, "--rows-per-day", "3000"]) == 0
    printed = capsys.readouterr().out
    assert "90,000 rows from day 0.00 to day 30.00" in printed
    assert "1970" not in printed
    assert "'rows to an alarm': the median" in printed

"""Real rows: what changed is alarmed, and the same rows in random order are not."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from mlobs.drift.backtest import Run, backtest
from mlobs.drift.check import check
from mlobs.drift.profile import Profile
from tests.drift import real

pytestmark = pytest.mark.slow


def replay(profile: Profile, history: pd.DataFrame, **settings) -> Run:
    """Return what a monitor with one setting would have said."""
    floor = settings.pop("floor", 0.05)
    found = backtest(profile, history, floors=[floor], false_alarms_per_year=[1], **settings)
    assert found.rows == len(history)
    return found.runs[0]


@pytest.mark.parametrize("rows", ["flights", "stops"])
def test_rows_in_random_order_raise_no_alarm_even_without_a_floor(rows):
    mixed = getattr(real, rows)().drop(columns="at").sample(frac=1, random_state=2)
    half = len(mixed) // 2
    profile = Profile.of(mixed[:half], ordered=False)
    assert not replay(profile, mixed[half:], rows_per_day=1000, floor=0.0).episodes
    assert not check(profile, mixed[half:], floor=0.0).moved


def test_the_day_on_which_a_form_changed_is_found():
    """The police of Minneapolis write down citations since the 6th of July 2017."""
    table = real.stops()
    start = pd.Timestamp("2017-06-01", tz="UTC")
    profile = Profile.of(table[table["at"] < start], time="at")
    run = replay(profile, table[table["at"] >= start])
    first = run.episodes[0]
    assert (first.feature, first.cleared) == ("citationIssued", None)
    changed = datetime(2017, 7, 6, tzinfo=UTC)
    assert abs(first.change_start - changed) < timedelta(days=1)
    assert first.raised - changed < timedelta(days=2)
    assert not run.before(changed), "weeks like those of the profile"


def test_another_airport_is_found_and_a_season_of_days_that_always_wander_is_not():
    """Delays follow the weather of the day: those of summer are inside what days of winter differ by."""
    table = real.flights()
    newark = table[table.origin == "EWR"].drop(columns="origin")
    kennedy = table[table.origin == "JFK"].drop(columns="origin")
    spring = pd.Timestamp("2013-04-01", tz="UTC")
    profile = Profile.of(newark[newark["at"] < spring], time="at")
    moved = {one.feature for one in replay(profile, kennedy[kennedy["at"] >= spring]).episodes}
    assert {"carrier", "dest", "distance"} <= moved
    later = {one.feature for one in replay(profile, newark[newark["at"] >= spring]).episodes}
    assert not later & {"carrier", "dep_delay", "arr_delay", "minute"}


def test_a_model_of_the_eighties_meets_later_wages():
    table = real.wages()
    mixed = table[table.year < 1990].drop(columns="year").sample(frac=1, random_state=1)
    later = table[table.year >= 1990].drop(columns="year")
    profile = Profile.of(mixed[:6000], ordered=False)
    assert (profile.prediction, profile.target) == ("prediction", "target")
    assert not replay(profile, mixed[6000:], rows_per_day=1000).episodes
    moved = {one.feature for one in replay(profile, later, rows_per_day=1000).episodes}
    assert {"educcat", "maritalcat", "target"} <= moved
    report = check(profile, later)
    assert report.columns("drifted") == ["educcat"], "more people with a degree; the others within the floor"

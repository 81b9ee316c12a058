"""What hours tell of a reference's unrest, around the laws of its slots and without the rows' order."""

import numpy as np
import pytest

from mlobs.drift.bins import Bins
from mlobs.drift.check import check
from mlobs.drift.detector import Detector, Reference
from mlobs.drift.profile import Profile
from mlobs.drift.sequential.hours import effects_of
from tests.drift.laws import EVEN

WEEKS = 4
HOURS = np.arange(400_000, 400_000 + WEEKS * 168)
TILT = np.repeat([1, -1], 5) / 5
DAY_S = 86_400


def counts(rng, amplitude=0.0, wobble=0.0, rows=200):
    """Return counts of hours whose law follows the hour of the day, and the day's own whim."""
    days = rng.normal(0, wobble, len(HOURS) // 24 + 2)[HOURS // 24 - HOURS[0] // 24]
    swing = amplitude * np.sin(HOURS / 24 * 2 * np.pi) + np.clip(days, -0.4, 0.4)
    return rng.multinomial(rows, EVEN + swing[:, None] * TILT).astype(float)


def rows_of(rng, step_s, sigmas, days=28, shift=0.0):
    """Return a column that follows the hours of the day, and its times."""
    seconds = np.arange(int(days * DAY_S // step_s)) * step_s
    return {
        "x": rng.normal(size=len(seconds)) + sigmas * np.sin(seconds / DAY_S * 2 * np.pi) + shift,
        "t": seconds,
    }


def test_independent_hours_have_no_unrest_around_any_law():
    """Though the laws were taken from the same rows, which are nearer to them than to the true ones."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        found = counts(rng)
        for hours in (1, 24, 168):
            assert all(swing <= 0.05 for _, _, swing in effects_of(HOURS, found, hours=hours))
            assert effects_of(HOURS, found, hours=hours)[-1][1] == 1.0


def test_a_daily_wave_is_in_the_law_of_the_hour_and_not_in_what_is_left():
    """Around the whole it is all there."""
    found = counts(np.random.default_rng(2), amplitude=0.2)
    assert max(swing for _, _, swing in effects_of(HOURS, found, hours=1)) == pytest.approx(0.2, rel=0.15)
    for hours in (24, 168):
        left = effects_of(HOURS, found, hours=hours)
        assert left[-1][1] == 1.0
        # An hour's own slope: at the steepest it goes from one hour to the next by .2 * 2 pi / 24.
        assert max(swing for _, _, swing in left) == pytest.approx(0.026, abs=0.015)


def test_days_that_wander_are_left_and_not_made_smaller_by_their_own_part_in_the_law():
    """The square of the swing is twice the variance."""
    found = counts(np.random.default_rng(3), amplitude=0.1, wobble=0.05)
    for hours in (24, 168):
        left = {rows: swing for rows, _, swing in effects_of(HOURS, found, hours=hours)}
        assert left[200] == pytest.approx(0.05 * np.sqrt(2), rel=0.3)


def test_a_fortnight_does_not_tell_what_is_left_of_the_hours_of_the_week():
    """With two rows of each, half of the unrest would be in the law."""
    found = counts(np.random.default_rng(4))[: 2 * 168]
    assert effects_of(HOURS[: 2 * 168], found, hours=168) == ()
    assert effects_of(HOURS[: 2 * 168], found, hours=24) != ()
    assert effects_of(HOURS[:0], found[:0], hours=24) == ()


def test_a_seasonal_profile_makes_the_detector_see_more_and_not_less():
    """A wave of .8 sigma: without the season some hundred rows count as one."""
    data = rows_of(np.random.default_rng(5), 10.0, 0.8)
    plain, seasonal = (Profile.of(data, time="t", season=season).features["x"] for season in (False, True))
    blind, found = (Detector([Reference.of(Bins(f))], floor=0.05) for f in (plain, seasonal))
    assert blind.effect[0] > 100
    assert found.effect[0] < 1.5
    assert found.floor_whole[0] < 0.12
    assert found.floor_whole[0] < blind.floor_whole[0]


def test_where_hours_are_alike_the_season_costs_next_to_nothing():
    """It is asked for in good faith, for all columns at once."""
    data = rows_of(np.random.default_rng(6), 40.0, 0.0)
    plain, seasonal = (Profile.of(data, time="t", season=season).features["x"] for season in (False, True))
    wide, narrow = (Detector([Reference.of(Bins(f))], floor=0.05).floor_whole[0] for f in (seasonal, plain))
    assert wide - narrow < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("floor", [0.05, 0.0])
def test_a_seasonal_profile_keeps_the_promise_and_finds_half_a_sigma(floor):
    """20 profiles of four weeks, each with four weeks live, at a patience of 1,000 blocks each.

    Of 2,016 blocks each, 40 false alarms are promised in the mean at most; there are hardly any. More
    than 80 would happen to a Poisson count of that mean with a probability of 1e-8.
    """
    rng = np.random.default_rng(7)
    alarms, took = 0, []
    for _ in range(20):
        profile = Profile.of(rows_of(rng, 20.0, 0.8), time="t", season=True)
        bins = Bins(profile.features["x"])
        for shift in (0.0, 0.5):
            found = Detector([Reference.of(bins)], floor=floor)
            live = rows_of(rng, 20.0, 0.8, days=28 if shift == 0 else 7, shift=shift)
            places = np.array(bins.of_values(live["x"].tolist()))
            for hour in range(len(places) // 180):
                for part in np.array_split(places[hour * 180 : hour * 180 + 180], 3):
                    block = np.bincount(part, minlength=len(bins.coarse_names))
                    slot = (hour + 72) % 168
                    raised = found.update([block], began_s=0.0, patience_blocks=1_000, slot=slot)
                    if shift and raised.any():
                        took.append(hour * 180)
                    alarms += int(not shift and found.crossed[0] == found.blocks - 1)
                if shift and found.alarm[0]:
                    break
    assert alarms <= 80
    assert len(took) == 20
    assert np.median(took) <= 7 * DAY_S / 20 / 2


def test_of_shuffled_rows_with_times_the_hours_tell_what_there_is_of_waves():
    """So a monitor is careful, though nothing shorter than an hour is known."""
    rng = np.random.default_rng(8)
    data = rows_of(rng, 6.0, 0.5)
    order = rng.permutation(len(data["t"]))
    mixed = {name: column[order] for name, column in data.items()}
    found = Profile.of(mixed, time="t", season=True).features["x"]
    assert found.design_effect is None
    ordered = Profile.of(data, time="t", season=True).features["x"]
    assert max(swing for _, _, swing in found.unrest) == pytest.approx(
        max(swing for _, _, swing in ordered.unrest), rel=0.15
    )
    assert found.unrest_by_hour_of_day[-1][1] == 1.0
    plain = Profile.of({"x": mixed["x"]}).features["x"]
    careful, bold = (Detector([Reference.of(Bins(f))], floor=0.05) for f in (found, plain))
    assert careful.effect[0] * careful.tolerated[0] <= 1.1 * bold.effect[0] * bold.tolerated[0]
    whole = Profile.of(mixed, time="t").features["x"]
    careful = Detector([Reference.of(Bins(whole))], floor=0.05)
    assert careful.effect[0] > 10 or careful.tolerated[0] > 0.15


def test_what_is_left_of_the_hours_is_in_the_file_and_is_merged(tmp_path):
    """The larger unrest of the two; nothing if one of them does not know."""
    rng = np.random.default_rng(9)
    first = Profile.of(rows_of(rng, 60.0, 0.5), time="t", season=True)
    second = Profile.of(rows_of(rng, 60.0, 1.5), like=first)
    first.write(tmp_path / "p.json")
    assert Profile.read(tmp_path / "p.json") == first
    both = first.merge(second).features["x"]
    for name in ("unrest_by_hour_of_day", "unrest_by_hour_of_week"):
        most = max(effect for f in (first, second) for _, effect, _ in getattr(f.features["x"], name))
        assert max(effect for _, effect, _ in getattr(both, name)) == most
    bare = first.features["x"].model_copy(update={"unrest_by_hour_of_day": ()})
    merged = first.model_copy(update={"features": {"x": bare}}).merge(second).features["x"]
    assert merged.unrest_by_hour_of_day == ()


def test_two_hours_of_an_unchanged_day_are_not_called_drifted():
    """The profile knows the waves; ten thousand rows of one morning lie where the morning lies."""
    rng = np.random.default_rng(10)
    profile = Profile.of(rows_of(rng, 6.0, 0.5), time="t")
    seconds = 8 * 3600 + np.arange(10_000) * 0.7
    morning = rng.normal(size=10_000) + 0.5 * np.sin(seconds / DAY_S * 2 * np.pi)
    verdict = check(profile, {"x": morning, "t": seconds}).findings[0].verdict
    assert verdict != "drifted"
    assert check(profile, {"x": morning + 1, "t": seconds}).findings[0].verdict == "drifted"
    week = rows_of(rng, 12.0, 0.5, days=7)
    assert check(profile, week).findings[0].verdict == "stable"
    assert check(profile, {**week, "x": week["x"] + 0.5}).findings[0].verdict == "drifted"

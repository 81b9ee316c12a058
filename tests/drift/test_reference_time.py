"""What the reference's own order, hours and days teach: design effect, slots, learned floor."""

import numpy as np
import pytest

from mlobs.drift.days import days_of, learned_floor, slots_of
from mlobs.drift.profile import Profile

DAY_S = 86_400
DAYS = 40
N = 100_000
SECONDS = np.arange(N) * (DAYS * DAY_S / N)
LEVELS = np.array(list("abcdefgh"))


def of(columns, seconds=SECONDS, **options):
    time = {} if "like" in options else {"time": "t"}
    return Profile.of({"t": seconds, **columns}, **time, **options)


def bursts(rng, size, rows=N):
    """Return rows that come in runs of `size` equal ones: a design effect of `size`."""
    return np.repeat(LEVELS[rng.integers(0, 8, rows // size + 1)], size)[:rows]


def mixtures(rng, effect, rows=N, block=1_000):
    """Return blocks whose own shares are drawn anew: Dirichlet-multinomial."""
    weight = (block - effect) / (effect - 1)
    shares = rng.dirichlet(np.full(8, weight / 8), rows // block)
    return np.concatenate([LEVELS[rng.choice(8, block, p=p)] for p in shares])


@pytest.mark.parametrize("effect", [1, 5, 20])
@pytest.mark.parametrize("with_time", [True, False])
def test_the_design_effect_of_bursts_is_found(effect, with_time):
    """In the order of time and in that of the rows."""
    rng = np.random.default_rng(effect)
    columns = {"c": bursts(rng, effect)}
    found = (of(columns) if with_time else Profile.of(columns)).features["c"].design_effect
    # The relative standard error is sqrt(3 / (7 * 99)) = 7 %, doubled by the correction.
    assert found == (1.0 if effect == 1 else pytest.approx(effect, rel=0.4))


def test_the_design_effect_is_the_same_where_every_row_is_counted():
    """Nothing was left out, so nothing is to be undone."""
    columns = {"c": bursts(np.random.default_rng(1), 20)}
    again = of(columns, like=of(columns)).features["c"]
    assert again.design_effect == pytest.approx(20, rel=0.3)


@pytest.mark.parametrize("effect", [5, 20])
def test_the_design_effect_of_shares_that_wander_is_found(effect):
    """Dirichlet-multinomial blocks of as many rows as a block of ours spans."""
    rng = np.random.default_rng(effect)
    assert of({"c": mixtures(rng, effect)}).features["c"].design_effect == pytest.approx(effect, rel=0.4)


def test_bursts_are_found_though_the_rows_of_a_batch_are_in_no_order():
    """Exports come sorted by anything; the time says how they came."""
    rng = np.random.default_rng(1)
    order = rng.permutation(60_000)
    columns = {"c": bursts(rng, 20, 60_000)[order]}
    assert of(columns, SECONDS[:60_000][order]).features["c"].design_effect == pytest.approx(20, rel=0.4)


def test_of_data_that_was_shuffled_over_many_batches_no_dependence_is_told():
    """Each batch holds too few rows of any moment: a number would be too low."""
    rng = np.random.default_rng(1)
    order = rng.permutation(400_000)
    seconds = np.linspace(0, DAYS * DAY_S, 400_000)
    columns = {"c": bursts(rng, 20, 400_000)}
    assert of({"c": columns["c"][order]}, seconds[order]).features["c"].design_effect is None
    assert of(columns, seconds).features["c"].design_effect > 10


def test_a_slow_wave_is_a_floor_and_not_a_burst():
    """The clock moves neighbouring blocks alike; how far it moves them is the floor."""
    rng = np.random.default_rng(1)
    seconds = np.linspace(0, 30 * DAY_S, 1_000_000)
    wave = rng.random(1_000_000) < 0.5 + 0.1 * np.sin(seconds / DAY_S * 2 * np.pi)
    feature = of({"b": wave}, seconds).features["b"]
    assert feature.design_effect < 3
    assert feature.learned_floor == pytest.approx(0.1, abs=0.02)


def test_with_the_hours_of_the_week_kept_only_days_are_in_the_floor():
    """The monitor will compare 3 am with 3 am."""
    rng = np.random.default_rng(1)
    wave = rng.random(N) < 0.5 + 0.1 * np.sin(SECONDS / DAY_S * 2 * np.pi)
    feature = of({"b": wave}, season=True).features["b"]
    assert feature.learned_floor < 0.03
    slots = np.array(feature.slots)
    assert slots.shape == (168, 5)
    assert slots.sum(axis=0).tolist() == list(feature.counts)
    shares = slots.reshape(7, 24, 5).sum(axis=0)
    yes = shares[:, feature.levels.index("true")] / shares.sum(axis=1)
    assert yes[6] == pytest.approx(0.6, abs=0.04)
    assert yes[18] == pytest.approx(0.4, abs=0.04)


def test_independent_days_teach_a_floor_of_zero_and_wandering_days_how_far_they_wander():
    """Sampling noise must not be called a habit of the data."""
    rng = np.random.default_rng(2)
    still = rng.normal(size=N)
    wander = still + np.repeat(rng.normal(0, 0.2, DAYS), N // DAYS)
    features = of({"still": still, "wander": wander}).features
    assert features["still"].learned_floor == 0.0
    # Of 40 normal shifts the farthest is about 2.4 sd out: .48 sd of the values, a distance of about .19.
    assert 0.08 < features["wander"].learned_floor < 0.25


def test_floors_of_independent_days_are_nearly_always_zero():
    """Two standard errors for days and for hours: 5 % each would go wrong if it were normal."""
    rng = np.random.default_rng(3)
    floors = [
        learned_floor(
            rng.multinomial(1_000, np.full(10, 0.1), 30),
            rng.multinomial(180, np.full(10, 0.1), 168),
            design_effect=1.0,
        )
        for _ in range(200)
    ]
    assert sum(floor > 0 for floor in floors) < 30
    assert max(floors) < 0.06


def test_no_floor_is_learned_from_nine_days():
    """A quantile of a handful of days is a guess."""
    few = SECONDS[SECONDS < 9 * DAY_S]
    assert of({"x": np.arange(len(few)) % 7}, few).features["x"].learned_floor is None


def test_hours_and_days_are_those_of_utc():
    """1970 began on a Thursday; times before it count as well."""
    seconds = np.array([0.0, 4 * DAY_S, 4 * DAY_S + 3_599, 4 * DAY_S - 1, np.nan, np.inf, -DAY_S])
    assert slots_of(seconds).tolist() == [72, 0, 0, 167, -1, -1, 48]
    places, numbers = days_of(seconds)
    assert [numbers[i] if i >= 0 else None for i in places] == [0, 4, 4, 3, None, None, -1]


@pytest.mark.parametrize("form", ["seconds", "stamps", "text"])
def test_the_time_column_is_no_feature_and_may_have_gaps(form):
    """Rows without a time are counted, but in no hour and on no day."""
    seconds = np.where(np.arange(N) % 10, SECONDS, np.nan)
    given = seconds if form == "seconds" else (seconds * 1e6).astype("datetime64[us]")
    if form == "text":
        given = [None if np.isnat(moment) else moment.item().isoformat() for moment in given]
    profile = of({"x": np.arange(N) % 7}, given, season=True)
    assert (list(profile.features), profile.time) == (["x"], "t")
    assert profile.excluded == {"t": "says when a row came"}
    feature = profile.features["x"]
    assert np.sum(feature.slots) == pytest.approx(0.9 * feature.rows, rel=0.01)

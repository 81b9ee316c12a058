"""References whose rows are not independent: what is measured of them, and that the detector bears it."""

import numpy as np
import pytest

from mlobs.drift.bins import Bins
from mlobs.drift.detector import Detector, Reference
from mlobs.drift.profile import Profile
from mlobs.drift.sequential.dispersion import of_whole, remedy
from mlobs.drift.sequential.swings import Swings
from tests.drift import laws

DAY_ROWS = 20_000


def crossings(draw, references, blocks, patience, floor=0.05, seed=1):
    """Return how often the streams' evidence came to the threshold; the patience is each stream's own."""
    rng = np.random.default_rng(seed)
    found = Detector(references, floor=floor)
    times = 0
    for first in range(0, blocks, 50):
        steps = draw(rng, found.features, 500, first * 10)
        for counts in steps.reshape(50, 10, found.features, 10).sum(axis=1):
            found.update(counts, began_s=0.0, patience_blocks=patience / found.family)
            times += int((found.crossed == found.blocks - 1).sum())
    return times


@pytest.mark.slow
def test_independent_rows_have_no_effect():
    """Of 20 references with four lengths each none should; only the longest length is told."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        assert laws.effects(laws.independent, rng) == ((3840, 1.0, 0.0),)


@pytest.mark.parametrize(("effect", "rows"), [(5, 500), (20, 500), (5, 100)])
def test_the_effect_of_bursts_is_found_at_lengths_beyond_them(effect, rows):
    """A burst's effect is what its name says at its own length and all longer ones."""
    found = laws.effects(laws.bursts(effect, rows), np.random.default_rng(2), rows=400_000)
    assert {length: value for length, value, _ in found}[3840] == pytest.approx(effect, rel=0.3)
    short = [value for length, value, _ in found if length < rows / 2]
    assert all(value < 0.7 * effect for value in short)


@pytest.mark.parametrize("amplitude", [0.04, 0.1, 0.2])
def test_a_wave_is_found_with_its_amplitude(amplitude):
    """Blocks much shorter than a day show all of the swing; those of about a day nothing."""
    found = laws.effects(laws.wave(amplitude, DAY_ROWS), np.random.default_rng(3), rows=400_000)
    by_length = {length: swing for length, _, swing in found}
    assert by_length[960] == pytest.approx(amplitude, rel=0.25)
    assert by_length[15_360] < amplitude / 2


def test_rows_may_come_in_pieces_and_rare_bins_do_no_harm():
    """One add or many give the same; a bin of one row in ten thousand is no unrest."""
    rng = np.random.default_rng(4)
    places = rng.choice(12, size=100_000, p=[*[0.0999] * 10, 0.0009, 0.0001])
    whole, pieces = Swings(12), Swings(12)
    whole.add(places)
    for part in np.split(places, [1, 7, 50_000, 50_001]):
        pieces.add(part)
    assert pieces.open.tolist() == whole.open.tolist()
    assert [level.blocks for level in pieces.levels] == [level.blocks for level in whole.levels]
    assert pieces.effects() == whole.effects() == ((1920, 1.0, 0.0),)


@pytest.mark.parametrize("rows", [0, 1, 59, 600, 5000])
def test_few_rows_or_one_bin_say_nothing(rows):
    """No measurement is better than one of three blocks."""
    swings = Swings(3)
    swings.add(np.zeros(rows, dtype=np.intp))
    assert all(effect == 1.0 for _, effect, _ in swings.effects())


def test_two_halves_are_merged_into_what_the_whole_says():
    """A profile may be counted in pieces by several workers."""
    rng = np.random.default_rng(5)
    places = laws.rows_of(rng, laws.bursts(5, 500)(rng, 1, 15_360)[:, 0])
    whole, left, right = Swings(10), Swings(10), Swings(10)
    whole.add(places)
    left.add(places[: len(places) // 2])
    right.add(places[len(places) // 2 :])
    left.merge(right)
    for (length, effect, swing), merged in zip(whole.effects(), left.effects(), strict=True):
        assert merged == (length, pytest.approx(effect, rel=0.02), pytest.approx(swing, abs=0.01))


def test_slow_waves_widen_the_floor_and_bursts_divide_the_counts():
    """Each remedy where it costs less."""
    rng = np.random.default_rng(6)
    slow = remedy(laws.effects(laws.wave(0.1, DAY_ROWS), rng, 400_000), 0.05)
    assert (slow.effect, slow.lag) == (1.0, 0)
    assert 0.1 <= slow.floor < 0.14
    short = remedy(laws.effects(laws.bursts(20, 100), rng, 400_000), 0.05)
    assert short.floor == 0.05
    assert 15 < short.effect < 30
    assert remedy([], 0.05) == (0.05, 1.0, 0)


def test_a_wave_inside_the_floor_asks_for_nothing():
    """It is part of what was said to be not worth an alarm."""
    found = remedy(laws.effects(laws.wave(0.03, DAY_ROWS), np.random.default_rng(7), 400_000), 0.05)
    assert found.floor == 0.05
    assert found.effect < 1.2


def test_the_whole_of_a_reference_with_many_waves_is_known_well():
    """Waves even out; bursts do not."""
    rng = np.random.default_rng(8)
    assert of_whole(laws.effects(laws.wave(0.1, DAY_ROWS), rng, 400_000), 200_000) < 10
    assert of_whole(laws.effects(laws.bursts(20, 500), rng, 400_000), 200_000) > 12


def test_a_sorted_column_is_told_from_one_in_the_order_of_arrival():
    """Sorted by itself or by something like it; not so bursts, waves, or a change in the middle."""
    rng = np.random.default_rng(10)
    places = rng.integers(0, 10, 50_000)
    like = np.argsort(places + rng.normal(0, 0.5, 50_000))
    streams = [np.sort(places), places[like], places, np.concatenate([places % 5, places])]
    streams += [laws.rows_of(rng, draw(rng, 1, 2500)[:, 0]) for draw in LAWS.values()]
    found = []
    for stream in streams:
        swings = Swings(10)
        swings.add(stream)
        found.append(swings.sorted())
    assert found == [True, True] + [False] * (len(streams) - 2)


LAWS = {
    "wave of .05": laws.wave(0.05, DAY_ROWS),
    "wave of .15": laws.wave(0.15, DAY_ROWS),
    "bursts of 100": laws.bursts(20, 100),
    "bursts of 500": laws.bursts(20, 500),
    "bursts of 2,000": laws.bursts(5, 2000),
}


@pytest.mark.slow
@pytest.mark.parametrize("floor", [0.05, 0.0])
@pytest.mark.parametrize("name", LAWS)
def test_waves_and_bursts_alarm_no_more_often_than_promised_if_the_reference_had_them(name, floor):
    """60 streams of 1,000 blocks at a patience of 1,000 each: at most 60 false alarms in the mean.

    There are none or hardly any; more than 105 would happen to a Poisson count of that mean with a
    probability of 1e-7. Those that come again while an alarm stands count too.
    """
    rng = np.random.default_rng(9)
    references = [laws.reference(LAWS[name], rng) for _ in range(10)]
    assert crossings(LAWS[name], references * 6, 1000, 1000, floor) <= 105


@pytest.mark.slow
def test_without_what_the_reference_knows_bursts_would_alarm_for_ever():
    """So it is this that keeps the promise, and not the floor."""
    rng = np.random.default_rng(9)
    known = [laws.reference(LAWS["bursts of 500"], rng) for _ in range(10)]
    plain = [Reference(reference.counts) for reference in known]
    assert crossings(LAWS["bursts of 500"], plain, 500, 2000) > 300


def test_a_profile_knows_its_columns_unrest(tmp_path):
    """From the rows to the file and back to the detector; in a few bytes."""
    rng = np.random.default_rng(11)
    streams = {"free": laws.independent, "bursts": LAWS["bursts of 100"], "wave": LAWS["wave of .15"]}
    rows = {name: laws.rows_of(rng, draw(rng, 1, 10_000)[:, 0]) for name, draw in streams.items()}
    Profile.of(rows).write(tmp_path / "p.json")
    features = Profile.read(tmp_path / "p.json").features
    assert features["free"].unrest == ((3840, 1.0, 0.0),)
    assert len(features["bursts"].model_dump_json(include={"unrest"})) < 150
    told = Detector([Reference.of(Bins(feature)) for feature in features.values()], floor=0.05)
    assert told.effect == pytest.approx([1, 20, 1], rel=0.4)
    assert told.tolerated == pytest.approx([0.05, 0.05, 0.17], abs=0.02)
    assert Profile.of(rows, ordered=False).features["bursts"].unrest == ()


def test_rows_sorted_by_a_column_leave_its_dependence_unknown():
    """Its effect would be in the thousands, and the monitor blind without a word."""
    rng = np.random.default_rng(12)
    columns = {"sorted": np.sort(rng.normal(size=40_000)), "other": rng.normal(size=40_000)}
    found = Profile.of(columns).features
    assert (found["sorted"].design_effect, found["sorted"].unrest) == (None, ())
    assert (found["other"].design_effect, found["other"].unrest) == (1.0, ((960, 1.0, 0.0),))


def test_merged_profiles_keep_the_larger_unrest():
    """What either of them has seen may come again."""
    rng = np.random.default_rng(13)
    first = Profile.of({"x": laws.rows_of(rng, laws.independent(rng, 1, 10_000)[:, 0])})
    second = Profile.of({"x": laws.rows_of(rng, LAWS["bursts of 100"](rng, 1, 10_000)[:, 0])}, like=first)
    effects = {rows: effect for rows, effect, _ in second.features["x"].unrest}
    merged = {rows: effect for rows, effect, _ in first.merge(second).features["x"].unrest}
    assert merged[1920] == effects[1920] > 10
    plain = first.features["x"].model_copy(update={"unrest": ()})
    assert first.model_copy(update={"features": {"x": plain}}).merge(second).features["x"].unrest == ()

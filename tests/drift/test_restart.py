"""A monitor that is stopped anywhere and started again ends where one that ran on would have."""

import json

import numpy as np
import pytest

from mlobs.drift.live import Live
from mlobs.drift.profile import Profile
from mlobs.drift.sequential.states import pack, unpack


def table(n, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(shift, 1, n)
    return {
        "x": rng.normal(shift, 1, n),
        "c": np.array(["a", "b"])[rng.integers(0, 2, n)],
        "prediction": truth + rng.normal(0, 0.3, n),
        "target": truth,
    }


@pytest.fixture(scope="module")
def profile():
    return Profile.of(table(20_000, 1), model="m@1", by=["c"])


def fresh(profile, **other):
    return Live(profile, **({"floor": 0.05, "false_alarms_per_year": 1.0, "block_rows": 50} | other))


def steps():
    """Return rows that stay, then move, then come back, each with an id and later a label."""
    for number, (shift, seed) in enumerate(((0.0, 2), (1.0, 3), (0.0, 4))):
        data = table(1_500, seed, shift)
        for i in range(1_500):
            row = {name: data[name][i] for name in ("x", "c")}
            yield number * 1_500 + i, row, float(data["prediction"][i]), float(data["target"][i])


STEPS = list(steps())


def feed(live, chosen):
    for i, row, prediction, _ in chosen:
        now_s = 1e9 + i * 7.0
        live.add([(row, prediction, i, None)], now_s)
        if i >= 20:
            live.add_labels([(i - 20, STEPS[i - 20][3], None)], now_s)


@pytest.fixture(scope="module")
def straight(profile):
    live = fresh(profile)
    feed(live, STEPS)
    return live


def test_half_a_character_does_not_keep_a_state_from_being_saved(profile):
    """Ids are made of the names of files, and those need not be UTF-8."""
    live, again = fresh(profile), fresh(profile)
    rows = [({"x": 0.0, "c": "a"}, value, name, None) for name, value in (("\udce9", 1.0), ("b", "\udce9"))]
    live.add(rows, 1e9)
    assert again.restore(live.save().model_dump_json())
    again.add_labels([("\udcea", 1.0, None), ("\udce9", 1.0, None), ("b", 1.0, None)], 1e9)
    assert (again.joiner.outcomes["joined"], again.joiner.outcomes["unknown"]) == (2, 1)


def told(live):
    return json.loads(live.save().model_dump_json())


@pytest.mark.parametrize(
    "stops",
    [
        [37, 38, 39],
        *(pytest.param(stops, marks=pytest.mark.slow) for stops in ([1], [1_499, 1_777, 3_010], [4_499])),
    ],
)
def test_no_stop_makes_a_difference(profile, straight, stops):
    """To the last bit: the open block, alarms that stand, budgets and pending labels included."""
    live = fresh(profile)
    for begin, end in zip([0, *stops], [*stops, len(STEPS)], strict=True):
        feed(live, STEPS[begin:end])
        text = live.save().model_dump_json()
        live = fresh(profile)
        assert live.restore(text)
    assert told(live) == told(straight)
    assert live.watches() == straight.watches()
    assert live.quality() == straight.quality()


def test_the_story_has_an_alarm_in_it(straight):
    """Otherwise the test above would compare nothing with nothing."""
    assert all(stream.detector.blocks > 10 for stream in straight.streams.values() if stream.rows)
    assert max(watch.log_e for watch in straight.watches()) > 10


def test_counters_begin_anew_in_a_new_process(profile, straight):
    """Another process has counted the rows before; whoever adds them up would count them twice."""
    live = fresh(profile)
    live.restore(straight.save().model_dump_json())
    assert {sum(counted.live) for counted in live.counted()} == {0}
    feed(live, STEPS[:10])
    assert sum(live.counted()[0].live) == 10
    assert live.watches()[0].rows == len(STEPS) + 10


@pytest.mark.parametrize(
    "other", [{"floor": 0.02}, {"block_rows": 60}, {"false_alarms_per_year": 2.0}, {"segments_max": 1}]
)
def test_the_state_of_other_settings_is_not_used(profile, straight, other):
    """Evidence that was gathered under another promise is not evidence under this one."""
    assert not fresh(profile, **other).restore(straight.save().model_dump_json())


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"profile_ref": 1}', "\x00"])
def test_a_damaged_state_is_not_used(profile, text):
    """A half-written disk must not keep a service from starting."""
    live = fresh(profile)
    assert not live.restore(text)
    feed(live, STEPS[:10])
    assert live.watches()[0].rows == 10


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["log_wealth", "since", "unspent"])
def test_evidence_that_is_no_number_is_not_used(profile, straight, name, bad):
    """NaN is below every threshold for ever, and there would never again be an alarm."""
    saved = json.loads(straight.save().model_dump_json())
    detector = saved["streams"][""]["detector"]
    if name == "unspent":
        detector[name] = bad
    else:
        array = unpack(detector[name]).copy()
        array.flat[0] = bad
        detector[name] = pack(array)
    live = fresh(profile)
    assert not live.restore(json.dumps(saved))
    assert not any(stream.rows for stream in live.streams.values())


def test_evidence_of_nothing_is_a_number(profile):
    """The logarithm of 0 is where a detector begins."""
    new = fresh(profile).save()
    assert np.isneginf(new.streams[""].detector.log_ever).all()
    assert fresh(profile).restore(new.model_dump_json())


def test_outcomes_of_labels_are_counters_of_this_process(profile, straight):
    """As observations are: the process before has told its own."""
    assert straight.joiner.outcomes["joined"] > 0
    live = fresh(profile)
    live.restore(straight.save().model_dump_json())
    assert set(live.joiner.outcomes.values()) == {0}

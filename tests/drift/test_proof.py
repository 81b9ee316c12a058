"""The detector's other promises: proofs, shared budgets, hours of the week, restarts, uneven blocks."""

import numpy as np
import pytest
from pydantic import ValidationError

from mlobs.drift.detector import Detector, Reference, State
from mlobs.drift.sequential.states import pack, unpack
from tests.drift.laws import EVEN, shifted

EXACT = Reference([10**9] * 10)


def feed(found, rng, law, blocks, rows=200, patience=1e6, slot=None):
    """Give the detector so many blocks of a law; return how often each feature's alarm was raised."""
    raised = np.zeros(found.features, dtype=int)
    for _ in range(blocks):
        counts = rng.multinomial(rows, law, size=found.features)
        raised += found.update(counts, began_s=float(found.blocks), patience_blocks=patience, slot=slot)
    return raised


@pytest.mark.slow
def test_few_unchanged_streams_ever_have_a_small_p_value():
    """500 streams of 400 blocks, looked at after each, at a floor of zero, the case nearest to the promise.

    At most 25 of them may ever be at .05, in the mean; more than 52 would happen with a probability of 1e-7.
    """
    rng = np.random.default_rng(1)
    found = Detector([EXACT] * 500, floor=0.0)
    feed(found, rng, EVEN, 400)
    assert (found.p_values() <= 0.05).sum() <= 52
    assert found.drifted(0.05) == []
    # The e-value itself has mean at most 1 at all times: its mean over the streams cannot be large.
    assert np.exp(found.log_e_ever).mean() < 1.5


def test_the_p_value_never_rises_and_the_list_names_what_moved():
    """Two of ten features move; the proof outlives the alarms, which begin anew."""
    rng = np.random.default_rng(2)
    found = Detector([EXACT] * 10, floor=0.05)
    laws = np.tile(EVEN, (10, 1))
    feed(found, rng, laws, 50)
    laws[[3, 7]] = shifted(0.5)
    before = found.p_values()
    for _ in range(40):
        feed(found, rng, laws, 1)
        assert (found.p_values() <= before).all()
        before = found.p_values()
    assert sorted(found.drifted(0.05)) == [3, 7]
    assert (before[[3, 7]] < 1e-6).all()


def test_detectors_of_one_family_share_one_budget():
    """The threshold of two halves with the family of the whole is the threshold of the whole."""
    whole = Detector([EXACT] * 6, floor=0.05)
    half = Detector([EXACT] * 3, floor=0.05, family=6)
    assert half.threshold(1e6) == whole.threshold(1e6)
    assert half.floor.tolist() == whole.floor[:3].tolist()  # the reference's error is shared too
    assert Detector([EXACT] * 3, floor=0.05, family=1).threshold(1e6) < half.threshold(1e6)


@pytest.mark.parametrize("rows", [1, 7, 5000])
def test_blocks_of_any_size_keep_the_promise_and_find_the_change(rows):
    """One row at a time, or many; a threshold of 1,000 blocks in 200 streams of 300 at a floor of zero.

    At most 60 alarms in the mean; more than 105 would happen with a probability of 1e-7.
    """
    rng = np.random.default_rng(3)
    found = Detector([EXACT] * 200, floor=0.0)
    assert feed(found, rng, EVEN, 300, rows, patience=1000 / 200).sum() <= 105
    found = Detector([EXACT] * 5, floor=0.05)
    # Bets are made on the past, so a change is seen in the second block at the earliest.
    assert feed(found, rng, shifted(1.0), max(-(-2000 // rows), 3), rows, patience=1e4).sum() >= 5


def test_blocks_of_uneven_size_may_follow_each_other():
    """An hour that changes closes a block early."""
    rng = np.random.default_rng(4)
    found = Detector([EXACT] * 5, floor=0.05)
    for block in range(400):
        rows = (200, 1, 63, 0)[block % 4]
        law = EVEN if block < 200 else shifted(1.0)
        found.update(rng.multinomial(rows, law, size=5), began_s=float(block), patience_blocks=1e5)
        assert not (block < 200 and found.alarm.any())
    assert found.alarm.all()
    assert found.change_start_s == pytest.approx(np.full(5, 200), abs=5)


def seasonal(rng, rows_an_hour, amplitude):
    """Return a reference with slots, and the law of each hour."""
    tilt = np.repeat([1, -1], 5) / 5 * amplitude
    laws = EVEN + np.sin(np.arange(168) / 24 * 2 * np.pi)[:, None] * tilt
    slots = np.array([rng.multinomial(rows_an_hour, law) for law in laws])
    return Reference(slots.sum(axis=0).tolist(), slots=slots.tolist()), laws


def test_the_hours_of_the_week_are_no_change_when_they_are_known():
    """A wave of .25 every day, with slots none of 20 streams alarms in a week; without them all do."""
    rng = np.random.default_rng(5)
    reference, laws = seasonal(rng, 2000, 0.25)
    plain = Reference(reference.counts)
    found, blind = Detector([reference] * 20, floor=0.05), Detector([plain] * 20, floor=0.05)
    for hour, law in enumerate(laws):
        feed(found, rng, law, 4, slot=hour)
        feed(blind, rng, law, 4, slot=hour)
    assert not found.alarm.any()
    assert (found.crossed == -1).all()
    assert (blind.crossed >= 0).all()


def test_a_change_is_found_beside_the_hours_and_the_bound_knows_them():
    """The lower bound is on the distance from what the hours would have had."""
    rng = np.random.default_rng(6)
    reference, laws = seasonal(rng, 2000, 0.25)
    found = Detector([reference] * 10, floor=0.05)
    push = np.array([0.1, -0.1, 0.05, -0.05, 0, 0, 0, 0, 0, 0]) / 2  # a total variation of .075 and the floor
    for hour in range(100):
        feed(found, rng, laws[hour % 168], 4, slot=hour)
    assert found.tv_lower_bounds().max() < 0.02
    law = np.clip(laws + push * 2, 0, 1)
    law /= law.sum(axis=1, keepdims=True)
    for hour in range(100, 168):
        feed(found, rng, law[hour], 4, slot=hour)
    assert found.alarm.all()


def test_hours_with_few_rows_are_taken_from_the_day_or_the_whole():
    """30 rows an hour tell no law, and an hour without rows has one all the same."""
    rng = np.random.default_rng(7)
    reference, _ = seasonal(rng, 30, 0.02)
    found = Detector([reference, EXACT], floor=0.05)
    p, slack = found.expectations.at(5)
    assert p[0] == pytest.approx(found.p[0])
    assert slack[0] == found.expectations.slack[0]
    assert p[1].tolist() == found.p[1].tolist()  # a feature without slots beside one with
    empty = Reference([10] * 10, slots=[[0] * 10] * 168)
    assert np.isfinite(Detector([empty], floor=0.05).expectations.at(0)[0]).all()


def test_each_feature_has_its_own_learned_floor():
    """Where it has one; the others the usual one."""
    found = Detector([Reference([10**6] * 10, learned_floor=0.11), EXACT], floor="learned")
    assert found.given_floor.tolist() == [0.11, 0.05]


def test_after_a_reset_nothing_is_left():
    """A new reference begins with new evidence."""
    rng = np.random.default_rng(8)
    found, fresh = Detector([EXACT] * 3, floor=0.05), Detector([EXACT] * 3, floor=0.05)
    feed(found, rng, shifted(1.0), 30)
    assert found.alarm.all()
    found.reset()
    assert found.state().model_dump_json() == fresh.state().model_dump_json()


@pytest.mark.parametrize("sigma", [0.3, 0.5, 1.0])
def test_the_start_of_the_change_is_told_to_within_a_few_blocks(sigma):
    """Over 100 streams the median is within 3 blocks of the truth, and nine of ten within 20."""
    rng = np.random.default_rng(9)
    found = Detector([Reference([10**5] * 10)] * 100, floor=0.05)
    feed(found, rng, EVEN, 200)
    started = np.full(100, np.nan)
    for _ in range(150):
        raised = feed(found, rng, shifted(sigma), 1).astype(bool)
        started[raised & np.isnan(started)] = found.change_start_s[raised & np.isnan(started)]
    error = started - 200
    assert abs(np.nanmedian(error)) <= 3
    assert np.nanquantile(np.abs(error), 0.9) <= 20


def test_state_is_kept_to_the_last_bit_with_hours_and_waiting_counts():
    """Also where counts wait because they are alike, and in the proof's numbers, infinite ones included."""
    rng = np.random.default_rng(10)
    reference, laws = seasonal(rng, 2000, 0.1)
    bursty = Reference([10**5] * 10, effects=[(960, 5.0, 0.3), (3840, 5.0, 0.2)])
    straight, restarted = (Detector([reference, bursty], floor=0.05) for _ in range(2))
    for hour in range(60):
        counts = rng.multinomial(150, laws[hour], size=2)
        for found in (straight, restarted):
            found.update(counts, began_s=float(hour), patience_blocks=1e3, slot=hour)
        text = restarted.state().model_dump_json()
        restarted = Detector([reference, bursty], floor=0.05)
        assert restarted.restore(State.model_validate_json(text))
        assert restarted.state().model_dump_json() == straight.state().model_dump_json()
        assert restarted.p_values().tolist() == straight.p_values().tolist()
    assert straight.waiting_rows.tolist()[1] > 0


@pytest.mark.parametrize("text", ["", "2:AAAA", "x:AAAAAAAAAAA=", "1:?", "2x2:AAAAAAAAAAA=", 7, None])
def test_a_damaged_array_is_refused(text):
    """And not taken for zeros."""
    with pytest.raises(ValueError):
        unpack(text)
    with pytest.raises(ValidationError):
        State.model_validate({**Detector([EXACT], floor=0.05).state().model_dump(), "memory": text})


def test_packed_arrays_come_back_to_the_last_bit():
    """Infinities and not-a-number too."""
    values = np.array([[0.1, -np.inf], [np.nan, 1e-310]])
    assert unpack(pack(values)).tobytes() == values.tobytes()
    assert unpack(pack(np.zeros((0, 3)))).shape == (0, 3)

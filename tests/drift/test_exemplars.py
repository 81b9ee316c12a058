"""An alarm points at requests that caused it, not at whatever came last."""

from types import SimpleNamespace

import numpy as np
import pytest

from mlobs.drift.live import Live
from mlobs.drift.profile import Profile
from mlobs.drift.streams.traces import RING, Exemplars, Ring, Seen, seen

HIGH = 0xABCDEF0123456789 << 64


@pytest.fixture(scope="module")
def profile():
    rng = np.random.default_rng(1)
    data = {"x": rng.normal(size=20_000), "c": np.array(["a", "b"])[rng.integers(0, 2, 20_000)]}
    return Profile.of(data, model="m@1")


def feed(live, n, moved, seed):
    """Give rows of which a share has x far to the right; their traces have odd ids."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        far = rng.random() < moved
        row = {"x": 9.0 if far else float(rng.normal()), "c": "ab"[rng.integers(2)]}
        live.add([(row, None, None, SimpleNamespace(trace_id=HIGH + 2 * i + far, span_id=i))], 1e9 + seed + i)


def test_the_traces_of_an_alarm_are_of_rows_in_the_bins_that_grew(profile):
    """Seven of ten rows are as ever; showing one of those would send people the wrong way."""
    live = Live(profile, floor=0.05, false_alarms_per_year=1.0, block_rows=50)
    feed(live, 1_000, 0.0, seed=2)
    feed(live, 1_000, 0.3, seed=2_000)
    watch = next(watch for watch in live.watches() if watch.feature == "x")
    assert watch.alarm
    assert len(watch.traces) == 8
    assert {trace.trace_id % 2 for trace in watch.traces} == {1}
    assert all(trace.trace_id - HIGH == 2 * trace.span_id + 1 for trace in watch.traces)


def test_an_alarm_keeps_its_traces_when_traffic_without_them_goes_on(profile):
    """Sampling may have been turned down since; the first requests are still evidence."""
    live = Live(profile, floor=0.05, false_alarms_per_year=1.0, block_rows=50)
    feed(live, 600, 0.6, seed=3)
    before = next(watch for watch in live.watches() if watch.feature == "x")
    assert before.alarm
    for i in range(500):
        live.add([({"x": 9.0, "c": "a"}, None, None, None)], 2e9 + i)
    after = next(watch for watch in live.watches() if watch.feature == "x")
    assert after.alarm
    assert after.traces == before.traces


def test_what_left_the_ring_is_not_shown(profile):
    """The place in the ring belongs to another trace by then."""
    ring = Ring()
    exemplars = Exemplars(ring, (1, 2))
    exemplars.note(np.array([[0]]), ring.put([Seen(1, 1)], 0.0))
    assert exemplars.of(0, np.array([0])) == (Seen(1, 1),)
    for _ in range(RING // 64):
        exemplars.note(np.ones((1, 64), np.intp), ring.put([Seen(9, 9)] * 64, 1.0))
    assert exemplars.of(0, np.array([0])) == ()
    assert len(exemplars.of(0, np.array([1]))) <= 8


def test_traces_before_the_change_are_not_shown():
    """A rare bin has rows in good times, too."""
    ring = Ring()
    exemplars = Exemplars(ring, (1, 1))
    for at_s in (1.0, 2.0, 3.0):
        exemplars.note(np.array([[0]]), ring.put([Seen(int(at_s), 1)], at_s))
    assert exemplars.of(0, np.array([0]), since_s=2.0) == (Seen(2, 1), Seen(3, 1))


class Odd:
    @property
    def trace_id(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "trace",
    [object(), Odd(), SimpleNamespace(trace_id="x", span_id=1), SimpleNamespace(trace_id=0, span_id=0)],
)
def test_a_trace_that_cannot_be_used_costs_no_row(profile, trace):
    """Whoever calls observe may pass anything."""
    live = Live(profile, floor=0.05, false_alarms_per_year=1.0, block_rows=50)
    live.add([({"x": 0.0, "c": "a"}, None, None, trace)], 1e9)
    assert seen(trace) is None
    assert [(watch.rows, watch.traces) for watch in live.watches()] == [(1, ()), (1, ())]

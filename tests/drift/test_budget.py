"""However rows come, a stream's blocks together never spend more than was promised."""

import numpy as np
import pytest

from mlobs.drift.calendar import DAY_S, YEAR_S
from mlobs.drift.streams.budget import Budget

HOUR_S = DAY_S / 24


def spent(times, *, began_s=None, false_alarms=1.0):
    """Return the mean number of false alarms, at most, that blocks closed at `times` may bring."""
    one = Budget(false_alarms)
    began_s = times[0] if began_s is None else began_s
    return sum(1 / one.spend(began_s, float(now)) for now in times)


def busy_by_day(rng, blocks):
    """Return times over a year: three times as many at noon as at night."""
    days = rng.integers(0, 365, blocks) * DAY_S
    hours = (12 + 4 * rng.normal(size=blocks)) % 24
    return np.sort(days + hours * HOUR_S)


STREAMS = {
    "one block a day": np.arange(0, YEAR_S, DAY_S),
    "steady": np.linspace(0, YEAR_S, 200_000),
    "daily waves": busy_by_day(np.random.default_rng(1), 200_000),
    "begins after half a year": np.linspace(YEAR_S / 2, YEAR_S, 100_000),
    "idle, then one busy day": np.concatenate(
        [np.arange(0, YEAR_S / 2, 7 * DAY_S), YEAR_S / 2 + np.linspace(0, DAY_S, 50_000)]
    ),
    "twice as busy every month": np.concatenate(
        [month * YEAR_S / 12 + np.linspace(0, YEAR_S / 12, 40 * 2**month) for month in range(12)]
    ),
    "one burst at the start": np.concatenate([np.linspace(0, 60, 20_000), np.arange(DAY_S, YEAR_S, HOUR_S)]),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_year_of_blocks_stays_within_the_promise(name):
    """Averages since the start would let late, growing and bursty streams spend more than that."""
    assert spent(STREAMS[name]) <= 1
    assert spent(STREAMS[name], false_alarms=12.0) <= 12


def test_a_steady_stream_is_not_more_patient_than_it_must_be():
    """Patience costs rows until an alarm: a steady stream should spend nearly all it may."""
    assert spent(np.linspace(0, YEAR_S, 200_000)) > 0.9


def test_patience_never_shrinks():
    """Wealth from busy days must not meet the cheap alarms of a quiet night."""
    one = Budget(1)
    rng = np.random.default_rng(2)
    found = [one.spend(0.0, float(now)) for now in np.cumsum(rng.exponential(10_000, 5_000))]
    assert found == sorted(found)


def test_a_stream_that_begins_late_is_as_patient_as_one_that_was_there_from_the_start():
    """A new segment after a quiet half year is a new stream, not a slow one."""
    early, late = Budget(1), Budget(1)
    blocks = np.arange(0, 2 * DAY_S, 60.0)
    begun = 200 * DAY_S
    assert [early.spend(0.0, float(now)) for now in blocks] == [
        late.spend(begun, begun + float(now)) for now in blocks
    ]


def test_a_saved_budget_goes_on():
    """Otherwise each restart would bring the first day's cheap blocks again."""
    one, other = Budget(1), Budget(1)
    for now in range(0, 100_000, 50):
        one.spend(0.0, float(now))
    other.restore(one.save())
    assert other.spend(99_000.0, 100_000.0) == one.spend(99_000.0, 100_000.0)

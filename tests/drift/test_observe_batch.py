"""Many rows at once: every form of table counts as its rows do, in bounded memory, and never raises."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mlobs.drift.live import Live
from mlobs.drift.monitor import Monitor
from mlobs.drift.profile import Profile

BLOCK = 100
N = 1_234


def table(n, seed=2, shift=0.0):
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(shift, 1, n),
        "k": rng.integers(0, 6, n),
        "c": np.array(["a", "b", "c"])[rng.integers(0, 3, n)],
        "score": rng.random(n),
    }


@pytest.fixture(scope="module")
def profile():
    return Profile.of(table(30_000, seed=1), model="churn@7", prediction="score")


@pytest.fixture
def monitor(profile):
    made = Monitor(profile, block_rows=BLOCK)
    yield made
    made.close()


def known(monitor):
    return {w.feature: (w.rows, round(w.log_e, 9), round(w.distances.tv or 0, 9)) for w in monitor.state()}


DATA = table(N)
FRAME = pd.DataFrame(DATA)
INPUTS = FRAME[["x", "k", "c"]]


@pytest.mark.parametrize(
    "data",
    [
        DATA,
        FRAME,
        pl.DataFrame(DATA),
        pa.table(DATA),
        FRAME.to_records(index=False),
        FRAME.to_dict("records"),
        list(FRAME.itertuples(index=False)),
        {name: column.tolist() for name, column in DATA.items()},
    ],
    ids=lambda data: f"{type(data).__module__.split('.')[0]}.{type(data).__name__}",
)
def test_every_form_of_table_counts_as_its_rows_do(profile, data):
    """The same rows, one by one, are what it is compared with."""
    one, other = Monitor(profile, block_rows=BLOCK), Monitor(profile, block_rows=BLOCK)
    for row in FRAME.to_dict("records"):
        one.observe(row)
    other.observe_batch(data)
    assert known(one) == known(other)
    assert known(other)["x"][0] == N
    one.close()
    other.close()


@pytest.mark.parametrize(
    "predictions", [DATA["score"], DATA["score"].tolist(), FRAME["score"], pa.array(DATA["score"])]
)
def test_predictions_may_come_beside_the_rows(profile, monitor, predictions):
    """Models return arrays, not columns."""
    whole = Monitor(profile, block_rows=BLOCK)
    whole.observe_batch(FRAME)
    monitor.observe_batch(INPUTS, predictions)
    assert known(monitor) == known(whole)
    whole.close()


def test_a_matrix_has_the_inputs_in_the_profiles_order():
    """That is what models are given."""
    rng = np.random.default_rng(1)
    profile = Profile.of({"b": rng.normal(size=5_000), "a": rng.normal(5, 1, 5_000)}, model="m")
    monitor = Monitor(profile)
    monitor.observe_batch(np.column_stack([rng.normal(size=500), rng.normal(5, 1, 500)]))
    assert all(watch.distances == watch.distances and watch.rows == 500 for watch in monitor.state())
    assert max(watch.outside_ratio for watch in monitor.state()) < 0.02
    monitor.close()


def test_a_drifted_batch_raises_its_alarms_once(profile):
    """Thousands of blocks in one call are still blocks."""
    told = []
    monitor = Monitor(profile, block_rows=BLOCK, on_alarm=told.append)
    monitor.observe_batch(table(20_000, seed=3))
    monitor.page()
    assert told == []
    monitor.observe_batch(table(20_000, seed=4, shift=0.5))
    monitor.close()
    assert [watch.feature for watch in told] == ["x"]


def test_the_times_of_the_rows_are_those_of_the_findings(monitor):
    """A batch from the warehouse is judged by when its rows came, in whatever order they lie."""
    began = datetime(2026, 3, 1, tzinfo=UTC)
    times = [began + timedelta(minutes=i) for i in range(6_000)]
    whole = pd.DataFrame(table(6_000, seed=5))
    whole.loc[3_000:, "x"] += 1.0
    whole["at"] = times
    monitor.observe_batch(whole.sample(frac=1, random_state=1), time="at")
    watch = next(watch for watch in monitor.state() if watch.feature == "x")
    assert watch.alarm
    assert abs(watch.change_start - times[3_000]) < timedelta(hours=5)


@pytest.mark.parametrize("form", [list, np.array, pd.Series, lambda times: [t.timestamp() for t in times]])
def test_times_come_in_many_forms(monitor, form):
    """Seconds, datetimes and their arrays."""
    times = [datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=i) for i in range(N)]
    given = form([t.replace(tzinfo=None) for t in times]) if form is np.array else form(times)
    monitor.observe_batch(FRAME, time=given)
    assert monitor._live.whole.detector.started_s.max() < times[-1].timestamp() + 1
    assert known(monitor)["x"][0] == N


def test_a_row_from_the_future_does_not_stop_the_clock(monitor):
    """One wrong clock upstream must not date all later alarms."""
    monitor.observe_batch(FRAME, time=[4e9] * N)
    assert monitor._live._latest_s < 3e9


def test_a_column_of_another_type_is_other_and_told_as_schema(monitor):
    """Numbers that became text are the commonest change of schema."""
    monitor.observe_batch({**DATA, "x": DATA["x"].astype(str)})
    x = next(counted for counted in monitor.counted() if counted.feature == "x")
    assert dict(zip(x.bins, x.live, strict=True))["__other__"] == N
    assert monitor.schema().wrong_type["x"] == N


def test_columns_that_are_missing_or_new_are_told_as_schema(monitor):
    """A renamed column is both."""
    monitor.observe_batch({"X": DATA["x"], "k": DATA["k"], "c": DATA["c"]})
    schema = monitor.schema()
    assert schema.missing == {"x": N, "k": 0, "c": 0}
    assert schema.extra == {"X": N}
    assert known(monitor)["x"][0] == N


@pytest.mark.parametrize(
    ("data", "beside", "unreadable"),
    [
        (5, {}, 1),
        ("text", {}, 4),
        (None, {}, 1),
        (np.zeros((3, 7)), {}, 3),
        ({"x": [1.0, 2.0], "k": [1]}, {}, 2),
        (DATA, {"predictions": [1.0]}, N),
        (DATA, {"ids": ["only one"]}, N),
        (DATA, {"time": "no such column"}, N),
        (DATA, {"time": ["yesterday"] * N}, N),
        ([1, None, "text"], {}, 3),
    ],
)
def test_what_cannot_be_read_is_counted_and_never_raises(monitor, data, beside, unreadable):
    """A batch job must not fail because of its monitor."""
    monitor.observe_batch(data, **beside)
    assert monitor.dropped()["unreadable"] == unreadable
    monitor.observe_batch(DATA)
    assert known(monitor)["x"][0] == N


@pytest.mark.parametrize("data", [[], {}, FRAME.head(0), {"x": []}])
def test_an_empty_batch_is_nothing(monitor, data):
    """Nothing was observed, nothing is wrong."""
    monitor.observe_batch(data)
    assert {w.rows for w in monitor.state()} == {0}


def test_a_closed_monitor_drops_batches_and_says_so(profile):
    """As it does with rows."""
    monitor = Monitor(profile)
    monitor.close()
    monitor.observe_batch(DATA)
    assert monitor.dropped() == {"queue_full": 0, "closed": N, "unreadable": 0}


def test_blocks_end_where_the_hour_of_the_week_does():
    """With counts by the hour, a block is judged by the reference of its hour."""
    rng = np.random.default_rng(1)
    n, week = 60_000, 7 * 86_400
    at = np.sort(rng.random(n) * 4 * week) + 1_700_000_000 // week * week
    night = (at // 3600 % 24) < 6
    data = {"x": rng.normal(np.where(night, 3.0, 0.0)), "at": pd.to_datetime(at, unit="s", utc=True)}
    profile = Profile.of(pd.DataFrame(data), model="m", time="at", season=True)
    live = Live(profile, floor=0.05, false_alarms_per_year=1.0, block_rows=10_000)
    slots = []
    inner = live.whole.detector.update
    live.whole.detector.update = lambda *args, **kwargs: (
        slots.append(kwargs["slot"]),
        inner(*args, **kwargs),
    )[1]
    from mlobs.drift.frames import Frame

    frame = Frame(pd.DataFrame(data).iloc[:2_000])
    live.add_columns(frame.columns, frame.rows, at[:2_000])
    hours = np.floor(at[:2_000] / 3600)
    expected = [int(hour + 72) % 168 for hour in dict.fromkeys(hours.tolist())]
    assert slots == expected[:-1]
    assert not any(watch.alarm for watch in live.watches())

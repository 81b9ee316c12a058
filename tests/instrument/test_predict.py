"""Predictions reach their monitor, with the trace they were made in."""

import asyncio
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mlobs
from mlobs.drift.profile import Profile
from mlobs.errors import SettingError


def test_predict_tells_its_monitor_of_each_row_and_prediction(sink):
    """With the trace it happened in, so that an alarm can point at one."""
    seen = []

    class Observer:
        def observe(self, row, prediction=None, *, trace=None):
            seen.append((row, prediction, f"{trace.trace_id:032x}"))

    @mlobs.predict(model="m@1", monitor=Observer())
    def of_row(row):
        return 0.1

    @mlobs.predict(model="m@1", monitor=Observer())
    async def of_columns(age, *, city="Rome"):
        return 0.2

    @mlobs.predict(monitor=Observer())
    def of_one(age):
        return 0.3

    class Model:
        @mlobs.predict(monitor=Observer())
        def method(self, age, city="Rome"):
            return 0.4

    of_row({"age": 3})
    asyncio.run(of_columns(4, city="Oslo"))
    of_one(5)
    Model().method(6)
    assert mlobs.flush()
    traces = [span.trace_id for span in sink.spans()]
    assert seen == [
        ({"age": 3}, 0.1, traces[0]),
        ({"age": 4, "city": "Oslo"}, 0.2, traces[1]),
        ({"age": 5}, 0.3, traces[2]),
        ({"age": 6, "city": "Rome"}, 0.4, traces[3]),
    ]


def test_a_monitor_that_breaks_does_not_break_the_prediction(sink, caplog):
    """It is telemetry too."""

    class Broken:
        def observe(self, row, prediction=None, *, trace=None):
            raise RuntimeError

    @mlobs.predict(monitor=Broken())
    def chance(row):
        return 0.5

    assert chance({}) == 0.5
    assert "observing a prediction" in caplog.text


@pytest.mark.parametrize(
    ("monitor", "function", "sentence"),
    [
        ("churn.json", lambda row: 1, "monitor='churn.json' cannot observe. Make a monitor of a profile"),
        (mlobs, lambda row: 1, "cannot observe"),
    ],
)
def test_what_cannot_observe_is_refused_when_decorating(monitor, function, sentence):
    """Not at the first prediction, in production."""
    with pytest.raises(SettingError, match=re.escape(sentence)):
        mlobs.predict(monitor=monitor)(function)


def test_a_stream_cannot_be_watched():
    """It has no one prediction."""

    class Observer:
        def observe(self, row, prediction=None, *, trace=None):
            raise AssertionError

    def stream(row):
        yield 1

    with pytest.raises(SettingError, match="and this one yields"):
        mlobs.predict(monitor=Observer())(stream)


N = 400
COLUMNS = {
    "age": np.random.default_rng(1).normal(40, 9, N),
    "income": np.random.default_rng(2).normal(3_000, 500, N),
}


@pytest.fixture(scope="module")
def profile():
    rng = np.random.default_rng(3)
    data = {"age": rng.normal(40, 9, 20_000), "income": rng.normal(3_000, 500, 20_000)}
    return Profile.of({**data, "score": rng.random(20_000)}, model="m@1", prediction="score")


def model(frame):
    """Return one chance for each row, as models do."""
    return np.random.default_rng(4).random(len(frame))


@pytest.mark.parametrize(
    ("table", "function"),
    [
        (pd.DataFrame(COLUMNS), model),
        (pd.DataFrame(COLUMNS), lambda frame: pd.Series(model(frame))),
        (pd.DataFrame(COLUMNS), lambda frame: model(frame).reshape(-1, 1)),
        (pl.DataFrame(COLUMNS), model),
        (np.column_stack(list(COLUMNS.values())), lambda matrix: model(matrix).tolist()),
        (np.column_stack(list(COLUMNS.values())).tolist(), model),
        ([dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)], model),
        (pd.DataFrame(COLUMNS), lambda frame, threshold=0.5: model(frame)),
    ],
)
def test_a_model_that_takes_a_table_is_counted_row_by_row(sink, profile, table, function, caplog):
    """As scikit-learn's models are called: unchanged data raises no alarm, in whatever form it comes."""
    monitor = mlobs.Monitor(profile, block_rows=50)
    chances = mlobs.predict(monitor=monitor)(function)(table)
    assert len(chances) == N
    state = {watch.feature: watch for watch in monitor.state()}
    assert {name: watch.rows for name, watch in state.items()} == {"age": N, "income": N, "prediction": N}
    assert not any(watch.alarm for watch in state.values())
    assert all(watch.distances.tv < 0.3 for watch in state.values())
    assert monitor.dropped() == {"queue_full": 0, "closed": 0, "unreadable": 0}
    assert mlobs.flush()
    [span] = sink.spans()
    assert {f"{trace.trace_id:032x}" for one in state.values() for trace in one.traces} == {span.trace_id}
    assert not caplog.text
    monitor.close()


def test_a_frame_of_one_row_and_its_one_prediction_are_a_row(sink, profile):
    """Many services make one of each request."""
    monitor = mlobs.Monitor(profile)
    mlobs.predict(monitor=monitor)(lambda frame: 0.5)(pd.DataFrame(COLUMNS).head(1))
    assert {watch.rows for watch in monitor.state()} == {1}
    assert all(watch.missing_ratio == watch.unseen_ratio == 0 for watch in monitor.state())
    monitor.close()


def test_a_table_whose_predictions_cannot_be_told_apart_is_counted_without_and_that_is_told_once(
    sink, profile, caplog
):
    """The columns are worth counting."""
    monitor = mlobs.Monitor(profile)
    chances = mlobs.predict(monitor=monitor)(lambda frame: {"scores": "in a file"})
    for _ in range(3):
        chances(pd.DataFrame(COLUMNS))
    assert {watch.rows for watch in monitor.state()} == {3 * N}
    assert caplog.text.count("A dict came as the predictions for 400 rows, and was not counted.") == 1
    monitor.close()


def test_tables_beyond_the_queue_are_dropped_and_counted(profile):
    """Whoever makes tables faster than they are counted must not fill the memory."""
    monitor = mlobs.Monitor(profile, queue_rows_max=N)
    with monitor._lock:
        monitor.observe_table(pd.DataFrame(COLUMNS))
        monitor.observe_table(pd.DataFrame(COLUMNS))
    assert monitor.dropped()["queue_full"] == N
    monitor.observe_table(pd.DataFrame(COLUMNS).head(0))
    monitor.close()
    monitor.observe_table(pd.DataFrame(COLUMNS))
    assert monitor.dropped()["closed"] == N


class Tensor:
    """What frameworks have instead of arrays."""

    ndim = 2

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        return self.values


def test_a_tensor_is_a_matrix(sink, profile):
    """Its columns are in the profile's order."""
    monitor = mlobs.Monitor(profile)
    mlobs.predict(monitor=monitor)(model)(Tensor(np.column_stack(list(COLUMNS.values()))))
    assert {watch.rows for watch in monitor.state()} == {N}
    assert all(watch.distances.tv is None or watch.distances.tv < 0.3 for watch in monitor.state())
    monitor.close()


def test_a_row_of_vectors_is_no_table(sink):
    """Two embeddings are one row, if there is one prediction."""
    seen = []

    class Observer:
        def observe(self, row, prediction=None, *, trace=None):
            seen.append(row)

        def observe_table(self, data, result=None, *, trace=None):
            raise AssertionError

    mlobs.predict(monitor=Observer())(lambda vectors: 0.5)([[0.1, 0.2], [0.3, 0.4]])
    assert seen == [[[0.1, 0.2], [0.3, 0.4]]]

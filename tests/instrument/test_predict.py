"""Predictions reach their monitor, with the trace they were made in."""

import asyncio
import re

import pytest

import mlobs
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

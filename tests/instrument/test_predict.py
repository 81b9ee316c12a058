"""Predictions reach their monitor, with the trace they were made in."""

import asyncio

import mlobs


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

    of_row({"age": 3})
    asyncio.run(of_columns(4, city="Oslo"))
    of_one(5)
    assert mlobs.flush()
    traces = [span.trace_id for span in sink.spans()]
    assert seen == [
        ({"age": 3}, 0.1, traces[0]),
        ({"age": 4, "city": "Oslo"}, 0.2, traces[1]),
        ({"age": 5}, 0.3, traces[2]),
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

"""Rows that are not as the profile's are told: as schema, and once in the log."""

import numpy as np
import pandas as pd
import pytest

from mlobs.drift.monitor import Monitor
from mlobs.drift.profile import Profile


@pytest.fixture(scope="module")
def profile():
    rng = np.random.default_rng(1)
    data = {"x": rng.normal(size=4_000), "c": np.array(["a", "b"])[rng.integers(0, 2, 4_000)]}
    return Profile.of({**data, "score": rng.random(4_000)}, model="churn@7", prediction="score")


@pytest.fixture
def monitor(profile):
    made = Monitor(profile)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ([1.0], "A row of 1 value cannot be read: the profile has 2 inputs. Wanted: one value each for"),
        (
            7,
            "A value of type int cannot be read as a row. Wanted: a mapping or an object with 'x'",
        ),
        (pd.DataFrame({"x": [1.0], "c": "a"}), "A DataFrame was observed as one row. Hand tables to"),
        ({"X": 1.0, "c": "a"}, "Rows came without 'x', which the profile has; there they count as missing"),
        ({"X": 1.0, "c": "a"}, "They have 'X', which it does not have."),
        ({"x": "1.0", "c": "a"}, "Values of 'x' are of another type than in the profile (x float64)"),
    ],
)
def test_rows_that_are_not_as_in_the_profile_are_told_once(monitor, caplog, row, sentence):
    """Five hundred wrong rows are one line of the log, not none and not five hundred."""
    for _ in range(500):
        monitor.observe(row, 0.5)
        if not len(monitor._queue) % 100:
            monitor.flush()
    monitor.flush()
    assert caplog.text.count("the monitor of churn@7 says once:") == 1
    assert caplog.text.count(sentence) == 1


def test_rows_as_in_the_profile_are_not_worth_a_word(monitor, caplog):
    """Whoever warns of everything is not read."""
    for _ in range(300):
        monitor.observe({"x": 0.5, "c": "a", "request_id": 7}, 0.5)
    monitor.observe({"x": None, "c": "new"}, None)
    monitor.flush()
    assert caplog.text == ""
    assert monitor.schema().extra == {"request_id": 300}


def test_columns_under_another_name_are_told_as_schema(monitor):
    """A row of the usual length has them in the place of others."""
    monitor.observe({"X": 1.0, "c": "a"}, 0.5)
    assert monitor.schema().missing == {"x": 1, "c": 0}
    assert monitor.schema().extra == {"X": 1}


KINDS = {
    "few": np.arange(4_000) % 5,
    "category": np.array(["a", "b"])[np.arange(4_000) % 2],
    "flag": np.arange(4_000) % 2 == 0,
    "wide": np.random.default_rng(9).normal(size=4_000),
}


@pytest.mark.parametrize(
    ("column", "value", "wrong"),
    [
        ("few", "3", 1),
        ("few", 3.0, 0),
        ("few", 17, 0),
        ("few", 2.5, 0),
        ("few", None, 0),
        ("category", b"a", 1),
        ("category", ["a"], 1),
        ("category", "never seen", 0),
        ("category", float("nan"), 0),
        ("flag", "true", 1),
        ("wide", "1.5", 1),
    ],
)
def test_another_type_is_told_from_a_new_value(column, value, wrong):
    """Both are in `__other__`; one is a bug in a service, the other drift."""
    monitor = Monitor(Profile.of(KINDS, model="m"))
    row = {name: values[0].item() for name, values in KINDS.items()}
    monitor.observe(row)
    monitor.observe({**row, column: value})
    assert {name: n for name, n in monitor.schema().wrong_type.items() if n} == ({column: 1} if wrong else {})
    monitor.close()


@pytest.mark.parametrize(("column", "values"), [("few", ["3"]), ("category", [7.5]), ("wide", ["1.5"])])
def test_a_column_of_a_batch_of_another_type_is_told(column, values):
    """As single values are."""
    monitor = Monitor(Profile.of(KINDS, model="m"))
    rest = {name: data[:2] for name, data in KINDS.items()}
    monitor.observe_batch({**rest, column: values * 2})
    assert {name: n for name, n in monitor.schema().wrong_type.items() if n} == {column: 2}
    monitor.close()


def test_a_reference_of_few_rows_says_at_the_start_how_little_it_can_show(caplog):
    """Silence would look like a stable feature."""
    monitor = Monitor(Profile.of({"x": np.random.default_rng(1).normal(size=30)}, model="m"))
    monitor.flush()
    monitor.flush()
    [watch] = monitor.state()
    assert watch.floor > 0.2
    assert caplog.text.count(f"Of 'x' ({watch.floor:.0%}".replace("%", " %")) == 1
    monitor.close()


def test_a_wide_floor_that_was_asked_for_is_not_worth_a_word(profile, caplog):
    """It is known."""
    monitor = Monitor(profile, floor=0.5)
    monitor.flush()
    assert {round(watch.floor, 1) for watch in monitor.state()} <= {0.5, 0.6}
    monitor.close()
    assert caplog.text == ""


class Lazy:
    """As a proxy outside of its request: asking what it is raises."""

    @property
    def __class__(self):
        raise RuntimeError

    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("odd", "lost"),
    [
        (lambda: {"row": Lazy()}, 1),
        (lambda: {"row": {"x": Lazy(), "c": "a"}}, 0),
        (lambda: {"row": {"x": 1.0, "c": Lazy()}}, 0),
        (lambda: {"prediction": Lazy(), "id": "1"}, 0),
        (lambda: {"id": Lazy()}, 0),
    ],
)
def test_a_value_whose_own_code_raises_costs_no_row_beside_it(monitor, odd, lost):
    """Rows are counted some hundred at once, and one among them may hold anything."""
    usual = {"row": {"x": 1.0, "c": "a"}, "prediction": 0.5}
    for given in ([usual] * 50, [{**usual, **odd()}], [usual] * 50):
        for one in given:
            monitor.observe(**one)
        monitor.label(Lazy(), Lazy(), prediction=Lazy())
    monitor.flush()
    assert monitor.dropped()["unreadable"] == lost
    [counted] = [one for one in monitor.counted() if one.feature == "x"]
    assert sum(counted.live) == 101 - lost

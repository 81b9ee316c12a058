"""A gate lets unchanged data pass, holds changed data back, and says which features moved."""

import numpy as np
import pytest

from mlobs.drift.gate import Gate
from mlobs.drift.profile import Profile
from mlobs.errors import DataError, SettingError


def data(rng, rows, sigma=0.0):
    """Return three columns, of which the first moves."""
    return {
        "income": rng.normal(sigma, 1, rows),
        "age": rng.normal(40, 12, rows),
        "country": rng.choice(["de", "fr", "it"], rows),
    }


@pytest.fixture(scope="module")
def profile():
    """Return the profile of 40,000 rows."""
    return Profile.of(data(np.random.default_rng(1), 40_000))


@pytest.mark.slow
def test_unchanged_data_passes_however_often_one_looks(profile):
    """100 gates of 10 updates at alpha .05: 5 may close; more than 20 would by chance once in 1e7."""
    rng = np.random.default_rng(2)
    closed = 0
    for _ in range(100):
        gate = Gate(profile, floor=0.0)
        closed += not all(gate.update(data(rng, 500)) for _ in range(10))
    assert closed <= 20


def test_changed_data_is_held_back_and_named(profile):
    """Half a standard deviation, told within 3,000 rows."""
    gate = Gate(profile)
    assert not gate.update(data(np.random.default_rng(3), 3_000, sigma=0.5))
    assert gate.closed
    assert gate.p_value <= 0.05
    assert gate.drifted == ["income"]
    assert gate.p_values()["income"] <= 0.05 < gate.p_values()["age"]
    assert gate.rows == 3_000


def test_a_gate_stays_closed(profile):
    """Good data later does not excuse the bad."""
    gate, rng = Gate(profile), np.random.default_rng(4)
    gate.update(data(rng, 3_000, sigma=1.0))
    best = gate.p_value
    assert not gate.update(data(rng, 50_000))
    assert gate.p_value <= best


def test_rows_that_are_sorted_are_no_change(profile):
    """A file sorted by a column begins with its smallest values."""
    found = data(np.random.default_rng(5), 20_000)
    order = np.argsort(found["income"])
    gate = Gate(profile)
    assert gate.update({name: column[order] for name, column in found.items()})


def test_the_same_data_in_small_updates_has_the_same_rows(profile):
    """Rows that do not fill a block wait; one row at a time is enough to see a change."""
    found = data(np.random.default_rng(6), 2_000, sigma=1.0)
    gate = Gate(profile)
    for row in range(0, 2_000, 50):
        gate.update({name: column[row : row + 50] for name, column in found.items()})
    assert gate.closed
    assert gate.rows == 2_000


def test_no_rows_are_no_evidence(profile):
    """An empty batch keeps the gate open and the p-value at 1."""
    gate = Gate(profile)
    assert gate.update(data(np.random.default_rng(7), 0))
    assert gate.p_value == 1.0
    assert gate.drifted == []


def test_a_column_that_is_missing_or_of_another_kind_is_told(profile):
    """With what to do."""
    found = data(np.random.default_rng(8), 100)
    with pytest.raises(DataError, match=r"The data has no column 'age'.*Give the gate the columns"):
        Gate(profile).update({name: column for name, column in found.items() if name != "age"})
    with pytest.raises(DataError, match=r"Column 'age' is of another kind.*mlobs drift check"):
        Gate(profile).update({**found, "age": np.array(["old"] * 100)})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"alpha": 0}, "alpha=0 cannot be used: a probability"),
        ({"alpha": 1.5}, "alpha=1.5 cannot be used"),
        ({"floor": 1.0}, "floor=1.0 cannot be used: a share"),
        ({"floor": "high"}, "floor='high' cannot be used"),
    ],
)
def test_wrong_settings_are_refused(profile, given, words):
    """Before any data is read."""
    with pytest.raises(SettingError, match=words):
        Gate(profile, **given)


def judged(rng, rows, bias=0.0):
    """Return data with a prediction, and its target, from which it may be off."""
    found = data(rng, rows)
    truth = found["income"] + rng.normal(0, 0.5, rows)
    return {**found, "guess": truth + rng.normal(bias, 0.3, rows), "truth": truth}


@pytest.fixture(scope="module")
def judging():
    """Return a profile with prediction, target and error."""
    return Profile.of(
        judged(np.random.default_rng(11), 40_000), prediction="guess", target="truth", model="m"
    )


@pytest.mark.parametrize("columns", [set(), {"guess"}, {"truth"}, {"guess", "truth"}])
def test_predictions_and_labels_are_compared_if_the_data_has_them(judging, columns):
    """The data of the day has its labels tomorrow."""
    rng, gate = np.random.default_rng(12), Gate(judging)
    for _ in range(2):
        found = judged(rng, 3_000)
        inputs = {"income", "age", "country"}
        assert gate.update({name: found[name] for name in inputs | columns})
    error = {"error"} if len(columns) == 2 else set()
    assert gate.p_values().keys() == inputs | columns | error


def test_a_model_that_errs_otherwise_closes_the_gate(judging):
    """Of inputs that have not changed."""
    gate = Gate(judging)
    assert not gate.update(judged(np.random.default_rng(13), 8_000, bias=0.5))
    assert gate.drifted[0] == "error"


def test_columns_that_were_there_must_stay(judging):
    """A gate collects evidence over all its rows, of the same features."""
    rng, gate = np.random.default_rng(14), Gate(judging)
    gate.update(judged(rng, 1_000))
    with pytest.raises(DataError, match="The data has no column 'guess'"):
        gate.update(data(rng, 1_000))


@pytest.mark.parametrize("wrong", [np.array(["high"] * 100), np.zeros((100, 2))])
def test_predictions_of_another_kind_are_told(judging, wrong):
    """Whether or not an error can be made of them."""
    found = judged(np.random.default_rng(15), 100)
    with pytest.raises(DataError, match=r"Column 'guess' is of another kind than in the profile"):
        Gate(judging).update({**found, "guess": wrong})


def test_data_without_any_column_of_the_profile_is_told():
    """Nothing to compare is no pass."""
    profile = Profile.of({"score": np.random.default_rng(1).random(1_000)}, prediction="score", model="m")
    with pytest.raises(DataError, match=r"The data has none of the profile's columns\. Wanted: score"):
        Gate(profile).update({"other": np.arange(10.0)})


def test_a_gate_takes_the_path_of_a_profile_and_no_data(profile, tmp_path):
    """As a monitor does."""
    profile.write(tmp_path / "churn.json")
    assert Gate(tmp_path / "churn.json").update(data(np.random.default_rng(16), 1_000))
    with pytest.raises(SettingError, match="A dict is no profile"):
        Gate({"x": [1.0]})

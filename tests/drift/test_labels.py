"""Labels come late, twice, or never; each is joined to its prediction or counted by what became of it."""

import json
from decimal import Decimal

import numpy as np
import pytest

from mlobs.drift.live import Live
from mlobs.drift.monitor import Monitor
from mlobs.drift.profile import Profile
from mlobs.drift.streams.joining import LARGEST, Joiner, Pending

N = 20_000
DAY_S = 86_400.0


def numbers(n, seed, bias=0.0):
    rng = np.random.default_rng(seed)
    target = rng.normal(50, 10, n)
    return {"x": rng.normal(size=n), "prediction": target + bias + rng.normal(0, 2, n), "target": target}


def chances(n, seed, share=None):
    rng = np.random.default_rng(seed)
    chance = rng.random(n)
    return {
        "x": rng.normal(size=n),
        "prediction": chance,
        "target": rng.random(n) < (chance if share is None else share),
    }


@pytest.fixture(scope="module")
def regression():
    return Profile.of(numbers(N, 1), model="price@1")


@pytest.fixture(scope="module")
def probability():
    return Profile.of(chances(N, 1), model="churn@1")


@pytest.fixture(scope="module")
def classes():
    rng = np.random.default_rng(1)
    truth = np.array(["cat", "dog"])[rng.integers(0, 2, N)]
    guess = np.where(rng.random(N) < 0.9, truth, np.array(["cat", "dog"])[rng.integers(0, 2, N)])
    return Profile.of({"x": rng.normal(size=N), "prediction": guess, "target": truth}, model="pets@1")


def figures(monitor):
    return {one.measure: one for one in monitor.quality()}


def observe(monitor, data):
    for i, (x, prediction, target) in enumerate(
        zip(data["x"], data["prediction"], data["target"], strict=True)
    ):
        monitor.observe({"x": x}, prediction, id=i)
        monitor.label(i, target)


def test_quality_of_numbers_is_that_of_the_pairs(regression):
    """Against numpy on the same pairs; the reference's own figures stand beside."""
    data = numbers(3_000, 2, bias=1.0)
    monitor = Monitor(regression)
    observe(monitor, data)
    error = data["target"] - data["prediction"]
    found = figures(monitor)
    assert found["mae"].overall == pytest.approx(np.abs(error).mean())
    assert found["rmse"].overall == pytest.approx(np.sqrt((error**2).mean()))
    assert found["bias"].recent == pytest.approx(error[-1000:].mean())
    assert found["rmse"].reference == pytest.approx(2, abs=0.1)
    assert found["bias"].reference == pytest.approx(0, abs=0.1)
    assert found["mae"].labels == 3_000
    assert monitor.labels()["joined"] == 3_000
    monitor.close()


def test_a_model_that_gets_worse_raises_an_alarm_on_its_error(regression):
    """Inputs and predictions look as ever; only the labels show it."""
    monitor = Monitor(regression)
    observe(monitor, numbers(4_000, 3))
    assert not any(watch.alarm for watch in monitor.state())
    worse = numbers(2_000, 4)
    worse["target"] = worse["target"] + 0.0
    worse["prediction"] = worse["prediction"] + np.random.default_rng(5).normal(0, 6, 2_000)
    observe(monitor, worse)
    assert {watch.feature for watch in monitor.state() if watch.alarm} == {"error"}
    monitor.close()


def test_quality_of_probabilities_is_that_of_the_pairs(probability):
    """Brier score and log loss, by their definitions."""
    data = chances(2_000, 6)
    monitor = Monitor(probability)
    observe(monitor, data)
    p, y = data["prediction"], data["target"].astype(float)
    found = figures(monitor)
    assert set(found) == {"brier", "log_loss", "bias", "accuracy"}
    assert found["brier"].overall == pytest.approx(((y - p) ** 2).mean())
    assert found["log_loss"].overall == pytest.approx(-np.log(np.where(y, p, 1 - p)).mean())
    assert found["accuracy"].overall == pytest.approx(((p >= 0.5) == y).mean())
    assert found["brier"].reference == pytest.approx(1 / 6, abs=0.01)
    monitor.close()


def test_quality_of_categories_is_the_share_that_was_right(classes):
    """The reference's share comes from its feature `error`."""
    monitor = Monitor(classes)
    for i in range(100):
        monitor.observe({"x": 0.0}, "cat", id=f"row {i}")
        monitor.label(f"row {i}", "cat" if i < 70 else "dog")
    [found] = monitor.quality()
    assert (found.measure, found.overall) == ("accuracy", 0.7)
    assert found.reference == pytest.approx(0.95, abs=0.01)
    assert {w.feature: w.rows for w in monitor.state()} == {
        "x": 100,
        "prediction": 100,
        "target": 100,
        "error": 100,
    }
    monitor.close()


def test_a_label_is_joined_whatever_type_its_id_came_in(regression):
    """A webhook's JSON has text where the service had a number."""
    monitor = Monitor(regression)
    monitor.observe({"x": 0.0}, 50.0, id=7)
    monitor.label("7", 51.0)
    assert figures(monitor)["bias"].overall == 1.0
    monitor.close()


def test_labels_that_cannot_be_joined_are_counted_by_reason(regression):
    """A share of unknown ids says that the join is wrong, not that the model is."""
    monitor = Monitor(regression)
    monitor.observe({"x": 0.0}, 50.0, id="a")
    for key in ("a", "a", "never seen"):
        monitor.label(key, 49.0)
    found = {outcome: labels for outcome, labels in monitor.labels().items() if labels}
    assert found == {"joined": 1, "duplicate": 1, "unknown": 1}
    monitor.close()


@pytest.mark.parametrize("truth", ["yes", None, float("nan")])
def test_a_label_that_cannot_be_judged_is_told_and_leaves_the_prediction_waiting(regression, truth, caplog):
    """To call it joined would say that quality is known. A better label may come."""
    monitor = Monitor(regression)
    monitor.observe({"x": 0.0}, 50.0, id="a")
    monitor.label("a", truth)
    monitor.label("a", truth)
    assert {name: n for name, n in monitor.labels().items() if n} == {"unusable": 2}
    assert caplog.text.count("cannot be judged. Wanted: a value of type float64, as in the profile.") == 1
    monitor.label("a", 51.0)
    assert monitor.labels()["joined"] == 1
    assert figures(monitor)["bias"].overall == 1.0
    monitor.close()


def test_a_label_that_brings_its_prediction_needs_no_row(regression):
    """Another process may have made the prediction."""
    monitor = Monitor(regression)
    monitor.label("from the warehouse", 52.0, prediction=50.0)
    assert figures(monitor)["mae"].overall == 2.0
    monitor.close()


@pytest.mark.parametrize(
    ("prediction", "truth", "measures"),
    [
        (0.8, True, {"brier", "log_loss", "bias", "accuracy"}),
        (0.8, 3.5, {"mae", "rmse", "bias"}),
        ("cat", "dog", {"accuracy"}),
        (1, True, {"accuracy"}),
    ],
)
def test_without_a_profile_of_predictions_the_first_pair_says_what_they_are(prediction, truth, measures):
    """Many profiles are of the inputs alone."""
    monitor = Monitor(Profile.of({"x": np.arange(1_000.0)}, model="m"))
    monitor.label(1, truth, prediction=prediction)
    assert set(figures(monitor)) == measures
    monitor.close()


@pytest.mark.parametrize(("prediction", "target"), [(bool, int), (bool, float), (int, bool), (int, int)])
def test_a_right_prediction_is_no_error_whether_it_comes_as_true_or_as_one(prediction, target):
    """Many libraries have 0 and 1 as labels; true and 1 have different texts."""
    rng = np.random.default_rng(9)
    truth = rng.integers(0, 2, 2_000)
    data = {"x": rng.normal(size=2_000), "prediction": truth.astype(prediction)}
    profile = Profile.of({**data, "target": truth.astype(target)}, model="m")
    error = profile.features["error"]
    assert (error.kind, error.mean, error.std) == ("numeric", 0.0, 0.0)
    monitor = Monitor(profile)
    for i, one in enumerate(truth[:10].tolist()):
        monitor.label(i, target(one), prediction=prediction(one))
    assert figures(monitor)["accuracy"].overall == 1.0
    assert figures(monitor)["accuracy"].reference is None
    monitor.close()


def test_a_batch_with_its_target_needs_no_labels(regression):
    """Histories have both."""
    monitor = Monitor(regression)
    data = numbers(5_000, 8, bias=1.0)
    monitor.observe_batch(data)
    assert figures(monitor)["bias"].overall == pytest.approx((data["target"] - data["prediction"]).mean())
    monitor.close()


class Hostile:
    """Raises whatever one asks it."""

    def __str__(self):
        raise RuntimeError("no text")

    def __float__(self):
        raise RuntimeError("no number")

    __hash__ = None


@pytest.mark.parametrize("truth", [None, float("nan"), "a text", object(), [], float("inf"), Hostile()])
def test_a_truth_of_any_kind_is_taken_and_never_raises(regression, probability, classes, truth):
    """Labels come from people and other systems."""
    for profile in (regression, probability, classes):
        monitor = Monitor(profile)
        monitor.observe({"x": 0.0}, "cat", id=1)
        monitor.label(1, truth)
        monitor.label(object(), truth, prediction=object())
        assert monitor.labels()["joined"] + monitor.labels()["unusable"] == 2
        assert {w.rows for w in monitor.state() if w.feature in {"target", "error"}} == {2}
        monitor.close()


def test_an_id_that_has_no_text_costs_no_other_row(regression):
    """One odd caller must not take a slice of rows with it."""
    monitor = Monitor(regression)
    monitor.observe({"x": 0.0}, 50.0, id=1)
    monitor.observe({"x": 0.0}, 50.0, id=Hostile())
    monitor.label(Hostile(), 50.0)
    monitor.label(1, 51.0)
    assert figures(monitor)["bias"].labels == 2
    assert monitor.dropped()["unreadable"] == 0
    monitor.close()


def test_a_late_label_is_late_and_a_forgotten_prediction_expired():
    """Seven days mean seven days; a quarter later nobody remembers the id."""
    joiner = Joiner(7 * DAY_S, 1_000_000)
    joiner.expect("a", 1.0, 0.0)
    joiner.expect("b", 2.0, 0.0)
    joiner.expect("c", 3.0, 0.0)
    assert joiner.take("a", 7 * DAY_S)[0] == "joined"
    assert joiner.take("b", 8 * DAY_S)[0] == "late"
    joiner.expect("d", 4.0, 9 * DAY_S)
    assert joiner.take("c", 9 * DAY_S)[0] == "unknown"
    assert joiner.outcomes["expired"] == 2
    assert joiner.waiting == 1


@pytest.mark.parametrize("truth", [10**400, -(10**400), 10**5_000, 1e200, Decimal("sNaN")], ids=type)
def test_one_label_too_large_to_judge_costs_no_other(regression, probability, classes, truth):
    """Labels are taken in hundreds; one must not take the others with it."""
    for profile in (regression, probability, classes):
        live = Live(profile, floor=0.05, false_alarms_per_year=1.0, block_rows=100)
        given, usual = ("cat", "dog") if profile is classes else (0.5, 1.0)
        live.add_labels([(i, truth if i == 100 else usual, given) for i in range(250)], 1e9)
        assert live.quality()[0].labels in {249, 250}
        assert live.labels.rows >= 249


def test_long_ids_that_differ_at_their_end_are_different_orders():
    """A prefix of an order's address is the address of the shop."""
    joiner = Joiner(7 * DAY_S, 1_600)
    address = "https://shop.example/orders/" + "x" * 300
    joiner.expect(address + "1", 1.0, 0.0)
    joiner.expect(address + "2", 2.0, 0.0)
    assert joiner.take(address + "1", 1.0) == ("joined", 1.0)
    assert joiner.take(address + "2", 1.0) == ("joined", 2.0)
    assert joiner.take(address + "3", 1.0) == ("unknown", None)


def test_a_long_class_that_is_predicted_right_is_right(classes):
    """What waits is shortened, and so is then what it is compared with."""
    monitor = Monitor(classes)
    monitor.observe({"x": 0.0}, "cat" * 100, id=1)
    monitor.observe({"x": 0.0}, "cat" * 100, id=2)
    monitor.label(1, "cat" * 100)
    monitor.label(2, "cat" * 100 + "s")
    assert figures(monitor)["accuracy"].overall == 0.5
    monitor.close()


def test_an_id_that_is_used_again_waits_once():
    """A retried request is one order, and its label leaves nothing behind to expire."""
    joiner = Joiner(7 * DAY_S, 1_600)
    joiner.expect("a", 1.0, 0.0)
    joiner.expect("a", 2.0, 2 * DAY_S)
    assert joiner.waiting == 1
    assert joiner.take("a", 3 * DAY_S) == ("joined", 2.0)
    joiner.expect("a", 3.0, 3 * DAY_S)
    assert joiner.waiting == 1
    assert joiner.take("a", 4 * DAY_S) == ("joined", 3.0)
    joiner.expect("b", 4.0, 30 * DAY_S)
    assert (joiner.waiting, joiner.outcomes["expired"]) == (1, 0)


@pytest.mark.parametrize(
    ("prediction", "wanted"),
    [
        (float("inf"), LARGEST),
        (float("-inf"), -LARGEST),
        (10**400, LARGEST),
        (float("nan"), None),
        (2**60, 2**60),
    ],
)
def test_a_prediction_is_the_same_before_and_after_a_restart(prediction, wanted):
    """JSON has no infinity; a label that comes after a restart is judged as one before it."""
    joiner = Joiner(7 * DAY_S, 1_600)
    for key in ("before", "after"):
        joiner.expect(key, prediction, 0.0)
    again = Joiner(7 * DAY_S, 1_600)
    again.restore(Pending.model_validate_json(joiner.save().model_dump_json()))
    assert joiner.take("before", 1.0) == again.take("after", 1.0) == ("joined", wanted)


def test_predictions_that_wait_are_bounded():
    """A service whose labels never come keeps its memory."""
    joiner = Joiner(7 * DAY_S, 1_600)
    for i in range(100_000):
        joiner.expect(i, 0.5, 0.0)
    assert joiner.waiting <= 1_700
    assert joiner.take(99_999, 1.0)[0] == "joined"
    assert joiner.take(0, 1.0)[0] == "unknown"
    assert joiner.outcomes["expired"] + joiner.waiting == 99_999


def test_predictions_go_on_waiting_over_a_restart(regression, tmp_path):
    """Labels take days, and services are deployed daily."""
    first = Monitor(regression, state=tmp_path / "state.json")
    first.observe({"x": 0.0}, 50.0, id="order 7")
    first.observe({"x": 0.0}, 60.0, id="order 8")
    first.label("order 8", 61.0)
    first.close()
    second = Monitor(regression, state=tmp_path / "state.json")
    second.label("order 7", 53.0)
    second.label("order 8", 61.0)
    assert figures(second)["mae"].overall == 2.0
    assert second.labels()["duplicate"] == 1
    second.close()
    assert json.loads((tmp_path / "state.json").read_text())["tally"]["labels"] == 2


def test_a_replaced_profile_keeps_predictions_waiting(regression):
    """The model was profiled anew; yesterday's orders are still open."""
    monitor = Monitor(regression)
    monitor.observe({"x": 0.0}, 50.0, id=1)
    monitor.replace(Profile.of(numbers(N, 9), model="price@1"))
    monitor.label(1, 51.0)
    assert figures(monitor)["bias"].overall == 1.0
    assert {w.rows for w in monitor.state() if w.feature == "x"} == {0}
    monitor.close()


def test_labels_share_the_promise(regression):
    """The detector of labels is one more stream of the same monitor."""
    live = Live(regression, floor=0.05, false_alarms_per_year=1.0, block_rows=100)
    assert {stream.detector.family for stream in live.streams.values()} == {4}


def test_a_label_for_a_closed_monitor_is_counted_as_such(regression):
    monitor = Monitor(regression)
    monitor.close()
    monitor.label("a", 1.0)
    assert (monitor.labels()["closed"], monitor.labels()["queue_full"]) == (1, 0)

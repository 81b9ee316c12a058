"""How often each rule is asked: what looks far back is asked less often."""

import pytest

from mlobs.alerts.evaluator import Evaluator
from mlobs.alerts.outbox import Outbox
from tests.alerts.conftest import NOW_S


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("MlobsErrorRatioHigh", 40),
        ("MlobsAvailabilityBurn1h", 40),
        ("MlobsAvailabilityBurn6h", 7),
        ("MlobsAvailabilityBurn3d", 2),
        ("MlobsCostBurn", 2),
    ],
)
def test_the_further_back_a_rule_looks_the_less_often_it_is_asked(rules, tmp_path, name, times):
    """Days of spans are read for it, and a quarter of a minute changes nothing about days."""
    asked = []

    def ask(sql, params):
        asked.append(sql)
        return []

    outbox = Outbox(tmp_path / "alerts.sqlite")
    evaluator = Evaluator([rules[name]], ask, outbox, interval_s=15, dispatch=lambda *_: 0)
    for round_ in range(40):  # Ten minutes, each round a little late or early.
        evaluator.evaluate(NOW_S + 15 * round_ + 0.3 * (-1) ** round_)
    assert len(asked) == times
    outbox.close()


def test_a_rule_that_could_not_be_asked_is_asked_again_at_once(rules, tmp_path):
    """Nothing is known until it answers."""
    tries = []

    def ask(sql, params):
        tries.append(sql)
        raise RuntimeError("no memory")

    outbox = Outbox(tmp_path / "alerts.sqlite")
    rule = rules["MlobsAvailabilityBurn3d"]
    evaluator = Evaluator([rule], ask, outbox, interval_s=15, dispatch=lambda *_: 0)
    for round_ in range(3):
        evaluator.evaluate(NOW_S + 15 * round_)
    assert len(tries) == 3
    outbox.close()

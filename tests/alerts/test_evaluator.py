"""What the evaluator makes of answers: rules that go, answers that are cut, rules that cannot be told."""

import pytest

from mlobs.alerts.evaluator import Evaluator
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.sql import ALERTS_MAX
from mlobs.alerts.words import for_people
from mlobs.errors import StoreError
from tests.alerts.conftest import NOW_S

ERRORS, TOOLS = "MlobsErrorRatioHigh", "MlobsToolFailureRatio"


def row(model):
    return {
        "service_name": "shop",
        "gen_ai_request_model": model,
        "gen_ai_tool_name": model,
        "value": 0.5,
        "volume": 9,
        "trace_ids": [],
        "since_s": None,
    }


class Room:
    """An evaluator that can be started again on the same file, and everything it told."""

    def __init__(self, folder, *rules):
        self.folder, self.told, self.now_s = folder, [], NOW_S
        self.rows, self.broken = [], ""
        self.start(*rules)

    def start(self, *rules):
        self.outbox = Outbox(self.folder / "alerts.sqlite")
        self.evaluator = Evaluator(
            [rule.model_copy(update={"hold_s": 0, "keep_firing_s": 0}) for rule in rules],
            lambda sql, params: self.rows,
            self.outbox,
            interval_s=15,
            dispatch=lambda *_: 0,
            tell=self.tell,
        )

    def restart(self, *rules):
        self.outbox.close()
        self.start(*rules)

    def tell(self, one, rule):
        if rule.name == self.broken:
            raise StoreError("no room")
        texts = [
            for_people(rule, text, one.alert.finding.labels, one.alert.finding.value)
            for text in (rule.summary, rule.description)
        ]
        self.told.append((rule, one.change, *texts))
        return {}

    def later(self):
        self.now_s += 15
        return [(one.alert.rule, one.change) for one in self.evaluator.evaluate(self.now_s)]


def test_alerts_of_a_rule_that_went_over_a_restart_end_and_say_why(rules, tmp_path):
    """Whoever was told that it fires hears the end, in words of the rule that is no more."""
    room = Room(tmp_path, rules[ERRORS], rules[TOOLS])
    room.rows = [row("m{x}")]
    assert room.later() == [(ERRORS, "firing"), (TOOLS, "firing")]
    room.restart(rules[TOOLS])
    room.told.clear()
    assert room.later() == [(ERRORS, "resolved")]
    ((rule, change, summary, description),) = room.told
    assert (rule.severity, rule.component, rule.page, change) == ("critical", "model", ERRORS, "resolved")
    assert summary == "Calls of m{x} fail in shop."
    assert description.startswith(f"The rule {ERRORS} is gone: it was removed or renamed")
    room.restart(rules[TOOLS])
    assert room.later() == []
    room.outbox.close()


def test_an_alert_of_which_an_older_release_kept_nothing_ends_all_the_same(rules, tmp_path):
    """Its rule is known by its name alone."""
    room = Room(tmp_path, rules[ERRORS])
    room.rows = [row("m")]
    room.later()
    with room.outbox.transaction() as db:
        db.execute("DELETE FROM said")
    room.restart()
    room.told.clear()
    assert room.later() == [(ERRORS, "resolved")]
    assert room.told[0][2] == f"The rule {ERRORS} is gone."
    room.outbox.close()


def test_a_pending_alert_of_a_rule_that_goes_is_told_to_nobody(rules, tmp_path):
    """Nobody has heard of it."""
    room = Room(tmp_path)
    room.evaluator.use([rules[ERRORS]])  # With its hold.
    room.rows = [row("m")]
    assert room.later() == []
    room.restart()
    assert room.later() == []
    assert (room.told, room.evaluator.alerts) == ([], [])
    room.outbox.close()


@pytest.mark.slow
def test_what_is_not_in_an_answer_that_was_cut_stays_as_it_is(rules, tmp_path):
    """More is broken than one answer holds, and each answer holds others."""
    room = Room(tmp_path, rules[ERRORS])
    room.rows = [row(f"m{number}") for number in range(ALERTS_MAX)]
    assert len(room.later()) == ALERTS_MAX
    room.rows = [row(f"m{number}") for number in range(50, ALERTS_MAX + 50)]
    changes = room.later()
    assert changes == [(ERRORS, "firing")] * 50
    assert room.evaluator.health[ERRORS].cut
    room.rows = room.rows[:10]
    assert len(room.later()) == ALERTS_MAX + 40
    assert not room.evaluator.health[ERRORS].cut
    room.outbox.close()


def test_a_rule_that_cannot_be_told_does_not_silence_the_others(rules, tmp_path):
    """It is found again, and told when it can be."""
    room = Room(tmp_path, rules[ERRORS], rules[TOOLS])
    room.rows, room.broken = [row("m")], ERRORS
    with pytest.raises(StoreError):
        room.later()
    assert [rule.name for rule, *_ in room.told] == [TOOLS]
    assert room.evaluator.health[ERRORS].error == "no room"
    room.broken = ""
    assert room.later() == [(ERRORS, "firing")]
    room.outbox.close()

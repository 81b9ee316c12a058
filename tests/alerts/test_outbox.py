"""The file that remembers what must be told."""

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mlobs.alerts import outbox as module
from mlobs.alerts.message import encode
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.states import Alert, Finding
from mlobs.errors import StoreError
from tests.alerts.outboxes import message, put, reopened
from tests.alerts.rounds import record
from tests.examples import examples

ALERT = Alert(
    rule="MlobsTest",
    state="firing",
    active_s=1.0,
    seen_s=2.0,
    firing_s=1.5,
    finding=Finding(
        labels={"service_name": "Ä\ud800"}, value=0.5, volume=3, trace_ids=("aa", "bb"), since_s=0.1
    ),
)


def test_alerts_come_back_as_they_were(outbox):
    """After a restart nobody is told again of what he knows."""
    record(outbox, changed=[ALERT])
    assert reopened(outbox).alerts() == [ALERT]
    record(outbox, over=[ALERT.fingerprint])
    assert reopened(outbox).alerts() == []


def test_deliveries_of_an_alert_are_also_those_of_groups_that_held_it(outbox):
    """Its page says who was told of it, alone or with others."""
    group = {"fingerprint": "group", "alerts": [{"fingerprint": "ab"}, {"fingerprint": 'Ä"1'}]}
    quoted = {"fingerprint": "other", "summary": 'it says "fingerprint":"ab"'}
    put(
        outbox,
        message("ab"),
        message("group", body=encode(group)),
        message("other", body=encode(quoted)),
        message("abc", body=encode({"fingerprint": "abc"})),
    )
    assert [one.fingerprint for one in outbox.recent(fingerprint="ab")] == ["group", "ab"]
    assert [one.fingerprint for one in outbox.recent(fingerprint='Ä"1', sink="webhook")] == ["group"]
    assert outbox.recent(fingerprint="ab", sink="nobody") == []


def test_the_same_change_is_never_queued_twice(outbox):
    """Neither by a repeat nor after a restart."""
    put(outbox, message())
    put(reopened(outbox), message())
    assert [one.id for one in outbox.due(99.0)] == [message().id]
    outbox.settle(message().id, outcome="delivered", answer="204", now_s=11.0)
    put(outbox, message())
    assert outbox.due(99.0) == []


def test_delivery_ids_differ_between_changes(outbox):
    """The receiver drops what has an id it knows; the next episode must have another."""
    ids = {message().id, message(status="resolved").id, message(changed_s=11.0).id, message(mark="f2").id}
    assert len(ids) == 4


def test_of_one_alert_the_oldest_goes_first_and_the_rest_wait_for_it(outbox):
    """Resolved before firing would leave it firing at the receiver, for good."""
    put(outbox, message(), message(status="resolved", changed_s=20.0), message(mark="f2", changed_s=30.0))
    assert [(one.status, one.made_s) for one in outbox.due(99.0)] == [("firing", 10.0), ("firing", 30.0)]
    outbox.settle(message().id, outcome="failed", answer="503", now_s=40.0, again_s=1000.0)
    assert [one.made_s for one in outbox.due(99.0)] == [30.0]
    outbox.settle(message().id, outcome="dead", answer="given up", now_s=1001.0)
    assert [one.made_s for one in outbox.due(2000.0)] == [20.0, 30.0]


def test_a_failed_attempt_waits_for_its_time_and_counts(outbox):
    """Attempts and outcomes are receipts: they outlive the process."""
    put(outbox, message())
    outbox.settle(message().id, outcome="failed", answer="503", now_s=11.0, again_s=50.0)
    assert outbox.due(49.0) == []
    (one,) = reopened(outbox).due(50.0)
    assert (one.attempts, one.answer, one.state) == (1, "503", "waiting")
    outbox.settle(message().id, outcome="delivered", answer="204", now_s=51.0)
    (receipt,) = reopened(outbox).recent()
    assert (receipt.state, receipt.attempts, receipt.ended_s) == ("delivered", 2, 51.0)
    assert outbox.counts_by_sink() == {("webhook", "delivered"): 1, ("webhook", "failed"): 1}


def test_a_full_outbox_drops_the_newest_and_says_how_many(outbox, monkeypatch):
    """A sink that is down for weeks must not fill the disk."""
    monkeypatch.setattr(module, "WAITING_MAX", 3)
    assert put(outbox, *(message(mark=f"f{n}") for n in range(5))) == 2
    assert len(outbox.due(99.0)) == 3
    assert outbox.counts_by_sink() == {("webhook", "dropped"): 2}


def test_a_sink_that_is_down_takes_no_other_sinks_room(outbox, monkeypatch):
    """Each has its own; the pager hears of what the broken chat has no room for."""
    monkeypatch.setattr(module, "WAITING_MAX", 3)
    assert put(outbox, *(message(mark=f"f{n}", sink="down") for n in range(9))) == 6
    assert put(outbox, message(sink="pager"), message(sink="down", mark="more")) == 1
    assert [one.sink for one in outbox.due(99.0, sink="pager")] == ["pager"]


def test_of_one_message_from_two_routes_the_earlier_time_counts(outbox):
    """One of them may sleep until the morning; the urgent one does not."""
    put(outbox, message(not_before_s=500.0), message())
    assert [one.id for one in outbox.due(10.0)] == [message().id]
    put(outbox, message(mark="g"), message(mark="g", not_before_s=500.0))
    assert len(outbox.due(10.0)) == 2


def test_a_clock_that_is_set_back_holds_no_message_up(outbox):
    """Neither one that may go at once, nor one that is tried again; quiet hours are the calendar's."""
    hour = 3600.0
    put(outbox, *(message(mark=mark, changed_s=10 * hour) for mark in "ab"))
    put(outbox, message(mark="c", changed_s=10 * hour, not_before_s=19 * hour))
    again_s = 10 * hour + module.FAR_S - 1
    outbox.settle(
        message(mark="b", changed_s=10 * hour).id, outcome="failed", answer="503", now_s=36e3, again_s=again_s
    )
    assert [one.fingerprint for one in outbox.due(10 * hour)] == ["a"]
    assert [one.fingerprint for one in outbox.due(9 * hour)] == ["a", "b"]
    assert [one.fingerprint for one in outbox.due(9 * hour)] == ["a", "b"]


def test_who_looks_does_not_wait_for_who_writes(outbox):
    """A list of deliveries is asked for while webhooks are taken; and it has no bodies in it."""
    put(outbox, message(body=b"x" * 100_000))
    with outbox.transaction() as db:
        db.execute("DELETE FROM deliveries")
        (one,) = outbox.recent()
        assert outbox.held() == {("webhook", "waiting"): 1}
    assert not hasattr(one, "body")
    assert outbox.recent() == []


def test_old_receipts_are_removed(outbox, monkeypatch):
    """The last ones are enough."""
    monkeypatch.setattr(module, "KEPT_MAX", 5)
    for n in range(20):
        put(outbox, message(mark=f"f{n}"))
        outbox.settle(message(mark=f"f{n}").id, outcome="delivered", answer="204", now_s=11.0)
    assert len(outbox.recent()) == 5


def test_a_change_and_its_message_are_written_together_or_not_at_all(outbox):
    """An alert that is known to fire and of which nobody was told would stay untold."""
    with pytest.raises(StoreError):
        record(outbox, message(body={"not": "bytes"}), changed=[ALERT])
    assert outbox.alerts() == []
    assert outbox.due(99.0) == []


def test_a_damaged_file_is_one_sentence(tmp_path):
    """Which file, and what to do with it."""
    path = tmp_path / "alerts.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match=r"alerts.sqlite cannot be read or written: file is not a database"):
        Outbox(path)
    with pytest.raises(StoreError, match="If the file is damaged, move it away; alerts then begin anew"):
        Outbox(path)


def test_each_sink_has_its_own_queue(outbox):
    """What one sink is told has another id than what the next is, and neither waits for the other."""
    put(outbox, message(sink="a"), message(sink="b"), message(sink="b", status="resolved", changed_s=20.0))
    assert message(sink="a").id != message(sink="b").id
    outbox.settle(message(sink="a").id, outcome="failed", answer="503", now_s=11.0, again_s=1000.0)
    assert outbox.due(99.0, sink="a") == []
    (one,) = outbox.due(99.0, sink="b")
    assert (one.sink, one.status) == ("b", "firing")
    assert outbox.held() == {("a", "waiting"): 1, ("b", "waiting"): 2}


def test_a_message_may_have_to_wait_for_its_time(outbox):
    """Quiet hours; and its resolved waits behind it."""
    put(outbox, message(not_before_s=500.0), message(status="resolved", changed_s=20.0))
    assert outbox.due(499.0) == []
    assert [one.status for one in outbox.due(500.0)] == ["firing"]


def test_what_a_sink_was_spared_leaves_a_receipt_and_is_never_sent(outbox):
    """Nothing vanishes silently, and a receipt never hides a message of another route."""
    put(outbox, message(state="muted", why="quiet hours"), message(state="demoted", why="budget"))
    assert outbox.due(99.0) == []
    assert {(one.state, one.answer, one.ended_s) for one in outbox.recent()} == {
        ("muted", "quiet hours", 10.0),
        ("demoted", "budget", 10.0),
    }
    put(outbox, message())
    assert len(outbox.due(99.0)) == 1
    assert outbox.counts_by_sink() == {("webhook", "muted"): 1, ("webhook", "demoted"): 1}


def test_messages_can_be_added_in_a_transaction_with_tables_of_others(tmp_path):
    """State of a route and the message that follows from it: both or neither."""
    box = Outbox(tmp_path / "x.sqlite", extra_schema=("CREATE TABLE IF NOT EXISTS pages (n INTEGER)",))

    def both(*messages):
        with box.transaction() as db:
            db.execute("INSERT INTO pages VALUES (1)")
            return box.put(db, messages).dropped

    with pytest.raises(StoreError):
        both(message(), message(mark="f2", body={"not": "bytes"}))
    with box.transaction() as db:
        assert db.execute("SELECT count(*) FROM pages").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM deliveries").fetchone() == (0,)
    assert both(message()) == 0
    with box.transaction() as db:
        assert box.room(db, "webhook") == module.WAITING_MAX - 1
    assert len(box.due(99.0)) == 1
    box.close()


class Steps(RuleBasedStateMachine):
    """Whatever is done to the file, what is counted is what is there."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.box = Outbox(Path(self.folder.name) / "x.sqlite")
        self.now_s = 0.0

    @rule(
        marks=st.lists(st.sampled_from("abcd"), max_size=4),
        sink=st.sampled_from("xy"),
        state=st.sampled_from(["waiting", "waiting", "muted"]),
    )
    def told(self, marks, sink, state):
        self.now_s += 1
        put(self.box, *(message(mark=mark, sink=sink, state=state, changed_s=self.now_s) for mark in marks))

    @rule(sink=st.sampled_from("xy"), outcome=st.sampled_from(["delivered", "failed", "dead"]))
    def tried(self, sink, outcome):
        for one in self.box.due(1e9, sink=sink, deliveries_max=2):
            self.box.settle(one.id, outcome=outcome, answer="", now_s=self.now_s, again_s=self.now_s)

    @rule(overtaken=st.booleans())
    def put_back(self, overtaken):
        self.box.redrive(now_s=self.now_s, overtaken=overtaken)

    @rule()
    def opened_anew(self):
        self.box.close()
        self.box = Outbox(self.box.path)

    @invariant()
    def counted(self):
        states = Counter((one.sink, one.state) for one in self.box.recent(1000))
        held = {mark: count for mark, count in states.items() if mark[1] in {"waiting", "dead"}}
        assert self.box.held() == held
        with self.box.transaction() as db:
            for sink in "xy":
                waiting = held.get((sink, "waiting"), 0)
                assert self.box.room(db, sink) == module.WAITING_MAX - waiting

    @invariant()
    def first_come_first_told(self):
        for sink in "xy":
            due = self.box.due(1e9, sink=sink)
            assert len({one.fingerprint for one in due}) == len(due)
            waiting = self.box.recent(1000, sink=sink, state="waiting")
            oldest = {one.fingerprint: one.id for one in waiting}  # the newest first, so the oldest stays
            assert {one.fingerprint: one.id for one in due} == oldest

    def teardown(self):
        self.box.close()
        self.folder.cleanup()


Steps.TestCase.settings = settings(max_examples=examples(25), stateful_step_count=25, deadline=None)
test_whatever_is_done_counts_and_order_hold = Steps.TestCase


@pytest.mark.slow
def test_ten_thousand_messages_go_through_and_none_is_forgotten(outbox):
    """To three sinks, every one settled once."""
    names = ("a", "b", "c")
    assert put(outbox, *(message(mark=f"m{n}", sink=name) for n in range(3_400) for name in names)) == 0
    seen = {name: set() for name in names}
    while any(outbox.held().get((name, "waiting")) for name in names):
        told = 0
        for name in names:
            for one in outbox.due(99.0, sink=name, deliveries_max=500):
                assert one.id not in seen[name]
                seen[name].add(one.id)
                outbox.settle(one.id, outcome="delivered", answer="204", now_s=11.0)
                told += 1
        assert told, "some wait, and none of them is due"
    assert all(len(ids) == 3_400 for ids in seen.values())
    assert outbox.counts_by_sink() == {(name, "delivered"): 3_400 for name in names}

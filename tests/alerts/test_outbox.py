"""The file that remembers what must be told."""

import sqlite3
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mlobs.alerts import outbox as module
from mlobs.alerts.message import encode
from mlobs.alerts.outbox import Buried, Message, Outbox
from mlobs.alerts.states import Alert, Finding
from mlobs.errors import StoreError
from tests.alerts.rounds import record

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


def message(mark="f1", status="firing", changed_s=10.0, body=b"{}", **given) -> Message:
    return Message(fingerprint=mark, rule="MlobsTest", status=status, changed_s=changed_s, body=body, **given)


@pytest.fixture
def outbox(tmp_path):
    box = Outbox(tmp_path / "data" / "alerts.sqlite")
    yield box
    box.close()


def again(outbox: Outbox) -> Outbox:
    """Return the same file, opened by somebody else."""
    return Outbox(outbox.path)


def put(outbox: Outbox, *messages: Message) -> int:
    return record(outbox, *messages)


def test_alerts_come_back_as_they_were(outbox):
    """After a restart nobody is told again of what he knows."""
    record(outbox, changed=[ALERT])
    assert again(outbox).alerts() == [ALERT]
    record(outbox, over=[ALERT.fingerprint])
    assert again(outbox).alerts() == []


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
    put(again(outbox), message())
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
    (one,) = again(outbox).due(50.0)
    assert (one.attempts, one.answer, one.state) == (1, "503", "waiting")
    outbox.settle(message().id, outcome="delivered", answer="204", now_s=51.0)
    (receipt,) = again(outbox).recent()
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


def test_what_waits_for_a_sink_that_is_not_configured_is_a_dead_letter_until_it_is_again(outbox, monkeypatch):
    """Nobody would take it, and it would be shown nowhere as lost."""
    put(outbox, *(message(mark=f"f{n}", sink="old") for n in range(5)), message(sink="chat"))
    assert outbox.bury(["chat", "new"], 50.0) == Buried(letters=5, lost=0)
    assert outbox.held() == {("old", "dead"): 5, ("chat", "waiting"): 1}
    assert {one.answer for one in outbox.recent(sink="old")} == {
        "the sink old is not configured; configure it and put this back with mlobs alerts redrive"
    }
    assert outbox.counts_by_sink() == {("old", "dead"): 5}
    assert outbox.bury(["chat", "new"], 51.0) == Buried(letters=0, lost=0)
    assert len(outbox.redrive(now_s=60.0, sink="old").ids) == 5
    assert len(outbox.due(60.0, sink="old")) == 5
    monkeypatch.setattr(module, "DEAD_MAX", 2)
    assert outbox.bury(["chat"], 70.0) == Buried(letters=5, lost=3)
    assert outbox.held()["old", "dead"] == 2, "it is bounded, too"


def test_all_that_waited_for_a_sink_that_was_renamed_can_be_put_back(outbox):
    """However much it was: the log promises it."""
    put(outbox, *(message(mark=f"f{n}", sink="old") for n in range(12_000)))
    assert outbox.bury(["new"], 50.0) == Buried(letters=12_000, lost=0)
    put(outbox, message(mark="more", sink="old", state="dead"))
    assert len(outbox.redrive(now_s=60.0, sink="old").ids) == 12_001


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


def die(outbox, *messages):
    put(outbox, *messages)
    for one in messages:
        outbox.settle(one.id, outcome="dead", answer="404", now_s=one.changed_s + 1)


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


def test_dead_letters_are_put_back_by_id_sink_or_time(outbox):
    """As if they had never been tried."""
    dead = [message(mark=f"f{n}", sink="ab"[n % 2], changed_s=10.0 * n) for n in range(6)]
    die(outbox, *dead)
    assert outbox.redrive(now_s=100.0, ids=[dead[0].id[:10]]).ids == (dead[0].id,)
    assert outbox.redrive(now_s=100.0, sink="b", since_s=25.0).ids == (dead[3].id, dead[5].id)
    (one,) = outbox.due(100.0, sink="a")
    assert (one.attempts, one.ended_s, one.answer) == (0, None, "put back; before: 404")
    assert outbox.redrive(now_s=100.0).ids == (dead[1].id, dead[2].id, dead[4].id)
    assert outbox.redrive(now_s=100.0).ids == ()


def test_a_firing_that_its_resolved_has_overtaken_is_not_put_back_unless_it_is_meant(outbox):
    """It would stand at the sink as firing for ever."""
    die(outbox, message())
    put(
        outbox,
        message(status="resolved", changed_s=20.0),
        message(status="resolved", changed_s=20.0, sink="b"),
    )
    assert outbox.redrive(now_s=30.0).ids == (message().id,)  # resolved waits behind it
    outbox.settle(message().id, outcome="dead", answer="404", now_s=31.0)
    outbox.settle(
        message(status="resolved", changed_s=20.0).id, outcome="delivered", answer="204", now_s=32.0
    )
    left = outbox.redrive(now_s=40.0)
    assert (left.ids, left.overtaken) == ((), 1)
    assert outbox.redrive(now_s=40.0, overtaken=True).ids == (message().id,)


def test_dead_letters_outlive_other_receipts(outbox, monkeypatch):
    """A thousand deliveries later they can still be put back; but not without end."""
    monkeypatch.setattr(module, "KEPT_MAX", 3)
    monkeypatch.setattr(module, "DEAD_MAX", 4)
    die(outbox, *(message(mark=f"d{n}") for n in range(6)))
    for n in range(9):
        put(outbox, message(mark=f"f{n}"))
        outbox.settle(message(mark=f"f{n}").id, outcome="delivered", answer="204", now_s=11.0)
    assert [len(outbox.recent(state=state)) for state in ("dead", "delivered")] == [4, 3]


def test_receipts_of_one_kind_push_out_no_others(outbox, monkeypatch):
    """A route that mutes thousands must not hide what was delivered, nor one sink what another got."""
    monkeypatch.setattr(module, "KEPT_MAX", 3)
    put(outbox, message(), message(sink="b"))
    for sink in ("webhook", "b"):
        outbox.settle(message(sink=sink).id, outcome="delivered", answer="204", now_s=11.0)
    put(outbox, *(message(mark=f"m{n}", state="muted") for n in range(9)))
    assert len(outbox.recent(state="delivered")) == 2
    assert len(outbox.recent(state="muted")) == 3


def test_that_a_dead_letter_is_overtaken_is_known_however_long_ago_it_was(outbox, monkeypatch):
    """The receipt of the newer message is gone by then."""
    monkeypatch.setattr(module, "KEPT_MAX", 3)
    die(outbox, message())
    over = message(status="resolved", changed_s=20.0)
    put(outbox, over)
    outbox.settle(over.id, outcome="delivered", answer="204", now_s=21.0)
    for n in range(9):
        put(outbox, message(mark=f"f{n}"))
        outbox.settle(message(mark=f"f{n}").id, outcome="delivered", answer="204", now_s=22.0)
    assert over.id not in {one.id for one in outbox.recent()}
    left = outbox.redrive(now_s=40.0)
    assert (left.ids, left.overtaken) == ((), 1)


def test_the_parts_of_one_message_do_not_overtake_each_other(outbox):
    """Each has alerts of its own, and they go in order."""
    parts = [message(part=number) for number in (1, 2, 3)]
    assert len({one.id for one in parts}) == 3
    put(outbox, *parts)
    for one, outcome in zip(parts, ("dead", "delivered", "delivered"), strict=True):
        assert [due.id for due in outbox.due(99.0)] == [one.id]
        outbox.settle(one.id, outcome=outcome, answer="", now_s=30.0)
    assert outbox.redrive(now_s=40.0).ids == (parts[0].id,)


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


Steps.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
test_whatever_is_done_counts_and_order_hold = Steps.TestCase


VERSION_1 = """
CREATE TABLE alerts (fingerprint TEXT PRIMARY KEY, alert TEXT NOT NULL);
CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, fingerprint TEXT NOT NULL,
    rule TEXT NOT NULL, status TEXT NOT NULL, body BLOB NOT NULL, made_s REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    attempts INTEGER NOT NULL DEFAULT 0, next_s REAL NOT NULL, ended_s REAL, answer TEXT NOT NULL DEFAULT ''
);
CREATE INDEX waiting ON deliveries (fingerprint, number) WHERE state = 'waiting';
CREATE TABLE counts (outcome TEXT PRIMARY KEY, count INTEGER NOT NULL);
INSERT INTO deliveries (id, fingerprint, rule, status, body, made_s, state, attempts, next_s, ended_s, answer)
VALUES ('id1', 'f1', 'R', 'firing', '{}', 10.0, 'delivered', 1, 10.0, 11.0, '204'),
       ('id2', 'f2', 'R', 'firing', '{}', 20.0, 'dead', 20, 20.0, 30.0, '404'),
       ('id3', 'f1', 'R', 'resolved', '{}', 30.0, 'waiting', 2, 40.0, NULL, '503');
INSERT INTO counts VALUES ('delivered', 7), ('failed', 3);
"""


def test_a_file_of_the_version_before_is_brought_up_to_date_in_place(tmp_path):
    """What waited is delivered under the id it had, to the sink called webhook."""
    path = tmp_path / "alerts.sqlite"
    old = sqlite3.connect(path)
    old.executescript(VERSION_1)
    old.close()
    for _ in range(2):  # the second time there is nothing to do
        box = Outbox(path)
        (one,) = box.due(99.0)
        assert (one.id, one.sink, one.attempts) == ("id3", "webhook", 2)
        assert [(one.id, one.state) for one in box.recent()] == [
            ("id3", "waiting"), ("id2", "dead"), ("id1", "delivered"),
        ]  # fmt: skip
        assert box.counts_by_sink() == {("webhook", "delivered"): 7, ("webhook", "failed"): 3}
        box.close()
    box = Outbox(path)
    assert box.redrive(now_s=50.0).ids == ("id2",)
    put(box, message(changed_s=99.0))
    assert [one.id for one in box.recent(1)] == [message(changed_s=99.0).id]
    box.close()


VERSION_2 = """
ALTER TABLE deliveries DROP COLUMN overtaken;
DROP INDEX kept;
CREATE INDEX receipts ON deliveries (number) WHERE state IN ('delivered', 'demoted', 'muted');
CREATE INDEX dead ON deliveries (number) WHERE state = 'dead';
PRAGMA user_version = 2;
"""


def test_a_file_of_version_2_knows_which_dead_letters_are_overtaken(outbox):
    """It had looked for that among the receipts."""
    die(outbox, message(), message(mark="g"))
    over = message(status="resolved", changed_s=20.0)
    put(outbox, over)
    outbox.settle(over.id, outcome="delivered", answer="204", now_s=21.0)
    old = sqlite3.connect(outbox.path)
    old.executescript(VERSION_2)
    old.close()
    box = again(outbox)
    left = box.redrive(now_s=40.0)
    assert (left.ids, left.overtaken) == ((message(mark="g").id,), 1)
    box.close()


def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path):
    """What it means is not known here."""
    path = tmp_path / "alerts.sqlite"
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 9")
    newer.close()
    with pytest.raises(StoreError, match="a newer mlobs wrote it"):
        Outbox(path)


@pytest.mark.slow
def test_ten_thousand_messages_go_through_and_none_is_forgotten(outbox):
    """To three sinks, every one settled once."""
    names = ("a", "b", "c")
    assert put(outbox, *(message(mark=f"m{n}", sink=name) for n in range(3_400) for name in names)) == 0
    seen = {name: set() for name in names}
    until = time.monotonic() + 150
    while any(outbox.held().get((name, "waiting")) for name in names):
        assert time.monotonic() < until, "it takes too long"
        for name in names:
            for one in outbox.due(99.0, sink=name, deliveries_max=500):
                assert one.id not in seen[name]
                seen[name].add(one.id)
                outbox.settle(one.id, outcome="delivered", answer="204", now_s=11.0)
    assert all(len(ids) == 3_400 for ids in seen.values())
    assert outbox.counts_by_sink() == {(name, "delivered"): 3_400 for name in names}

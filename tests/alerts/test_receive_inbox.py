"""What is written down: each change once, over repeats, disorder, restarts and failures."""

import json
import sqlite3
import threading
from collections import defaultdict
from concurrent.futures import wait
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlobs.alerts.outbox import Outbox
from mlobs.alerts.receive import inbox as inboxes
from mlobs.alerts.receive import ledger
from mlobs.alerts.receive.authentication import Mark
from mlobs.alerts.receive.formats import read
from mlobs.alerts.receive.inbox import FullError, Inbox, Taken
from mlobs.alerts.routing import memory
from mlobs.alerts.routing.config import Route
from mlobs.alerts.routing.dispatcher import Dispatcher
from mlobs.alerts.routing.router import Router
from mlobs.errors import SignatureError, StoreError
from tests.alerts.webhooks import alert, alertmanager, encoded
from tests.examples import examples

NOW_S = 1_700_000_000.0


class Desk:
    """An inbox on a folder, which can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "alerts.sqlite"
        self.start()

    def start(self) -> None:
        self.outbox = Outbox(self.path, extra_schema=(memory.SCHEMA, ledger.SCHEMA))
        router = Router([Route(sinks=("hook",))])
        self.inbox = Inbox(self.outbox, Dispatcher(router, ["hook"], self.outbox), lambda: NOW_S)
        self.inbox.start()

    def stop(self) -> None:
        self.inbox.stop()
        self.outbox.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def take(self, *alerts, mark=None) -> Taken:
        return self.inbox.take(read(encoded(alertmanager(*alerts))), mark).result(30)

    def told(self) -> dict[str, list[str]]:
        """Return what the sink would be told of each alert, in order."""
        with self.outbox.transaction() as db:
            rows = db.execute("SELECT body FROM deliveries ORDER BY number").fetchall()
        told = defaultdict(list)
        for (body,) in rows:
            message = json.loads(body)
            told[message["labels"]["alertname"]].append(message["status"])
        return dict(told)


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.stop()


@st.composite
def traffic(draw: st.DrawFn):
    """Draw the truth about some alerts, and webhooks about it: shuffled, repeated, with restarts."""
    truth, sent = {}, []
    for name in ("a", "b", "c"):
        lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
        open_end = draw(st.booleans())
        now = NOW_S - 10_000
        for number, length in enumerate(lengths):
            sent.append(alert(name, starts_s=now))
            if not (open_end and number == len(lengths) - 1):
                sent.append(alert(name, starts_s=now, ends_s=now + length))
            now += 100
        truth[name] = (len(lengths), open_end)
    again = draw(st.lists(st.sampled_from(sent), max_size=8))
    shuffled = draw(st.permutations([*sent, *again])) if draw(st.booleans()) else [*sent, *sent]
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=40))
    webhooks, position = [], 0
    while position < len(shuffled):
        size = sizes[len(webhooks) % len(sizes)]
        webhooks.append((shuffled[position : position + size], draw(st.booleans())))
        position += size
    return truth, webhooks


@settings(max_examples=examples(60))
@given(traffic())
def test_whatever_order_repeats_and_restarts_each_change_is_told_once(drawn):
    """The model: firing and resolved alternate, not more often than was true, and end as the truth does."""
    truth, webhooks = drawn
    with TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        for alerts, restart in webhooks:
            desk.take(*alerts)
            if restart:
                desk.restart()
        told = desk.told()
        desk.stop()
    for name, (episodes, open_end) in truth.items():
        changes = told.get(name, [])
        assert changes == (["firing", "resolved"] * episodes)[: len(changes)]
        assert (changes[-1:] == ["firing"]) == open_end


def test_a_hundred_senders_share_a_transaction(desk, monkeypatch):
    """Otherwise each would wait for an fsync of its own."""
    commits = []
    go = threading.Event()
    write = desk.inbox._write

    def slow(batch):
        go.wait(30)
        commits.append(len(batch))
        return write(batch)

    monkeypatch.setattr(desk.inbox, "_write", slow)
    done = [desk.inbox.take(read(encoded(alertmanager(alert(str(n))))), None) for n in range(100)]
    go.set()
    assert not wait(done, 30).not_done
    assert len(commits) <= 2


def test_one_bad_webhook_does_not_harm_the_others_of_its_transaction(desk, monkeypatch):
    """It is undone to where it began, as if it had never come."""
    judged = desk.inbox._judged

    def broken(db, waiting, now_s):
        taken = judged(db, waiting, now_s)
        if waiting.notification.truncated:
            raise ZeroDivisionError
        return taken

    monkeypatch.setattr(desk.inbox, "_judged", broken)
    bodies = [alertmanager(alert(str(n)), truncatedAlerts=n % 2) for n in range(6)]
    done = [desk.inbox.take(read(encoded(body)), None) for body in bodies]
    wait(done, 30)
    assert [type(one.exception()) for one in done] == [type(None), ZeroDivisionError] * 3
    assert sorted(desk.told()) == ["0", "2", "4"]
    monkeypatch.setattr(desk.inbox, "_judged", judged)
    assert desk.take(alert("1")) == Taken(changed=1)


def test_a_message_is_taken_once_and_its_mark_outlives_a_restart(desk):
    """What was refused leaves no mark."""
    mark = Mark(b"m" * 32, NOW_S + 300)
    assert desk.take(alert("a"), mark=mark).changed == 1
    with pytest.raises(SignatureError, match="taken before"):
        desk.take(alert("b"), mark=mark)
    desk.restart()
    with pytest.raises(SignatureError, match="taken before"):
        desk.take(alert("b"), mark=mark)
    assert list(desk.told()) == ["a"]


def test_old_marks_and_forgotten_alerts_go(desk):
    """The file does not grow for ever."""
    desk.take(alert("a"), mark=Mark(b"old", NOW_S - 1))
    with desk.outbox.transaction() as db:
        ledger.clean(db, NOW_S)
        assert db.execute("SELECT count(*) FROM replays").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM received_alerts").fetchone() == (1,)
        ledger.clean(db, NOW_S + 91 * 86_400)
        assert db.execute("SELECT count(*) FROM received_alerts").fetchone() == (0,)


def test_of_too_many_alerts_those_that_are_over_and_old_are_forgotten_first(desk, monkeypatch):
    """An alert that fires is the last to be forgotten, for its end would then be told to nobody."""
    desk.take(alert("fires"), alert("over", starts_s=1), alert("too"))
    desk.take(alert("over", starts_s=1, ends_s=2))
    monkeypatch.setattr(ledger, "KNOWN_MAX", 2)
    with desk.outbox.transaction() as db:
        ledger.clean(db, NOW_S)
        assert db.execute("SELECT count(*), sum(status = 'firing') FROM received_alerts").fetchone() == (2, 2)


def test_a_disk_that_fails_is_said_and_nothing_is_half_written(desk, monkeypatch):
    """The senders come again, and then it is taken."""
    record = ledger.remember

    def fails(*given):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(ledger, "remember", fails)
    with pytest.raises((StoreError, sqlite3.OperationalError)):
        desk.take(alert("a"))
    monkeypatch.setattr(ledger, "remember", record)
    assert desk.take(alert("a")) == Taken(changed=1)
    assert desk.told() == {"a": ["firing"]}


def test_what_waits_is_bounded_by_its_bytes_too(desk, monkeypatch):
    """Few alerts may be large; while a disk hangs, they must not fill the memory."""
    monkeypatch.setattr(inboxes, "WAITING_BYTES_MAX", 50_000)
    go = threading.Event()
    write = desk.inbox._write
    monkeypatch.setattr(desk.inbox, "_write", lambda batch: (go.wait(30), write(batch))[1])
    large = read(encoded({**alertmanager(alert("x")), "more": "m" * 20_000}))
    assert large.size > 20_000
    taken = []
    with pytest.raises(FullError, match="send it again later"):
        taken += [desk.inbox.take(large, None) for _ in range(100)]
    go.set()
    desk.inbox.stop()
    assert desk.inbox._waiting_bytes == 0


def test_when_too_many_wait_or_it_stops_nothing_more_is_taken(desk, monkeypatch):
    """The queue is bounded; one webhook of any size finds room when it is empty."""
    monkeypatch.setattr(inboxes, "WAITING_ALERTS_MAX", 3)
    assert desk.take(*(alert(str(n)) for n in range(10))).changed == 10
    go = threading.Event()
    write = desk.inbox._write
    monkeypatch.setattr(desk.inbox, "_write", lambda batch: (go.wait(30), write(batch))[1])
    told = read(encoded(alertmanager(alert("x"))))
    taken = []
    with pytest.raises(FullError, match="send it again later"):
        taken += [desk.inbox.take(told, None) for _ in range(10)]
    go.set()
    desk.inbox.stop()
    with pytest.raises(FullError, match="stops"):
        desk.inbox.take(told, None)

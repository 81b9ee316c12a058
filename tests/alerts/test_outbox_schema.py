"""Files that other versions of mlobs wrote."""

import sqlite3

import pytest

from mlobs.alerts.outbox import Outbox
from mlobs.errors import StoreError
from tests.alerts.outboxes import die, message, put, reopened

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
    box = reopened(outbox)
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

"""A file that an older version wrote: nothing that it owed anybody is forgotten."""

import json
import sqlite3
from typing import Any

import pytest

from mlobs.alerts.inherited import inherit
from mlobs.alerts.receive.formats import read
from mlobs.alerts.receive.inbox import Inbox, Taken
from mlobs.alerts.telling import Telling
from mlobs.settings import AlertSettings
from tests.alerts.routed import message
from tests.alerts.webhooks import alert, alertmanager, encoded

NOW_S = 1_700_000_600.0
STARTED_US = 1_700_000_000_000_000

OLD = """
CREATE TABLE routing (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    of TEXT NOT NULL,
    key TEXT NOT NULL,
    row TEXT NOT NULL,
    due_s REAL,
    UNIQUE (kind, of, key)
);
CREATE INDEX routing_due ON routing (due_s) WHERE due_s IS NOT NULL;
CREATE TABLE received (
    source TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status TEXT NOT NULL,
    starts_us INTEGER NOT NULL,
    seen_us INTEGER NOT NULL,
    PRIMARY KEY (source, fingerprint)
) WITHOUT ROWID;
CREATE TABLE replays (mac BLOB PRIMARY KEY, until_s REAL NOT NULL) WITHOUT ROWID;
"""
ROUTES = """
sinks:
  hook: {type: command, argv: ["true"]}
  former: {type: command, argv: ["true"]}
routes:
  - {name: damped, match: [name=damped], sinks: [hook], flap: {changes: 2, within_s: 60, calm_s: 30}}
  - {name: now, match: [name=now], sinks: [hook]}
  - {name: grouped, sinks: [hook], group_wait_s: 300}
"""
GROUP = "c5d3f1c5a3b0e0f1"
FLAP = {"route": "damped", "times": [], "held": True, "told": "firing", "last": message("damped", "resolved")}
WAITS = {"route": "grouped", "by": {}, "group": GROUP}


class Older:
    """A file as an older version left it."""

    def __init__(self, folder: Any) -> None:
        self.path, self.routes = folder / "alerts.sqlite", folder / "routes.yml"
        self.routes.write_text(ROUTES)
        self._db = sqlite3.connect(self.path)
        self._db.executescript(OLD)

    def remembers(self, kind: str, of: str, key: str, row: Any, due_s: float | None = None) -> None:
        self._db.execute(
            "INSERT INTO routing (kind, of, key, row, due_s) VALUES (?, ?, ?, ?, ?)",
            (kind, of, key, json.dumps(row), due_s),
        )

    def heard(self, name: str, status: str) -> None:
        mark = alert(name)["fingerprint"]
        self._db.execute(
            "INSERT INTO received VALUES ('alertmanager', ?, ?, ?, ?)", (mark, status, STARTED_US, STARTED_US)
        )

    def opened(self) -> Telling:
        self._db.commit()
        self._db.close()
        return Telling(AlertSettings(routes=self.routes), self.path, lambda: NOW_S)


@pytest.fixture
def older(tmp_path):
    return Older(tmp_path)


def told(telling: Telling) -> list[tuple[str, str, str]]:
    found = [(one.sink, one.status, one.state) for one in reversed(telling.outbox.recent())]
    telling.outbox.close()
    return found


def dispatch(telling: Telling, *messages: Any) -> None:
    with telling.outbox.transaction() as db:
        telling.dispatcher.dispatch(db, messages, NOW_S)


def test_an_alert_that_waited_for_its_group_is_told(older):
    """It was acknowledged; whoever sent it does not send it again."""
    older.remembers("group", GROUP, "", WAITS, NOW_S - 1)
    older.remembers("member", GROUP, "mlobs:x", message("x"))
    older.remembers("active", GROUP, "mlobs:x", {})
    telling = older.opened()
    telling.dispatcher.wake(NOW_S)
    assert told(telling) == [("hook", "firing", "waiting")]


def test_an_alert_that_was_told_is_ended_where_it_was_told(older):
    """Which may be another sink than its route has now."""
    older.remembers("open", "now", "mlobs:now", {"sinks": ["former"]}, NOW_S + 1e6)
    telling = older.opened()
    dispatch(telling, message("now", "resolved"))
    assert told(telling) == [("former", "resolved", "waiting")]


def test_an_alert_of_a_group_that_was_told_is_ended_where_the_group_was_told(older):
    """And a new one of the group does not make its end forgotten."""
    older.remembers("open", "elsewhere", GROUP, {"sinks": ["former"]}, NOW_S + 1e6)
    older.remembers("active", GROUP, "mlobs:x", {})
    older.remembers("active", GROUP, "mlobs:y", {})
    telling = older.opened()
    dispatch(telling, message("x", "resolved"), message("y", "resolved"))
    pages = [one for one in told(telling) if one[2] == "waiting"]
    assert pages == [("former", "firing", "waiting"), ("former", "resolved", "waiting")]


def test_an_end_that_waited_for_its_group_is_told(older):
    """To those who were told of the group."""
    older.remembers("open", "grouped", GROUP, {"sinks": ["hook"]}, NOW_S + 1e6)
    older.remembers("group", GROUP, "", WAITS, NOW_S - 1)
    older.remembers("member", GROUP, "mlobs:x", message("x", "resolved"))
    telling = older.opened()
    telling.dispatcher.wake(NOW_S)
    assert told(telling) == [("hook", "resolved", "waiting")]


def test_an_alert_that_flapped_is_told_when_it_is_calm(older):
    """In the state in which it calmed down."""
    older.remembers("open", "damped", "mlobs:damped", {"sinks": ["hook"]}, NOW_S + 1e6)
    older.remembers("flap", "damped", "mlobs:damped", FLAP, NOW_S - 1)
    telling = older.opened()
    telling.dispatcher.wake(NOW_S)
    assert told(telling) == [("hook", "resolved", "waiting")]


def test_an_alert_from_elsewhere_that_fires_keeps_its_name_until_it_ends(older):
    """A repeat is a repeat, its end ends what sinks know, and its next episode has a name of its own."""
    mark = alert("one")["fingerprint"]
    older.heard("one", "firing")
    older.heard("two", "resolved")
    older.remembers("open", "grouped", f"alertmanager:{mark}", {"sinks": ["former"]}, NOW_S + 1e6)
    telling = older.opened()
    inbox = Inbox(telling.outbox, telling.dispatcher, lambda: NOW_S)
    inbox.start()
    webhooks = [
        alert("one"),
        alert("two", ends_s=1_700_000_300),
        alert("one", ends_s=1_700_000_500),
        alert("one", starts_s=1_700_000_550),
    ]
    results = [inbox.take(read(encoded(alertmanager(one))), None).result(30) for one in webhooks]
    inbox.stop()
    (end,) = telling.outbox.recent(sink="former")
    names = [one for (one,) in telling.outbox.read("SELECT fingerprint FROM received_alerts")]
    telling.outbox.close()
    assert results == [Taken(repeated=1), Taken(late=1), Taken(changed=1), Taken(changed=1)]
    assert (end.fingerprint, end.status) == (mark, "resolved")
    assert len(set(names)) == 4, "both names of each"


def test_the_older_tables_are_gone_and_a_second_start_changes_nothing(older):
    """The budget of the week is what it was."""
    week = {"times": [NOW_S - 100], "said": False}
    older.remembers("week", "now", "", week)
    telling = older.opened()
    tables = {name for (name,) in telling.outbox.read("SELECT name FROM sqlite_master")}
    assert not tables & {"routing", "routing_due", "received"}
    before = telling.outbox.read("SELECT kind, of, key, row FROM routing_rows")
    assert [json.loads(one[3]) for one in before if one[0] != "there"] == [week]
    with telling.outbox.transaction() as db:
        inherit(db, lambda: NOW_S)
    assert telling.outbox.read("SELECT kind, of, key, row FROM routing_rows") == before
    telling.outbox.close()

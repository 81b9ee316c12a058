"""What is known of alerts from elsewhere, and which webhooks were taken, in the outbox's file.

Edge: this is SQLite, inside the transaction it is given. Of an alert that fires there is also what
is shown of it beside the server's own.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlobs.alerts.message import iso
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.receive.authentication import Mark
from mlobs.alerts.receive.changes import Known
from mlobs.alerts.receive.formats import Event
from mlobs.errors import SignatureError

KNOWN_MAX = 200_000
KEPT_US = 90 * 86_400 * 1_000_000
SHOWN_MAX = 1_000
SHOWN = (
    "source", "rule", "severity", "component", "summary", "labels", "value", "value_text", "peak",
    "since", "started", "fingerprint", "trace_ids", "server_url", "runbook_url",
)  # fmt: skip

SCHEMA = """
CREATE TABLE IF NOT EXISTS received_alerts (
    source TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status TEXT NOT NULL,
    starts_us INTEGER NOT NULL,
    seen_us INTEGER NOT NULL,
    over_us INTEGER NOT NULL,
    undone_us INTEGER NOT NULL,
    shown TEXT,
    PRIMARY KEY (source, fingerprint)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS received_firing ON received_alerts (starts_us) WHERE status = 'firing';
CREATE TABLE IF NOT EXISTS former_names (
    source TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    PRIMARY KEY (source, fingerprint)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lately_ended (
    source TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    starts_us INTEGER NOT NULL,
    due_us INTEGER NOT NULL,
    again TEXT,
    PRIMARY KEY (source, fingerprint)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lately_ended_due ON lately_ended (due_us);
CREATE TABLE IF NOT EXISTS replays (
    mac BLOB PRIMARY KEY,
    until_s REAL NOT NULL
) WITHOUT ROWID;
"""


def mark(db: sqlite3.Connection, taken: Mark) -> None:
    """Remember a webhook that must not be taken twice.

    Raises:
        SignatureError: It was taken before.
    """
    written = db.execute("INSERT OR IGNORE INTO replays VALUES (?, ?)", (taken.mac, taken.until_s))
    if not written.rowcount:
        raise SignatureError("This message was taken before; a new one has a new time and signature.")


def called(db: sqlite3.Connection, event: Event) -> Event:
    """Return an event under the name by which sinks know its alert.

    It is that of an older version while the alert fires that was told under it: whoever was told would
    not know another at its end.
    """
    source = event.source.partition("/")[0]  # An older version knew of no organisations.
    found = db.execute(
        "SELECT 1 FROM former_names JOIN received_alerts USING (source, fingerprint) "
        "WHERE source = ? AND fingerprint = ? AND status = 'firing'",
        (source, event.former),
    ).fetchone()
    return event if found is None else replace(event, source=source, fingerprint=event.former)


def known(db: sqlite3.Connection, event: Event) -> Known | None:
    """Return what is known of an event's alert."""
    found = db.execute(
        "SELECT status, starts_us, seen_us, over_us, undone_us FROM received_alerts "
        "WHERE source = ? AND fingerprint = ?",
        (event.source, event.fingerprint),
    ).fetchone()
    return None if found is None else Known(*found)


def remember(
    db: sqlite3.Connection, event: Event, now: Known, message: Mapping[str, Any] | None = None
) -> None:
    """Write down what is known of an event's alert now.

    Args:
        db: The outbox's connection, with a transaction begun.
        event: What was said last.
        now: What is known.
        message: What sinks are told of it, if it changed.
    """
    shown = None
    if message is not None and now.status == "firing":
        shown = json.dumps({name: message[name] for name in SHOWN}, ensure_ascii=True)
    db.execute(
        "INSERT INTO received_alerts VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (source, fingerprint) DO UPDATE SET status = excluded.status, "
        "starts_us = excluded.starts_us, seen_us = excluded.seen_us, over_us = excluded.over_us, "
        "undone_us = excluded.undone_us, "
        "shown = CASE excluded.status WHEN 'firing' THEN coalesce(excluded.shown, shown) END",
        (
            event.source,
            event.fingerprint,
            now.status,
            now.starts_us,
            now.seen_us,
            now.over_us,
            now.undone_us,
            shown,
        ),
    )


def firing(outbox: Outbox) -> list[dict[str, Any]]:
    """Return what is shown of the alerts from elsewhere that fire, the latest to begin first.

    `heard` says when their sender last spoke of them; whether their rules still hold is not known here.
    """
    rows = outbox.read(
        "SELECT shown, seen_us FROM received_alerts WHERE status = 'firing' AND shown IS NOT NULL "
        "ORDER BY starts_us DESC LIMIT ?",
        (SHOWN_MAX,),
    )
    # What an older release wrote has no component, no words for its value and no worst one.
    older = {"component": "", "value_text": None, "peak": None}
    return [
        {
            **older,
            **json.loads(text),
            "state": "firing",
            "volume": None,
            "held": None,
            "heard": iso(seen_us / 1e6),
        }
        for text, seen_us in rows
    ]


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert from elsewhere that fires, and what is shown of it."""

    source: str
    fingerprint: str
    known: Known
    shown: dict[str, Any]


def firing_as(db: sqlite3.Connection, beginning: str) -> list[Firing]:
    """Return the alerts from elsewhere that fire and whose fingerprints begin so."""
    rows = db.execute(
        "SELECT source, fingerprint, shown, status, starts_us, seen_us, over_us, undone_us "
        "FROM received_alerts WHERE status = 'firing' AND substr(fingerprint, 1, length(?)) = ? "
        "ORDER BY starts_us",
        (beginning, beginning),
    ).fetchall()
    return [
        Firing(source, mark, Known(*known), {} if text is None else json.loads(text))
        for source, mark, text, *known in rows
    ]


def clean(db: sqlite3.Connection, now_s: float) -> None:
    """Forget signatures whose time is over, and alerts nobody spoke of for long."""
    db.execute("DELETE FROM replays WHERE until_s < ?", (now_s,))
    db.execute(
        "DELETE FROM former_names WHERE NOT EXISTS (SELECT 1 FROM received_alerts AS of "
        "WHERE of.source = former_names.source AND of.fingerprint = former_names.fingerprint "
        "AND of.status = 'firing')"
    )
    db.execute("DELETE FROM received_alerts WHERE seen_us < ?", (round(now_s * 1e6) - KEPT_US,))
    db.execute(
        "DELETE FROM received_alerts WHERE (source, fingerprint) IN (SELECT source, fingerprint "
        "FROM received_alerts ORDER BY status = 'firing', seen_us "
        "LIMIT max((SELECT count(*) FROM received_alerts) - ?, 0))",
        (KNOWN_MAX,),
    )

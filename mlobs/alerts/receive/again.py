"""What fires again soon after its end was told, under its former beginning: told once that is sure.

Alertmanager sends just that when it heard nothing of an alert for some minutes, took it for over, and then
hears of it again. By its words it is no other than a firing that the end has overtaken, which is to be told
to nobody. Left at that, whoever was told of the end would hear nothing more until the sender repeats itself,
which may be hours. So the message is kept, and told when no firing can be on its way any more, unless an end
came after it: a replica whose firing was overtaken sends its end, too.

Edge: this is SQLite, inside the transaction it is given. Of an alert whose end was told there is a row for
`REORDERED_US_MAX`; the time outlives restarts.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict

from mlobs.alerts.receive.changes import REORDERED_US_MAX, Known, Verdict
from mlobs.alerts.receive.formats import Event

NOTICE = "again"
DUE_MAX = 1_000
# Of two that watch the same, one may have seen the beginning as much earlier.
APART_US_MAX = 60_000_000


def note(db: sqlite3.Connection, event: Event, now: Known, verdict: Verdict, url: str, now_us: int) -> None:
    """Write down what a message means for an alert whose end was told lately.

    Args:
        db: The outbox's connection, with a transaction begun.
        event: What the message said.
        now: What is known since.
        verdict: What the message was.
        url: Where the sender's pages are.
        now_us: When it came.
    """
    alert = (event.source, event.fingerprint)
    if verdict == "changed" and event.status == "firing":
        _forget(db, alert)
    elif verdict == "changed":
        watch(db, alert, now.starts_us, now_us)
    elif event.status == "resolved":
        # The end of a later episode, of which nobody heard: its firing, should it come, was overtaken.
        db.execute(
            "DELETE FROM lately_ended WHERE source = ? AND fingerprint = ? AND starts_us < ?",
            (*alert, now.starts_us),
        )
        db.execute("UPDATE lately_ended SET again = NULL WHERE source = ? AND fingerprint = ?", alert)
    elif verdict == "late":
        db.execute(
            "UPDATE lately_ended SET again = ? WHERE source = ? AND fingerprint = ? AND starts_us <= ?",
            (json.dumps([asdict(event), url]), *alert, event.starts_us + APART_US_MAX),
        )


def watch(db: sqlite3.Connection, alert: Sequence[str], starts_us: int, now_us: int) -> None:
    """Keep what says that an alert fires, whose end is told now.

    Args:
        db: The outbox's connection, with a transaction begun.
        alert: Its source and fingerprint.
        starts_us: When the episode that ended began.
        now_us: When it was told.
    """
    db.execute(
        "INSERT OR REPLACE INTO lately_ended VALUES (?, ?, ?, ?, NULL)",
        (*alert, starts_us, now_us + REORDERED_US_MAX + 1),
    )


def is_due(now_us: int) -> tuple[str, tuple[int, int]]:
    """Return the question whether there is something to `take`, with its values."""
    return f"SELECT 1 FROM lately_ended WHERE {_DUE} LIMIT 1", _when(now_us)


def take(db: sqlite3.Connection, now_us: int) -> list[tuple[Event, str]]:
    """Return what is to be told now, with where its sender's pages are, and forget it."""
    rows = db.execute(
        f"SELECT source, fingerprint, again FROM lately_ended WHERE {_DUE} LIMIT ?",
        (*_when(now_us), DUE_MAX),
    ).fetchall()
    for *alert, _ in rows:
        _forget(db, alert)
    kept = [json.loads(again) for *_, again in rows if again is not None]
    return [(Event(**event), url) for event, url in kept]


# The second: the clock was set back, and nobody knows for how long it has waited.
_DUE = "(due_us <= ? OR due_us > ?)"


def _when(now_us: int) -> tuple[int, int]:
    return now_us, now_us + 2 * REORDERED_US_MAX + 1


def _forget(db: sqlite3.Connection, alert: Sequence[str]) -> None:
    db.execute("DELETE FROM lately_ended WHERE source = ? AND fingerprint = ?", alert)

"""Keeps what routing remembers in the outbox's file, in the transaction of the messages it is about.

Edge: this is SQLite. A `Memory` is made for one transaction and reads and writes through it, so a
transaction that is rolled back has never been remembered.
"""

import json
import sqlite3

from mlobs.alerts.routing.state import Row

SCHEMA = """
CREATE TABLE IF NOT EXISTS routing_rows (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    of TEXT NOT NULL,
    key TEXT NOT NULL,
    row TEXT NOT NULL,
    due_s REAL,
    since_s REAL,
    UNIQUE (kind, of, key)
);
CREATE INDEX IF NOT EXISTS routing_rows_due ON routing_rows (due_s) WHERE due_s IS NOT NULL;
CREATE INDEX IF NOT EXISTS routing_rows_since ON routing_rows (since_s) WHERE since_s IS NOT NULL;
"""
DUE_MAX = 1_000
BACK_S = 5.0  # A clock that is set back by less makes nothing due.


class Memory:
    """A state in SQLite.

    Args:
        db: A connection with a transaction begun.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def get(self, kind: str, of: str, key: str = "") -> Row | None:
        """Return a row, or None."""
        found = self._db.execute(
            "SELECT row FROM routing_rows WHERE kind = ? AND of = ? AND key = ?", (kind, of, key)
        ).fetchone()
        return None if found is None else _row(found[0])

    def put(
        self,
        kind: str,
        of: str,
        key: str,
        row: Row,
        *,
        due_s: float | None = None,
        since_s: float | None = None,
    ) -> None:
        """Write a row."""
        self._db.execute(
            "INSERT INTO routing_rows (kind, of, key, row, due_s, since_s) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (kind, of, key) DO UPDATE SET row = excluded.row, due_s = excluded.due_s, "
            "since_s = excluded.since_s",
            (kind, of, key, json.dumps(row), due_s, since_s),
        )

    def drop(self, kind: str, of: str, key: str | None = None) -> None:
        """Remove a row, or all of an owner's."""
        if key is None:
            self._db.execute("DELETE FROM routing_rows WHERE kind = ? AND of = ?", (kind, of))
        else:
            self._db.execute(
                "DELETE FROM routing_rows WHERE kind = ? AND of = ? AND key = ?", (kind, of, key)
            )

    def rows(self, kind: str, of: str) -> list[Row]:
        """Return all of an owner's rows."""
        found = self._db.execute(
            "SELECT row FROM routing_rows WHERE kind = ? AND of = ? ORDER BY number", (kind, of)
        )
        return [_row(text) for (text,) in found.fetchall()]

    def count(self, kind: str, of: str) -> int:
        """Return how many there are."""
        found = self._db.execute("SELECT count(*) FROM routing_rows WHERE kind = ? AND of = ?", (kind, of))
        return int(found.fetchone()[0])

    def due(self, now_s: float) -> list[tuple[str, str, str, Row]]:
        """Return what is due, at most `DUE_MAX` rows at once."""
        found = self._db.execute(
            "SELECT kind, of, key, row FROM routing_rows WHERE due_s <= ? OR since_s > ? "
            "ORDER BY due_s, number LIMIT ?",
            (now_s, now_s + BACK_S, DUE_MAX),
        )
        return [(kind, of, key, _row(text)) for kind, of, key, text in found.fetchall()]


def _row(text: str) -> Row:
    row: Row = json.loads(text)
    return row

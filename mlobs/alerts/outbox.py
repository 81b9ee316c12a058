"""What must be told and what is known: alerts and deliveries in one SQLite file.

Edge: this is the disk. A change of an alert's state and the message about it are written in
one transaction, before anything is sent. So a message is neither forgotten nor made twice,
whenever the process dies; one that was being sent then is sent again, under the same id.

Bounded: at most `WAITING_MAX` messages wait (more are dropped and counted), and the receipts
of the last `KEPT_MAX` are kept.
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from mlobs.alerts.states import Alert, Finding
from mlobs.errors import StoreError

WAITING_MAX = 10_000
KEPT_MAX = 1_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS alerts (
    fingerprint TEXT PRIMARY KEY,
    alert TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL,
    rule TEXT NOT NULL,
    status TEXT NOT NULL,
    body BLOB NOT NULL,
    made_s REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    attempts INTEGER NOT NULL DEFAULT 0,
    next_s REAL NOT NULL,
    ended_s REAL,
    answer TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS waiting ON deliveries (fingerprint, number) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS counts (
    outcome TEXT PRIMARY KEY,
    count INTEGER NOT NULL
);
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One change of an alert's state, as it will be sent."""

    fingerprint: str
    rule: str
    status: str
    changed_s: float
    body: bytes

    @property
    def id(self) -> str:
        """Return the delivery id: the same whenever this change is told, and for no other."""
        text = f"{self.fingerprint}:{self.status}:{self.changed_s!r}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A message on its way, or what became of it."""

    id: str
    rule: str
    status: str
    state: str
    made_s: float
    attempts: int
    next_s: float
    ended_s: float | None
    answer: str
    body: bytes


class Outbox:
    """The file. Safe to use from several threads.

    Raises:
        StoreError: The file cannot be opened, read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        with self._saying():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def alerts(self) -> list[Alert]:
        """Return every alert that is not over."""
        with self._transaction() as db:
            rows = db.execute("SELECT alert FROM alerts ORDER BY fingerprint").fetchall()
        return [_alert(json.loads(text)) for (text,) in rows]

    def record(self, *, changed: Iterable[Alert], over: Iterable[str], messages: Iterable[Message]) -> int:
        """Write what an evaluation changed, all of it or nothing; return how many messages found no room.

        Args:
            changed: Alerts as they are now.
            over: Fingerprints of alerts that are no more.
            messages: What has to be told.
        """
        messages = list(messages)
        with self._transaction() as db:
            for alert in changed:
                text = json.dumps(asdict(alert), ensure_ascii=True)
                db.execute("INSERT OR REPLACE INTO alerts VALUES (?, ?)", (alert.fingerprint, text))
            db.executemany("DELETE FROM alerts WHERE fingerprint = ?", [(one,) for one in over])
            waiting = db.execute("SELECT count(*) FROM deliveries WHERE state = 'waiting'").fetchone()[0]
            taken = messages[: max(WAITING_MAX - waiting, 0)]
            db.executemany(
                "INSERT OR IGNORE INTO deliveries "
                "(id, fingerprint, rule, status, body, made_s, next_s, state) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting')",
                [(m.id, m.fingerprint, m.rule, m.status, m.body, m.changed_s, m.changed_s) for m in taken],
            )
            dropped = len(messages) - len(taken)
            if dropped:
                _count(db, "dropped", dropped)
        return dropped

    def due(self, now_s: float, *, deliveries_max: int = 100) -> list[Delivery]:
        """Return messages whose time has come, the oldest first; of each alert only its oldest that waits.

        So whoever listens hears of firing before resolved.
        """
        return self._read(
            "WHERE state = 'waiting' AND next_s <= ? AND NOT EXISTS (SELECT 1 FROM deliveries AS older "
            "WHERE older.state = 'waiting' AND older.fingerprint = deliveries.fingerprint "
            "AND older.number < deliveries.number) ORDER BY number LIMIT ?",
            (now_s, deliveries_max),
        )

    def settle(
        self, delivery_id: str, *, outcome: str, answer: str, now_s: float, again_s: float | None = None
    ) -> None:
        """Write down how an attempt ended.

        Args:
            delivery_id: Whose attempt.
            outcome: delivered, failed (to be tried again at `again_s`) or dead.
            answer: What came back, for the receipt.
            now_s: When.
            again_s: When to try again.
        """
        state = "waiting" if outcome == "failed" else outcome
        with self._transaction() as db:
            db.execute(
                "UPDATE deliveries SET state = ?, attempts = attempts + 1, next_s = coalesce(?, next_s), "
                "ended_s = ?, answer = ? WHERE id = ? AND state = 'waiting'",
                (state, again_s, None if state == "waiting" else now_s, answer, delivery_id),
            )
            _count(db, outcome, 1)
            db.execute(
                "DELETE FROM deliveries WHERE state != 'waiting' AND number <= "
                "(SELECT max(number) FROM deliveries) - ?",
                (KEPT_MAX,),
            )

    def recent(self, deliveries_max: int = 50) -> list[Delivery]:
        """Return the newest deliveries, the newest first."""
        return self._read("ORDER BY number DESC LIMIT ?", (deliveries_max,))

    def counts(self) -> dict[str, int]:
        """Return how many attempts ended how, since the file was made."""
        with self._transaction() as db:
            return dict(db.execute("SELECT outcome, count FROM counts").fetchall())

    def _read(self, what: str, values: tuple[object, ...]) -> list[Delivery]:
        columns = "id, rule, status, state, made_s, attempts, next_s, ended_s, answer, body"
        with self._transaction() as db:
            rows = db.execute(f"SELECT {columns} FROM deliveries {what}", values).fetchall()  # ours
        return [Delivery(**dict(zip(columns.split(", "), row, strict=True))) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Run statements as one transaction."""
        with self._lock, self._saying():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _saying(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"The alerts in {self.path} cannot be read or written: {error}. Is the disk full or the "
                f"folder read-only? If the file is damaged, move it away; alerts then begin anew."
            ) from error


def _count(db: sqlite3.Connection, outcome: str, by: int) -> None:
    db.execute(
        "INSERT INTO counts VALUES (?, ?) ON CONFLICT (outcome) DO UPDATE SET count = count + excluded.count",
        (outcome, by),
    )


def _alert(known: dict[str, object]) -> Alert:
    found = known.pop("finding")
    assert isinstance(found, dict)
    found["trace_ids"] = tuple(found["trace_ids"])
    return Alert(**known, finding=Finding(**found))  # type: ignore[arg-type] # what asdict() wrote

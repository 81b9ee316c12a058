"""What must be told and what is known: alerts and deliveries in one SQLite file.

Edge: this is the disk. A change of an alert's state and the messages about it, one for each sink,
are written in one transaction, before anything is sent. So a message is neither forgotten nor made
twice, whenever the process dies; one that was being sent then is sent again, under the same id.

Bounded: at most `WAITING_MAX` messages wait (more are dropped and counted), at most `DEAD_MAX` dead
letters and the last `KEPT_MAX` other receipts are kept.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from mlobs.alerts.letters import Delivery, Message, Redriven
from mlobs.alerts.outbox_schema import DEAD, RECEIPTS, prepare
from mlobs.alerts.states import Alert, Finding
from mlobs.errors import StoreError

__all__ = ["Delivery", "Message", "Outbox", "Redriven"]

WAITING_MAX = 100_000
DEAD_MAX = 10_000
KEPT_MAX = 1_000

_COLUMNS = "id, sink, fingerprint, rule, status, state, made_s, attempts, next_s, ended_s, answer, body"
_OVERTAKEN = (
    "EXISTS (SELECT 1 FROM deliveries AS newer WHERE newer.fingerprint = deliveries.fingerprint "
    "AND newer.sink = deliveries.sink AND newer.number > deliveries.number AND newer.state = 'delivered')"
)


class Outbox:
    """The file. Safe to use from several threads.

    Args:
        path: Where it is; made, and brought up to date if an older version wrote it.
        extra_schema: Statements that make tables of others in the same file, if they are not there.

    Raises:
        StoreError: The file cannot be opened, read or written.
    """

    def __init__(self, path: Path, extra_schema: Sequence[str] = ()) -> None:
        self.path = path
        self._lock = threading.Lock()
        with self._saying():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
        with self.transaction() as db:
            prepare(db)
        with self._saying():
            for script in extra_schema:
                self._db.executescript(script)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self, *, synced: bool = True) -> Iterator[sqlite3.Connection]:
        """Run statements as one transaction; whatever is raised undoes them.

        Others wait meanwhile, so nothing slow belongs inside, and no other method of this object
        but those that take the connection.

        Args:
            synced: Wait until the disk has it. If not, it outlives this process, but perhaps not
                a loss of power.

        Raises:
            StoreError: The file cannot be read or written.
        """
        with self._lock, self._saying():
            self._db.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def alerts(self) -> list[Alert]:
        """Return every alert that is not over."""
        with self.transaction() as db:
            rows = db.execute("SELECT alert FROM alerts ORDER BY fingerprint").fetchall()
        return [_alert(json.loads(text)) for (text,) in rows]

    def record(self, *, changed: Iterable[Alert], over: Iterable[str], messages: Iterable[Message]) -> int:
        """Write what an evaluation changed, all of it or nothing; return how many messages found no room.

        Args:
            changed: Alerts as they are now.
            over: Fingerprints of alerts that are no more.
            messages: What has to be told.
        """
        with self.transaction() as db:
            self.write(db, changed=changed, over=over)
            return self.add(db, messages)

    def write(self, db: sqlite3.Connection, *, changed: Iterable[Alert], over: Iterable[str]) -> None:
        """Write alerts inside a transaction: those that changed, and which are no more."""
        for alert in changed:
            text = json.dumps(asdict(alert), ensure_ascii=True)
            db.execute("INSERT OR REPLACE INTO alerts VALUES (?, ?)", (alert.fingerprint, text))
        db.executemany("DELETE FROM alerts WHERE fingerprint = ?", [(one,) for one in over])

    def room(self, db: sqlite3.Connection) -> int:
        """Return how many more messages find room."""
        counted = db.execute("SELECT coalesce(sum(count), 0) FROM held WHERE state = 'waiting'")
        waiting: int = counted.fetchone()[0]
        return max(WAITING_MAX - waiting, 0)

    def add(self, db: sqlite3.Connection, messages: Iterable[Message]) -> int:
        """Add messages inside a transaction; return how many were dropped because there is no room.

        Those in state demoted or muted are receipts: they take no room and are never sent.
        """
        messages = list(messages)
        waiting = [one for one in messages if one.state == "waiting"]
        taken = waiting[: self.room(db)]
        receipts = [one for one in messages if one.state != "waiting"]
        db.executemany(
            "INSERT OR IGNORE INTO deliveries "
            "(id, sink, fingerprint, rule, status, body, made_s, state, next_s, ended_s, answer) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_row(one) for one in (*taken, *receipts)],
        )
        for one in (*receipts, *waiting[len(taken) :]):
            _count(db, one.sink, one.state if one.state != "waiting" else "dropped", 1)
        if receipts:
            _trim(db)
        return len(waiting) - len(taken)

    def due(self, now_s: float, *, sink: str = "webhook", deliveries_max: int = 100) -> list[Delivery]:
        """Return a sink's messages whose time has come; of each alert only its oldest that waits.

        So whoever listens hears of firing before resolved.
        """
        return self._read(
            "WHERE state = 'waiting' AND sink = ? AND next_s <= ? AND NOT EXISTS (SELECT 1 FROM deliveries "
            "AS older WHERE older.state = 'waiting' AND older.sink = deliveries.sink "
            "AND older.fingerprint = deliveries.fingerprint AND older.number < deliveries.number) "
            "ORDER BY next_s, number LIMIT ?",
            (sink, now_s, deliveries_max),
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
        # A receipt that a loss of power takes is a message that is sent once more, under its id.
        with self.transaction(synced=False) as db:
            settled = db.execute(
                "UPDATE deliveries SET state = ?, attempts = attempts + 1, next_s = coalesce(?, next_s), "
                "ended_s = ?, answer = ? WHERE id = ? AND state = 'waiting' RETURNING sink",
                (state, again_s, None if state == "waiting" else now_s, answer, delivery_id),
            ).fetchone()
            if settled is not None:
                _count(db, settled[0], outcome, 1)
            if state != "waiting":
                _trim(db)

    def redrive(
        self,
        *,
        now_s: float,
        ids: Sequence[str] = (),
        sink: str | None = None,
        since_s: float | None = None,
        overtaken: bool = False,
    ) -> Redriven:
        """Put dead letters back among those that wait, as if they had never been tried.

        Args:
            now_s: When they are due.
            ids: Which, or the beginnings of their ids; without any, all that the rest fits.
            sink: Only this sink's.
            since_s: Only those that died after this moment.
            overtaken: Also those about an alert of which this sink has a newer message by now; a
                firing that arrives after its resolved would stand there for ever.
        """
        conditions, values = ["state = 'dead'"], []
        if ids:
            conditions.append("(" + " OR ".join("substr(id, 1, length(?)) = ?" for _ in ids) + ")")
            values += [part for one in ids for part in (one, one)]
        if sink is not None:
            conditions.append("sink = ?")
            values.append(sink)
        if since_s is not None:
            conditions.append("ended_s >= ?")
            values.append(since_s)  # type: ignore[arg-type] # a list of what SQLite takes
        where = " AND ".join(conditions)
        with self.transaction() as db:
            found = db.execute(f"SELECT id, {_OVERTAKEN} FROM deliveries WHERE {where}", values).fetchall()
            chosen = [one for one, late in found if overtaken or not late]
            db.executemany(
                "UPDATE deliveries SET state = 'waiting', attempts = 0, next_s = ?, ended_s = NULL, "
                "answer = substr('put back; before: ' || answer, 1, 400) WHERE id = ?",
                [(now_s, one) for one in chosen],
            )
        return Redriven(ids=tuple(chosen), overtaken=len(found) - len(chosen))

    def recent(
        self, deliveries_max: int = 50, *, sink: str | None = None, state: str | None = None
    ) -> list[Delivery]:
        """Return the newest deliveries, the newest first; of one sink or in one state if that is given."""
        return self._read(
            "WHERE (? IS NULL OR sink = ?) AND (? IS NULL OR state = ?) ORDER BY number DESC LIMIT ?",
            (sink, sink, state, state, deliveries_max),
        )

    def counts(self) -> dict[str, int]:
        """Return how many attempts ended how, since the file was made."""
        totals: dict[str, int] = {}
        for (_, outcome), count in self.counts_by_sink().items():
            totals[outcome] = totals.get(outcome, 0) + count
        return totals

    def counts_by_sink(self) -> dict[tuple[str, str], int]:
        """Return how many attempts ended how for each sink, since the file was made."""
        with self.transaction() as db:
            rows = db.execute("SELECT sink, outcome, count FROM outcomes").fetchall()
        return {(sink, outcome): count for sink, outcome, count in rows}

    def held(self) -> dict[tuple[str, str], int]:
        """Return how many messages of each sink are waiting or dead now."""
        with self.transaction() as db:
            rows = db.execute(
                "SELECT sink, state, count FROM held WHERE state IN ('waiting', 'dead') AND count > 0"
            ).fetchall()
        return {(sink, state): count for sink, state, count in rows}

    def _read(self, what: str, values: tuple[object, ...]) -> list[Delivery]:
        with self.transaction(synced=False) as db:
            rows = db.execute(f"SELECT {_COLUMNS} FROM deliveries {what}", values).fetchall()  # ours
        return [Delivery(**dict(zip(_COLUMNS.split(", "), row, strict=True))) for row in rows]

    @contextmanager
    def _saying(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"The alerts in {self.path} cannot be read or written: {error}. Is the disk full or the "
                f"folder read-only? If the file is damaged, move it away; alerts then begin anew."
            ) from error


def _row(message: Message) -> tuple[object, ...]:
    waits = message.state == "waiting"
    next_s = message.changed_s if message.not_before_s is None else message.not_before_s
    return (
        message.id,
        message.sink,
        message.fingerprint,
        message.rule,
        message.status,
        message.body,
        message.changed_s,
        message.state,
        next_s,
        None if waits else message.changed_s,
        message.why,
    )


def _count(db: sqlite3.Connection, sink: str, outcome: str, by: int) -> None:
    db.execute(
        "INSERT INTO outcomes VALUES (?, ?, ?) "
        "ON CONFLICT (sink, outcome) DO UPDATE SET count = count + excluded.count",
        (sink, outcome, by),
    )


def _trim(db: sqlite3.Connection) -> None:
    """Remove the oldest receipts; dead letters have a bound of their own, for they can be put back."""
    for those, kept in ((RECEIPTS, KEPT_MAX), (DEAD, DEAD_MAX)):
        db.execute(
            f"DELETE FROM deliveries WHERE {those} AND number <= "
            f"(SELECT number FROM deliveries WHERE {those} ORDER BY number DESC LIMIT 1 OFFSET ?)",
            (kept,),
        )


def _alert(known: dict[str, object]) -> Alert:
    found = known.pop("finding")
    assert isinstance(found, dict)
    found["trace_ids"] = tuple(found["trace_ids"])
    return Alert(**known, finding=Finding(**found))  # type: ignore[arg-type] # what asdict() wrote

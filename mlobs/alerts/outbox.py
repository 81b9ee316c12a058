"""What must be told and what is known: alerts and deliveries in one SQLite file.

Edge: this is the disk. A change of an alert's state and the messages about it, one for each sink,
are written in one transaction, before anything is sent. So a message is neither forgotten nor made
twice, whenever the process dies; one that was being sent then is sent again, under the same id.

Bounded, for each sink by itself, so that one that is down takes no other's room: at most `WAITING_MAX`
messages wait (more are dropped and counted), and at most `DEAD_MAX` dead letters and the last
`KEPT_MAX` receipts of each other kind are kept.

Whoever only looks has a connection of its own, and holds up nobody who writes.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from mlobs.alerts.letters import Buried, Delivery, Letter, Message, Put, Redriven
from mlobs.alerts.outbox_schema import prepare
from mlobs.alerts.states import Alert, Finding
from mlobs.errors import StoreError

WAITING_MAX = 100_000
DEAD_MAX = WAITING_MAX  # All that waits for a sink may be dead at once, and is to be put back.
KEPT_MAX = 1_000

FAR_S = 4500.0  # No failed attempt is followed by a pause as long; what waits longer is due.

_COLUMNS = "id, sink, fingerprint, rule, status, state, made_s, attempts, next_s, ended_s, answer"


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
        self._reading = threading.Lock()
        with self._saying():
            for script in extra_schema:
                self._db.executescript(script)
            self._reader = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
            self._reader.execute("PRAGMA query_only = 1")

    def close(self) -> None:
        """Close the file."""
        with self._lock, self._reading:
            self._reader.close()
            self._db.close()

    def read(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """Return the rows that a query finds in what has been written down.

        Raises:
            StoreError: The file cannot be read.
        """
        with self._reading, self._saying():
            return self._reader.execute(query, values).fetchall()

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
        rows = self.read("SELECT alert FROM alerts ORDER BY fingerprint")
        return [_alert(json.loads(text)) for (text,) in rows]

    def write(self, db: sqlite3.Connection, *, changed: Iterable[Alert], over: Iterable[str]) -> None:
        """Write alerts inside a transaction: those that changed, and which are no more."""
        for alert in changed:
            text = json.dumps(asdict(alert), ensure_ascii=True)
            db.execute("INSERT OR REPLACE INTO alerts VALUES (?, ?)", (alert.fingerprint, text))
        db.executemany("DELETE FROM alerts WHERE fingerprint = ?", [(one,) for one in over])

    def room(self, db: sqlite3.Connection, sink: str) -> int:
        """Return how many more messages of a sink find room."""
        return max(WAITING_MAX - _held(db, sink, "waiting"), 0)

    def put(self, db: sqlite3.Connection, messages: Iterable[Message]) -> Put:
        """Add messages inside a transaction, as far as there is room for their sinks.

        Receipts take no room and are never sent. Of the same message twice, as from two routes to one
        sink, the one that may be sent earlier counts.
        """
        room: dict[str, int] = {}
        taken = dropped = 0
        settled = set()
        for one in messages:
            if one.state == "waiting":
                left = room[one.sink] if one.sink in room else self.room(db, one.sink)
                room[one.sink] = max(left - 1, 0)
                if not left:
                    dropped += 1
                    _count(db, one.sink, "dropped", 1)
                    continue
                taken += 1
            else:
                settled.add((one.sink, one.state))
                _count(db, one.sink, one.state, 1)
            db.execute(
                "INSERT INTO deliveries "
                "(id, sink, fingerprint, rule, status, body, made_s, state, next_s, ended_s, answer) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                "next_s = min(next_s, excluded.next_s) WHERE state = 'waiting' AND attempts = 0",
                _row(one),
            )
        for sink, state in settled:
            _trim(db, sink, state)
        return Put(taken=taken, dropped=dropped)

    def bury(self, sinks: Iterable[str], now_s: float) -> Buried:
        """Make what waits for any other sink than these dead letters.

        Nobody would take them. Once their sink is configured again they can be put back.

        Args:
            sinks: Those that are configured.
            now_s: When.
        """
        known = set(sinks)
        buried = lost = 0
        with self.transaction() as db:
            rows = db.execute("SELECT sink FROM held WHERE state = 'waiting' AND count > 0").fetchall()
            for (sink,) in rows:
                if sink in known:
                    continue
                count = db.execute(
                    "UPDATE deliveries SET state = 'dead', ended_s = ?, answer = ? "
                    "WHERE state = 'waiting' AND sink = ?",
                    (now_s, gone(sink), sink),
                ).rowcount
                _count(db, sink, "dead", count)
                lost += _trim(db, sink, "dead")
                buried += count
        return Buried(letters=buried, lost=lost)

    def due(self, now_s: float, *, sink: str = "webhook", deliveries_max: int = 100) -> list[Letter]:
        """Return a sink's messages whose time has come; of each alert only its oldest that waits.

        So whoever listens hears of firing before resolved. What would be tried again later than any
        pause is long is due, too: the clock was set back since.
        """
        columns = f"{_COLUMNS}, body"
        with self.transaction(synced=False) as db:
            db.execute(
                "UPDATE deliveries SET next_s = ? WHERE state = 'waiting' AND attempts > 0 AND sink = ? "
                "AND next_s > ?",
                (now_s, sink, now_s + FAR_S),
            )
            rows = db.execute(
                f"SELECT {columns} FROM deliveries WHERE state = 'waiting' AND sink = ? AND next_s <= ? "
                "AND NOT EXISTS (SELECT 1 FROM deliveries AS older WHERE older.state = 'waiting' "
                "AND older.sink = deliveries.sink AND older.fingerprint = deliveries.fingerprint "
                "AND older.number < deliveries.number) ORDER BY next_s, number LIMIT ?",
                (sink, now_s, deliveries_max),
            ).fetchall()
        return [Letter(**dict(zip(columns.split(", "), row, strict=True))) for row in rows]

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
                "ended_s = ?, answer = ? WHERE id = ? AND state = 'waiting' "
                "RETURNING sink, fingerprint, number, made_s",
                (state, again_s, None if state == "waiting" else now_s, answer, delivery_id),
            ).fetchone()
            if settled is None:
                return
            _count(db, settled[0], outcome, 1)
            if state == "delivered":
                # Parts of one message were made at one moment; none of them is news to the others.
                db.execute(
                    "UPDATE deliveries SET overtaken = 1 WHERE sink = ? AND fingerprint = ? "
                    "AND state = 'dead' AND number < ? AND made_s != ?",
                    settled,
                )
            if state != "waiting":
                _trim(db, settled[0], state)

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
        conditions = ["state = 'dead'"]
        values: list[object] = []
        if ids:
            conditions.append("(" + " OR ".join("substr(id, 1, length(?)) = ?" for _ in ids) + ")")
            values += [part for one in ids for part in (one, one)]
        if sink is not None:
            conditions.append("sink = ?")
            values.append(sink)
        if since_s is not None:
            conditions.append("ended_s >= ?")
            values.append(since_s)
        where = " AND ".join(conditions)
        with self.transaction() as db:
            found = db.execute(f"SELECT id, overtaken FROM deliveries WHERE {where}", values).fetchall()
            chosen = [one for one, late in found if overtaken or not late]
            db.executemany(
                "UPDATE deliveries SET state = 'waiting', attempts = 0, next_s = ?, ended_s = NULL, "
                "answer = substr('put back; before: ' || answer, 1, 400) WHERE id = ?",
                [(now_s, one) for one in chosen],
            )
        return Redriven(ids=tuple(chosen), overtaken=len(found) - len(chosen))

    def recent(
        self,
        deliveries_max: int = 50,
        *,
        sink: str | None = None,
        state: str | None = None,
        fingerprint: str | None = None,
    ) -> list[Delivery]:
        """Return the newest deliveries, the newest first; of one sink, state or alert if that is given.

        Those of an alert are also those of groups that held it, which have it in what is sent.
        """
        asked = {name: value for name, value in (("sink", sink), ("state", state)) if value is not None}
        conditions = [f"{name} = ?" for name in asked]
        values: list[object] = list(asked.values())
        if fingerprint is not None:
            conditions.append("(fingerprint = ? OR instr(body, ?) > 0)")
            written = f'"fingerprint":{json.dumps(fingerprint, ensure_ascii=False)}'
            values += [fingerprint, written.encode("utf-8", "replace")]
        where = " AND ".join(conditions) or "1"
        rows = self.read(
            f"SELECT {_COLUMNS} FROM deliveries WHERE {where} ORDER BY number DESC LIMIT ?",
            (*values, deliveries_max),
        )
        return [Delivery(**dict(zip(_COLUMNS.split(", "), row, strict=True))) for row in rows]

    def purge(self) -> None:
        """Write the file anew, so that nothing is in it that was deleted or changed.

        Raises:
            StoreError: There is no room for it, or somebody else is reading.
        """
        with self._lock, self._reading, self._saying():
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def counts_by_sink(self) -> dict[tuple[str, str], int]:
        """Return how many attempts ended how for each sink, since the file was made."""
        rows = self.read("SELECT sink, outcome, count FROM outcomes")
        return {(sink, outcome): count for sink, outcome, count in rows}

    def held(self) -> dict[tuple[str, str], int]:
        """Return how many messages of each sink are waiting or dead now."""
        rows = self.read(
            "SELECT sink, state, count FROM held WHERE state IN ('waiting', 'dead') AND count > 0"
        )
        return {(sink, state): count for sink, state, count in rows}

    @contextmanager
    def _saying(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"The alerts in {self.path} cannot be read or written: {error}. Is the disk full or the "
                f"folder read-only? If the file is damaged, move it away; alerts then begin anew."
            ) from error


def gone(sink: str) -> str:
    """Return why a message for a sink that is not there is a dead letter."""
    return f"the sink {sink} is not configured; configure it and put this back with mlobs alerts redrive"


def _row(message: Message) -> tuple[object, ...]:
    waits = message.state == "waiting"
    begins_s = message.not_before_s
    # What may go at once is due by any clock, also by one that is set back meanwhile.
    next_s = 0.0 if begins_s is None or begins_s <= message.changed_s else begins_s
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


def _held(db: sqlite3.Connection, sink: str, state: str) -> int:
    found = db.execute("SELECT count FROM held WHERE sink = ? AND state = ?", (sink, state)).fetchone()
    return 0 if found is None else int(found[0])


def _trim(db: sqlite3.Connection, sink: str, state: str) -> int:
    """Remove a sink's oldest receipts of a kind, return how many.

    Of dead letters more are kept, for they can be put back.
    """
    too_many = _held(db, sink, state) - (DEAD_MAX if state == "dead" else KEPT_MAX)
    if too_many > 0:
        db.execute(
            "DELETE FROM deliveries WHERE number IN (SELECT number FROM deliveries "
            "WHERE sink = ? AND state = ? AND state != 'waiting' ORDER BY number LIMIT ?)",
            (sink, state, too_many),
        )
    return max(too_many, 0)


def _alert(known: dict[str, object]) -> Alert:
    found = known.pop("finding")
    assert isinstance(found, dict)
    found["trace_ids"] = tuple(found["trace_ids"])
    # A newer release that was rolled back may have written more.
    given = {one.name: known[one.name] for one in fields(Alert) if one.name in known}
    return Alert(**given, finding=Finding(**found))  # type: ignore[arg-type] # what asdict() wrote

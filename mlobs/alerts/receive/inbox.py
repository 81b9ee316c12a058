"""Writes down what webhooks say, and what follows from it, before they are answered.

Edge: a thread and the disk. Webhooks wait in a queue; the thread takes all that are there, judges
them and writes states, replay marks and messages in one transaction, so that a hundred senders
cost one fsync. Only after it may the senders be told. What dies before that was not answered and
is sent again; what dies after it is in the outbox.

A webhook that cannot be taken (replayed, no room, a mistake of ours) is undone to its savepoint, and
the others of its transaction are not harmed.
"""

import logging
import sqlite3
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

from mlobs.alerts.outbox import Outbox
from mlobs.alerts.receive.authentication import Mark
from mlobs.alerts.receive.changes import Known, judge
from mlobs.alerts.receive.formats import Event, Notification
from mlobs.alerts.receive.wording import message
from mlobs.alerts.routing.dispatcher import Dispatcher
from mlobs.errors import MlobsError, SignatureError

log = logging.getLogger("mlobs.alerts")

WAITING_ALERTS_MAX = 50_000
BATCH_ALERTS_MAX = 5_000
KNOWN_MAX = 200_000
KEPT_US = 90 * 86_400 * 1_000_000
CLEANED_EVERY_S = 3600.0
STOP_SECONDS_MAX = 10.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS received (
    source TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status TEXT NOT NULL,
    starts_us INTEGER NOT NULL,
    seen_us INTEGER NOT NULL,
    PRIMARY KEY (source, fingerprint)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS replays (
    mac BLOB PRIMARY KEY,
    until_s REAL NOT NULL
) WITHOUT ROWID;
"""


class FullError(MlobsError):
    """There is no room for a webhook now; the sender is to come again."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a webhook's alerts."""

    changed: int = 0
    repeated: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting:
    notification: Notification
    mark: Mark | None
    done: "Future[Taken]"

    @property
    def weight(self) -> int:
        return len(self.notification.events) + 1


class Inbox:
    """Takes webhooks.

    Args:
        outbox: Whose file this writes to.
        dispatcher: Where messages go.
        clock: Seconds since 1970.
    """

    def __init__(self, outbox: Outbox, dispatcher: Dispatcher, clock: Callable[[], float]) -> None:
        self.counts: Counter[str] = Counter()
        self.failure: str | None = None
        self.clock = clock
        self._outbox = outbox
        self._dispatcher = dispatcher
        self._waiting: deque[_Waiting] = deque()
        self._waiting_alerts = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._cleaned_s = 0.0
        self._thread = threading.Thread(target=self._run, name="mlobs-inbox", daemon=True)

    def start(self) -> None:
        """Take webhooks from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(STOP_SECONDS_MAX)

    def take(self, notification: Notification, mark: Mark | None) -> "Future[Taken]":
        """Return what becomes of a webhook, known once it is on the disk.

        Its exception may be a SignatureError (it was taken before), a FullError or a StoreError.

        Args:
            notification: What it says.
            mark: What must not be taken twice, or None.

        Raises:
            FullError: Too many wait already, or the inbox stops.
        """
        waiting = _Waiting(notification, mark, Future())
        with self._changed:
            if self._stopping:
                raise FullError("The receiver stops; send it again.")
            if self._waiting and self._waiting_alerts + waiting.weight > WAITING_ALERTS_MAX:
                raise FullError(f"{self._waiting_alerts} alerts wait to be written; send it again later.")
            self._waiting.append(waiting)
            self._waiting_alerts += waiting.weight
            self._changed.notify()
        return waiting.done

    def _run(self) -> None:
        while batch := self._next():
            results = self._write(batch)
            for one, result in zip(batch, results, strict=True):
                if isinstance(result, Taken):
                    one.done.set_result(result)
                else:
                    one.done.set_exception(result)

    def _next(self) -> list[_Waiting]:
        """Return what waits, once something does; nothing when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            batch: list[_Waiting] = []
            weight = 0
            while self._waiting and (not batch or weight + self._waiting[0].weight <= BATCH_ALERTS_MAX):
                batch.append(self._waiting.popleft())
                weight += batch[-1].weight
            self._waiting_alerts -= weight
            return batch

    def _write(self, batch: Sequence[_Waiting]) -> list[Taken | Exception]:
        now_s = self.clock()
        try:
            with self._outbox.transaction() as db:
                results = [self._one(db, waiting, now_s) for waiting in batch]
                if now_s - self._cleaned_s > CLEANED_EVERY_S:
                    _clean(db, now_s)
                    self._cleaned_s = now_s
        except Exception as error:  # a full disk may pass; the senders are told to come again
            if self.failure is None:
                log.exception("Webhooks cannot be written down; senders are told to come again.")
            self.failure = str(error)
            return [error for _ in batch]
        self.failure = None
        for waiting, result in zip(batch, results, strict=True):
            if isinstance(result, Taken):
                self.counts.update(changed=result.changed, repeated=result.repeated, late=result.late)
                self.counts["truncated"] += waiting.notification.truncated
        return results

    def _one(self, db: sqlite3.Connection, waiting: _Waiting, now_s: float) -> Taken | Exception:
        db.execute("SAVEPOINT webhook")
        try:
            taken = self._judged(db, waiting, now_s)
        except Exception as error:
            if not db.in_transaction:
                raise  # SQLite gave the whole transaction up, as it does when the disk is full.
            db.execute("ROLLBACK TO webhook")
            if not isinstance(error, MlobsError):
                log.exception("A webhook could not be taken; this is a mistake of ours.")
            return error
        finally:
            with suppress(sqlite3.OperationalError):  # there is no savepoint left
                db.execute("RELEASE webhook")
        return taken

    def _judged(self, db: sqlite3.Connection, waiting: _Waiting, now_s: float) -> Taken:
        if waiting.mark is not None:
            _mark(db, waiting.mark)
        told = waiting.notification
        counts: Counter[str] = Counter()
        messages = []
        for event in told.events:
            known, verdict = judge(_known(db, event), event, round(now_s * 1e6))
            _remember(db, event, known)
            counts[verdict] += 1
            if verdict == "changed":
                messages.append(message(event, url=told.url, truncated=told.truncated, now_s=now_s))
        if self._dispatcher.dispatch(db, messages, now_s):
            raise FullError("Too many messages wait for their sinks; send it again later.")
        return Taken(**counts)


def _mark(db: sqlite3.Connection, mark: Mark) -> None:
    written = db.execute("INSERT OR IGNORE INTO replays VALUES (?, ?)", (mark.mac, mark.until_s))
    if not written.rowcount:
        raise SignatureError("This message was taken before; a new one has a new time and signature.")


def _known(db: sqlite3.Connection, event: Event) -> Known | None:
    found = db.execute(
        "SELECT status, starts_us, seen_us FROM received WHERE source = ? AND fingerprint = ?",
        (event.source, event.fingerprint),
    ).fetchone()
    return None if found is None else Known(*found)


def _remember(db: sqlite3.Connection, event: Event, known: Known) -> None:
    db.execute(
        "INSERT OR REPLACE INTO received VALUES (?, ?, ?, ?, ?)",
        (event.source, event.fingerprint, known.status, known.starts_us, known.seen_us),
    )


def _clean(db: sqlite3.Connection, now_s: float) -> None:
    """Forget signatures whose time is over, and alerts nobody spoke of for long."""
    db.execute("DELETE FROM replays WHERE until_s < ?", (now_s,))
    db.execute("DELETE FROM received WHERE seen_us < ?", (round(now_s * 1e6) - KEPT_US,))
    db.execute(
        "DELETE FROM received WHERE (source, fingerprint) IN (SELECT source, fingerprint FROM received "
        "ORDER BY status = 'firing', seen_us LIMIT max((SELECT count(*) FROM received) - ?, 0))",
        (KNOWN_MAX,),
    )

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

from mlobs.alerts import history
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.receive import ledger
from mlobs.alerts.receive.authentication import Mark
from mlobs.alerts.receive.changes import judge
from mlobs.alerts.receive.formats import Notification
from mlobs.alerts.receive.wording import message
from mlobs.alerts.routing.dispatcher import Dispatcher
from mlobs.errors import MlobsError

log = logging.getLogger("mlobs.alerts")

WAITING_ALERTS_MAX = 50_000
WAITING_BYTES_MAX = 32 << 20  # Of their bodies; what was read of them takes several times as much.
BATCH_ALERTS_MAX = 5_000
CLEANED_EVERY_S = 3600.0
CLEANED_EVERY_ALERTS = 20_000
STOP_SECONDS_MAX = 10.0


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
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._cleaned_s = 0.0
        self._since_cleaned = 0
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
            if self._waiting and (
                self._waiting_alerts + waiting.weight > WAITING_ALERTS_MAX
                or self._waiting_bytes + notification.size > WAITING_BYTES_MAX
            ):
                raise FullError(f"{self._waiting_alerts} alerts wait to be written; send it again later.")
            self._waiting.append(waiting)
            self._waiting_alerts += waiting.weight
            self._waiting_bytes += notification.size
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
            self._waiting_bytes -= sum(one.notification.size for one in batch)
            return batch

    def _write(self, batch: Sequence[_Waiting]) -> list[Taken | Exception]:
        now_s = self.clock()
        try:
            with self._outbox.transaction() as db:
                results = [self._one(db, waiting, now_s) for waiting in batch]
                self._clean(db, now_s, sum(len(waiting.notification.events) for waiting in batch))
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
            ledger.mark(db, waiting.mark)
        told = waiting.notification
        counts: Counter[str] = Counter()
        messages = []
        for heard in told.events:
            event = ledger.called(db, heard)
            known, verdict = judge(ledger.known(db, event), event, round(now_s * 1e6))
            counts[verdict] += 1
            made = None
            if verdict == "changed":
                made = message(event, url=told.url, truncated=told.truncated, now_s=now_s)
                messages.append(made)
                history.note(
                    db,
                    source=event.source,
                    fingerprint=event.fingerprint,
                    status=made["status"],
                    at_s=now_s,
                    said=made,
                )
            ledger.remember(db, event, known, made)
        put = self._dispatcher.put(db, messages, now_s)
        if put.dropped and not put.taken:
            raise FullError("Too many messages wait for their sinks; send it again later.")
        if put.dropped:  # The sender cannot help, and others were told: one sick sink must not silence them.
            log.error("%d messages were dropped: too many wait for their sinks.", put.dropped)
        return Taken(**counts)

    def _clean(self, db: sqlite3.Connection, now_s: float, alerts: int) -> None:
        """Forget what is old, every hour and after so many alerts."""
        self._since_cleaned += alerts
        if abs(now_s - self._cleaned_s) > CLEANED_EVERY_S or self._since_cleaned > CLEANED_EVERY_ALERTS:
            ledger.clean(db, now_s)
            self._cleaned_s, self._since_cleaned = now_s, 0

"""Writes down what webhooks say, and what follows from it, before they are answered.

Edge: a thread and the disk. Webhooks wait in a queue; the thread takes all that are there, judges
them and writes states, replay marks and messages in one transaction, so that a hundred senders
cost one fsync. Only after it may the senders be told. What dies before that was not answered and
is sent again; what dies after it is in the outbox.

A webhook that cannot be taken (replayed, no room, a mistake of ours) is undone to its savepoint, and
the others of its transaction are not harmed.

Between webhooks the same thread tells what `again` has kept long enough.
"""

import logging
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mlobs.alerts import history
from mlobs.alerts.letters import Put
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.receive import again, by_hand, ledger
from mlobs.alerts.receive.authentication import Mark
from mlobs.alerts.receive.changes import Verdict, judge
from mlobs.alerts.receive.formats import Event, Notification
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
LOOK_SECONDS = 5.0


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
        self._looked_s = time.monotonic()
        self._failing = False
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

    def tell_again(self) -> int:
        """Tell what has fired again for long enough, and return how many alerts that are.

        Raises:
            FullError: There is no room for it; it is told once there is.
            StoreError: It cannot be written down; it is told once it can be.
        """
        now_s = self.clock()
        now_us = round(now_s * 1e6)
        if not self._outbox.read(*again.is_due(now_us)):
            return 0
        with self._outbox.transaction() as db:
            messages = []
            for event, url in again.take(db, now_us):
                made, _ = self._told(db, event, url, 0, now_s)
                messages += [] if made is None else [{"notice": again.NOTICE, **made}]
            put = self._dispatcher.put(db, messages, now_s)
            if put.dropped and not put.taken:
                raise FullError("Too many messages wait for their sinks.")
        _lament(put)
        self.counts["changed"] += len(messages)
        return len(messages)

    def _run(self) -> None:
        while True:
            batch = self._next()
            if not batch and self._stopping:
                return
            results = self._write(batch) if batch else []
            for one, result in zip(batch, results, strict=True):
                if not one.done.set_running_or_notify_cancel():
                    continue  # Nobody waits for it any longer.
                if isinstance(result, Taken):
                    one.done.set_result(result)
                else:
                    one.done.set_exception(result)
            self._look()

    def _look(self) -> None:
        """Tell what is due, now and then."""
        if time.monotonic() - self._looked_s < LOOK_SECONDS:
            return
        self._looked_s = time.monotonic()
        try:
            self.tell_again()
            self._failing = False
        except Exception:  # a full disk may pass, and webhooks go on
            if not self._failing:
                log.exception("Alerts that fire again cannot be told; this is tried again.")
            self._failing = True

    def _next(self) -> list[_Waiting]:
        """Return what waits, once something does; nothing after a while, or when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping, LOOK_SECONDS)
            batch: list[_Waiting] = []
            weight = 0
            while self._waiting and (not batch or weight + self._waiting[0].weight <= BATCH_ALERTS_MAX):
                batch.append(self._waiting.popleft())
                weight += batch[-1].weight
            self._waiting_alerts -= weight
            self._waiting_bytes -= sum(one.notification.size for one in batch)
            return batch

    def _write(self, batch: Sequence[_Waiting]) -> list[Taken | Exception]:
        try:
            now_s = self.clock()
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
            made, verdict = self._told(db, ledger.called(db, heard), told.url, told.truncated, now_s)
            counts[verdict] += 1
            messages += [] if made is None else [made]
        put = self._dispatcher.put(db, messages, now_s)
        if put.dropped and not put.taken:
            raise FullError("Too many messages wait for their sinks; send it again later.")
        _lament(put)  # The sender cannot help, and others were told: one sick sink must not silence them.
        return Taken(**counts)

    def _told(
        self, db: sqlite3.Connection, event: Event, url: str, truncated: int, now_s: float
    ) -> tuple[dict[str, Any] | None, Verdict]:
        """Write down what an alert's sender says; return what is told of it, if it changed."""
        now_us = round(now_s * 1e6)
        before = ledger.known(db, event)
        known, verdict = judge(before, event, now_us)
        made = None
        if verdict == "changed":
            made = message(event, url=url, truncated=truncated, now_s=now_s)
            if event.status == "firing" and by_hand.was_ended(db, event, before):
                made["notice"] = by_hand.NOTICE
            history.note(
                db,
                source=event.source,
                fingerprint=event.fingerprint,
                status=made["status"],
                at_s=now_s,
                said=made,
            )
        ledger.remember(db, event, known, made)
        again.note(db, event, known, verdict, url, now_us)
        return made, verdict

    def _clean(self, db: sqlite3.Connection, now_s: float, alerts: int) -> None:
        """Forget what is old, every hour and after so many alerts."""
        self._since_cleaned += alerts
        if abs(now_s - self._cleaned_s) > CLEANED_EVERY_S or self._since_cleaned > CLEANED_EVERY_ALERTS:
            ledger.clean(db, now_s)
            self._cleaned_s, self._since_cleaned = now_s, 0


def _lament(put: Put) -> None:
    if put.dropped:
        log.error("%d messages were dropped: too many wait for their sinks.", put.dropped)

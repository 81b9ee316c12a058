"""Puts messages into the outbox the way the routes say, in the transaction of what they are about.

Edge: SQLite, by way of the outbox. It is used under the outbox's lock, so by one thread at a time.
"""

import sqlite3
from collections.abc import Collection, Iterable, Sequence

from mlobs.alerts.letters import Message, Put
from mlobs.alerts.message import encode
from mlobs.alerts.outbox import Outbox, gone
from mlobs.alerts.routing import newcomers
from mlobs.alerts.routing.memory import Memory
from mlobs.alerts.routing.plans import Planned, Told, alert_mark
from mlobs.alerts.routing.router import Router

STEP_S, STEPS = 1e-6, 1_000_000


class Dispatcher:
    """Routes messages into an outbox.

    Args:
        router: Who is told of what.
        sinks: Those that are there.
        outbox: Where messages wait.
    """

    def __init__(self, router: Router, sinks: Collection[str], outbox: Outbox) -> None:
        self._outbox = outbox
        self.use(router, sinks)

    def use(self, router: Router, sinks: Collection[str]) -> None:
        """Route by these routes, to these sinks, from the next message on."""
        self._now = router, frozenset(sinks)

    @property
    def router(self) -> Router:
        """Return who is told of what."""
        return self._now[0]

    def dispatch(self, db: sqlite3.Connection, messages: Iterable[Told], now_s: float) -> int:
        """Write what is planned for messages; return how many found no room.

        Args:
            db: The outbox's connection, with a transaction begun.
            messages: Changes of alerts' states, in order.
            now_s: Seconds since 1970.
        """
        return self.put(db, messages, now_s).dropped

    def put(self, db: sqlite3.Connection, messages: Iterable[Told], now_s: float) -> Put:
        """Write what is planned for messages; return how many found room, and how many did not."""
        router, sinks = self._now
        memory = Memory(db)
        planned = [router.plan(message, memory, now_s) for message in messages]
        return self._write(db, planned, sinks, now_s)

    def wake(self, now_s: float) -> int:
        """Write what has become due; return how many messages found no room.

        Args:
            now_s: Seconds since 1970.

        Raises:
            StoreError: The file cannot be written; it is due until it can.
        """
        router, sinks = self._now
        with self._outbox.transaction() as db:
            return self._write(db, router.wake(Memory(db), now_s), sinks, now_s).dropped

    def expect(self, sinks: Collection[str]) -> None:
        """Remember which sinks are new to the alerts that fire; before anything is routed to those.

        Args:
            sinks: Those that are there from now on.

        Raises:
            StoreError: The file cannot be written.
        """
        with self._outbox.transaction() as db:
            memory = Memory(db)
            new = newcomers.came(sinks, _told_before(db), memory)
            if new:
                newcomers.expect(new, _firing(db), memory)

    def welcome(self, messages: Iterable[Told], now_s: float) -> int:
        """Tell sinks of alerts that they are new to; return how many messages found no room.

        Args:
            messages: One about each alert that fires and is not about to end.
            now_s: Seconds since 1970.

        Raises:
            StoreError: The file cannot be written; it is told once it can.
        """
        router, sinks = self._now
        with self._outbox.transaction() as db:
            # One may have ended since its message was made.
            planned = router.welcome(messages, _firing(db), Memory(db), now_s)
            return self._write(db, planned, sinks, now_s).dropped

    def _write(
        self,
        db: sqlite3.Connection,
        planned: Sequence[Sequence[Planned]],
        sinks: Collection[str],
        now_s: float,
    ) -> Put:
        """Write plans, each with a moment of its own.

        A message's id is made of its moment, and a clock may stand still or be set back; so the
        outbox's own numbering, which does neither, is added to it as microseconds.
        """
        counted = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'deliveries'").fetchone()
        first = counted[0] if counted else 0
        messages = [
            _written(one, sinks, now_s + number % STEPS * STEP_S)
            for number, plan in enumerate(planned, first)
            for one in plan
        ]
        return self._outbox.put(db, messages)


def _firing(db: sqlite3.Connection) -> set[str]:
    """Return the marks of the alerts that fire, whoever found them."""
    rows = db.execute(
        "SELECT 'mlobs', fingerprint FROM alerts WHERE json_extract(alert, '$.state') = 'firing' "
        "UNION ALL SELECT source, fingerprint FROM received_alerts "
        "WHERE status = 'firing' AND shown IS NOT NULL"
    )
    return {alert_mark({"source": source, "fingerprint": mark}) for source, mark in rows}


def _told_before(db: sqlite3.Connection) -> set[str]:
    """Return the sinks that have been told anything, or are to be."""
    return {sink for (sink,) in db.execute("SELECT sink FROM outcomes UNION SELECT sink FROM held")}


def _written(one: Planned, sinks: Collection[str], at_s: float) -> Message:
    lost = one.kind == "page" and one.sink not in sinks  # It was told of the beginning and is gone since.
    return Message(
        sink=one.sink,
        fingerprint=one.message["fingerprint"],
        rule=one.message["rule"],
        status=one.message["status"],
        changed_s=at_s,
        not_before_s=one.not_before_s,
        state="dead" if lost else ("waiting" if one.kind == "page" else one.kind),
        why=gone(one.sink) if lost else one.why,
        part=one.message.get("part", 1),
        body=encode(one.message),
    )

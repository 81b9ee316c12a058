"""Puts messages into the outbox the way the routes say, in the transaction of what they are about.

Edge: SQLite, by way of the outbox. It is used under the outbox's lock, so by one thread at a time.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from mlobs.alerts.message import encode
from mlobs.alerts.outbox import Message, Outbox
from mlobs.alerts.routing.memory import Memory
from mlobs.alerts.routing.router import Planned, Router, Told

STEP_S, STEPS = 1e-6, 1_000_000


class Dispatcher:
    """Routes messages into an outbox.

    Args:
        router: Who is told of what.
        outbox: Where messages wait.
    """

    def __init__(self, router: Router, outbox: Outbox) -> None:
        self.router = router
        self._outbox = outbox

    def dispatch(self, db: sqlite3.Connection, messages: Iterable[Told], now_s: float) -> int:
        """Write what is planned for messages; return how many found no room.

        Args:
            db: The outbox's connection, with a transaction begun.
            messages: Changes of alerts' states, in order.
            now_s: Seconds since 1970.
        """
        memory = Memory(db)
        planned = [self.router.plan(message, memory, now_s) for message in messages]
        return self._write(db, planned, now_s)

    def wake(self, now_s: float) -> int:
        """Write what has become due; return how many messages found no room.

        Args:
            now_s: Seconds since 1970.

        Raises:
            StoreError: The file cannot be written; it is due until it can.
        """
        with self._outbox.transaction() as db:
            return self._write(db, [[one] for one in self.router.wake(Memory(db), now_s)], now_s)

    def _write(self, db: sqlite3.Connection, planned: Sequence[Sequence[Planned]], now_s: float) -> int:
        """Write plans, each with a moment of its own.

        A message's id is made of its moment, and a clock may stand still or be set back; so the
        outbox's own numbering, which does neither, is added to it as microseconds.
        """
        counted = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'deliveries'").fetchone()
        first = counted[0] if counted else 0
        messages = [
            message
            for number, plan in enumerate(planned, first)
            for message in _written(plan, now_s + number % STEPS * STEP_S)
        ]
        return self._outbox.add(db, messages)


def _written(planned: Iterable[Planned], at_s: float) -> list[Message]:
    return [
        Message(
            sink=one.sink,
            fingerprint=one.message["fingerprint"],
            rule=one.message["rule"],
            status=one.message["status"],
            changed_s=at_s,
            not_before_s=one.not_before_s,
            state="waiting" if one.kind == "page" else one.kind,
            why=one.why,
            body=encode(one.message),
        )
        for one in planned
    ]

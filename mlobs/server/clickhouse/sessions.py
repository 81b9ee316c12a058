"""Connections that clients who may write keep between requests: temporary tables live there.

Many clients name a new session whenever they connect and never end it. So a session in which nothing was left
behind gives way when places are rare: a later request of its name finds what it would have found.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mlobs.server.clickhouse.asked import Asked
from mlobs.server.clickhouse.refusal import SESSION_LOCKED, SESSION_NOT_FOUND, TOO_MANY, ClickHouseError
from mlobs.server.engine import Connection

SESSIONS_MAX = 64
GAP = rb"(?:\s+|--[^\n]*\n|/\*.*?\*/|\()*+"
LEAVES_NOTHING = re.compile(
    GAP
    + rb"(?:SELECT|WITH|FROM|VALUES|SHOW|DESC|DESCRIBE|EXPLAIN|EXISTS|INSERT|ALTER|DROP|TRUNCATE|OPTIMIZE|"
    rb"RENAME|SYSTEM|KILL|CHECK|DELETE|UPDATE|CREATE\s+(?:TABLE|DATABASE|VIEW|MATERIALIZED|DICTIONARY))\b",
    re.IGNORECASE | re.DOTALL,
)


@dataclass
class _Session:
    connection: Connection
    seconds: float
    keeps: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    used: float = field(default_factory=time.monotonic)

    def is_over(self) -> bool:
        return not self.lock.locked() and time.monotonic() - self.used > self.seconds


class Sessions:
    """Open sessions by name.

    Args:
        connect: Makes a connection.
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._open: dict[str, _Session] = {}
        self._lock = threading.Lock()

    @contextmanager
    def lend(self, asked: Asked) -> Iterator[Connection]:
        """Lend the connection of a request's session, or one that ends with the request.

        Raises:
            ClickHouseError: The session is in use or was said to be there and is not, or there are too many.
        """
        if not asked.session:
            connection = self._connect()
            try:
                yield connection
            finally:
                connection.close()
            return
        session = self._taken(asked)
        try:
            yield session.connection
        finally:
            session.used = time.monotonic()
            session.lock.release()
            if asked.session_ends:
                self._end(asked.session, session)

    def close(self) -> None:
        """End every session, after what runs in it."""
        with self._lock:
            ended = list(self._open.values())
            self._open.clear()
        for session in ended:
            session.connection.close()

    def _taken(self, asked: Asked) -> _Session:
        """Return a session whose lock is held."""
        name = asked.session
        with self._lock:
            for other, session in list(self._open.items()):
                if session.is_over():
                    self._open.pop(other).connection.close()
            found = self._open.get(name)
            if found is None:
                if asked.session_known:
                    raise ClickHouseError(SESSION_NOT_FOUND, f"Session {name[:60]!r} is not open.")
                self._make_room()
                found = self._open[name] = _Session(self._connect(), asked.session_seconds)
            if not found.lock.acquire(blocking=False):
                raise ClickHouseError(SESSION_LOCKED, f"Session {name[:60]!r} is locked by another request.")
            found.seconds = asked.session_seconds
            found.keeps |= not LEAVES_NOTHING.match(asked.statement)
            return found

    def _make_room(self) -> None:
        """If all places are taken, end the session that keeps nothing and was not used for longest."""
        if len(self._open) < SESSIONS_MAX:
            return
        idle = {name: each for name, each in self._open.items() if not each.keeps and not each.lock.locked()}
        if not idle:
            raise ClickHouseError(
                TOO_MANY,
                f"{SESSIONS_MAX} sessions are open that keep tables or settings, or are in use. End one with "
                f"close_session=1, wait, or ask without session_id.",
            )
        oldest = min(idle, key=lambda name: idle[name].used)
        self._open.pop(oldest).connection.close()

    def _end(self, name: str, session: _Session) -> None:
        with self._lock:
            if self._open.get(name) is session and not session.lock.locked():
                self._open.pop(name).connection.close()

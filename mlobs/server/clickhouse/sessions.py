"""Connections that clients who may write keep between requests: temporary tables live there."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mlobs.server.clickhouse.refusal import SESSION_LOCKED, TOO_MANY, ClickHouseError
from mlobs.server.engine import Connection

SESSIONS_MAX = 64


@dataclass
class _Session:
    connection: Connection
    seconds: float
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
    def lend(self, name: str, seconds: float) -> Iterator[Connection]:
        """Lend the connection of a session, which is made when there is none.

        Args:
            name: Of the session; "" for a connection that ends with the request.
            seconds: How long it is kept without a request.

        Raises:
            ClickHouseError: It is in use, or there are too many.
        """
        if not name:
            connection = self._connect()
            try:
                yield connection
            finally:
                connection.close()
            return
        session = self._taken(name, seconds)
        try:
            yield session.connection
        finally:
            session.used = time.monotonic()
            session.lock.release()

    def close(self) -> None:
        """End every session, after what runs in it."""
        with self._lock:
            ended = list(self._open.values())
            self._open.clear()
        for session in ended:
            session.connection.close()

    def _taken(self, name: str, seconds: float) -> _Session:
        """Return a session whose lock is held."""
        with self._lock:
            for other, session in list(self._open.items()):
                if session.is_over():
                    self._open.pop(other).connection.close()
            found = self._open.get(name)
            if found is None:
                if len(self._open) >= SESSIONS_MAX:
                    raise ClickHouseError(TOO_MANY, f"{SESSIONS_MAX} sessions are open; end one, or wait.")
                found = self._open[name] = _Session(self._connect(), seconds)
            if not found.lock.acquire(blocking=False):
                raise ClickHouseError(SESSION_LOCKED, f"Session {name[:60]!r} is locked by another request.")
            found.seconds = seconds
            return found

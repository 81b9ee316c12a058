"""Loads sealed journal segments into the store, oldest first, and deletes them.

One loader thread for each signal. A segment is inserted into each of its tables and deleted
only afterwards; after a crash in between it is inserted again, which the store recognises by
its name. A full disk or too many parts are waited for. A segment whose content the engine refuses
is rewritten once without the fields that are no OTLP; if that does not help, or if it takes too
much memory, its halves are tried. A single message that is still refused is set aside, so that
the others go on.
"""

import logging
import threading
from collections import deque
from pathlib import Path

from mlobs.semconv import metrics as m
from mlobs.server.counts import Counts
from mlobs.server.journal import SET_ASIDE
from mlobs.server.splitting import first_table, origin, rewrite, split
from mlobs.server.store import Connection, LoadError, Store

TRIES_MAX = 4
WAIT_SECONDS_FIRST, WAIT_SECONDS_MAX = 0.1, 10.0
# ClickHouse's numbers for states that pass: no space, cannot write or open a file, too many
# parts, a disk that is read-only or full.
PASSING = {74, 75, 76, 79, 243, 252, 425, 424}
MEMORY_LIMIT = 241

log = logging.getLogger("mlobs.server")


class Loader:
    """Moves the segments of one signal into the store."""

    def __init__(self, signal: str, store: Store, counts: Counts) -> None:
        self.signal = signal
        self._failure: str | None = None
        self.pending_bytes = 0
        self._store = store
        self._counts = counts
        self._segments: deque[tuple[Path, int]] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"loader-{signal}", daemon=True)

    def start(self) -> None:
        """Begin to load."""
        self._thread.start()

    @property
    def failure(self) -> str | None:
        """Why segments are not loaded now; None while all is well."""
        if self._thread.ident is not None and not self._thread.is_alive() and not self._stopping:
            return "The loader's thread ended."
        return self._failure

    def take(self, path: Path) -> None:
        """Queue a sealed segment."""
        size = path.stat().st_size
        with self._changed:
            self._segments.append((path, size))
            self.pending_bytes += size
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait until everything taken so far is loaded or set aside; say whether it is."""
        with self._changed:
            waited_for = {origin(path) for path, _ in self._segments}
            return self._changed.wait_for(
                lambda: not waited_for.intersection(origin(path) for path, _ in self._segments), timeout_s
            )

    def stop(self, timeout_s: float) -> None:
        """Load what is queued, at most `timeout_s` long, and end. What is left stays on the disk."""
        self.wait(timeout_s)
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        connection: Connection | None = None
        wait_seconds = WAIT_SECONDS_FIRST
        while not self._stopping:
            try:
                connection = connection or self._store.connection()
                self._load_next(connection)
            except Exception as error:  # Whatever it is, what comes later must be loaded.
                if wait_seconds == WAIT_SECONDS_FIRST:
                    log.exception("the loader of %s failed and tries again", self.signal)
                self._failure = str(error) or type(error).__name__
                self._pause(wait_seconds)
                wait_seconds = min(wait_seconds * 2, WAIT_SECONDS_MAX)
            else:
                wait_seconds = WAIT_SECONDS_FIRST

    def _load_next(self, connection: Connection) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._segments or self._stopping)
            if self._stopping:
                return
            path, _ = self._segments[0]
        pieces = self._settle(connection, path)
        if pieces is None:
            return
        sized = [(piece, piece.stat().st_size) for piece in pieces]
        with self._changed:
            _, size = self._segments.popleft()
            self._segments.extendleft(reversed(sized))
            self.pending_bytes += sum(more for _, more in sized) - size
            self._changed.notify_all()

    def _settle(self, connection: Connection, path: Path) -> list[Path] | None:
        """Load one segment, set it aside, or return its halves. None when stopped before that."""
        tries, wait_seconds = 0, WAIT_SECONDS_FIRST
        touched: set[int] = set()  # Tables that a failed try left some rows in.
        while not self._stopping:
            try:
                self._load(connection, path)
            except (LoadError, OSError) as error:
                if self._failure is None:
                    log.warning("%s is not loaded yet: %s", path.name, error)
                self._failure = str(error)
                if isinstance(error, LoadError) and not error.untouched:
                    touched.add(error.table)
                if isinstance(error, LoadError) and error.code not in PASSING:
                    tries += 1
                    if pieces := self._corrected(path, error, tries, touched):
                        return pieces
                    if tries >= TRIES_MAX:
                        self._set_aside(path, error)
                        return []
                self._pause(wait_seconds)
                wait_seconds = min(wait_seconds * 2, WAIT_SECONDS_MAX)
            else:
                self._failure = None
                return []
        return None

    def _load(self, connection: Connection, path: Path) -> None:
        self._store.load(connection, self.signal, path, first_table(path))
        path.unlink()
        self._counts.add(m.SERVER_LOADED, self.signal)

    def _corrected(self, path: Path, error: LoadError, tries: int, touched: set[int]) -> list[Path]:
        """Rewrite a segment, which keeps its name, or return its halves.

        Halves have other names, so a segment of which a table has a part is never split.
        """
        if tries == 1 and error.code != MEMORY_LIMIT and path.stem == origin(path):
            rewrite(path, self.signal)
            return []
        return [] if error.table in touched else split(path, self.signal, error.table)

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, seconds)

    def _set_aside(self, path: Path, error: LoadError) -> None:
        aside = path.rename(path.with_suffix(SET_ASIDE))
        self._failure = None
        self._counts.add(m.SERVER_SET_ASIDE, self.signal)
        log.error("%s was set aside, the store refuses it: %s", aside.name, error)

"""Loads sealed journal segments into the store, oldest first, and deletes them.

One loader thread for each signal. A segment is inserted into each of its tables and deleted
only afterwards; after a crash in between it is inserted again, which the store recognises by
its name. A full disk or too many parts are waited for. A segment whose content the engine refuses
is rewritten once without the fields that are no OTLP; if that does not help it is set aside, so
that the next ones go on.
"""

import logging
import os
import threading
from collections import deque
from pathlib import Path

from mlobs.errors import StoreError
from mlobs.semconv import metrics as m
from mlobs.server.counts import Counts
from mlobs.server.framing import frame, messages
from mlobs.server.journal import SET_ASIDE, sync_folder
from mlobs.server.receivers import rewritten
from mlobs.server.store import Connection, EngineError, Store

TRIES_MAX = 4
WAIT_SECONDS_FIRST, WAIT_SECONDS_MAX = 0.1, 10.0
# ClickHouse's numbers for states that pass: no space, cannot write or open a file, too many
# parts, a disk that is read-only or full.
PASSING = {74, 75, 76, 79, 243, 252, 425, 424}

log = logging.getLogger("mlobs.server")


class Loader:
    """Moves the segments of one signal into the store."""

    def __init__(self, signal: str, store: Store, counts: Counts) -> None:
        self.signal = signal
        self.failure: str | None = None
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
            waited_for = {path for path, _ in self._segments}
            return self._changed.wait_for(
                lambda: not waited_for.intersection(path for path, _ in self._segments), timeout_s
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
        connection = self._store.connection()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._segments or self._stopping)
                if self._stopping:
                    return
                path, size = self._segments[0]
            if self._settle(connection, path):
                with self._changed:
                    self._segments.popleft()
                    self.pending_bytes -= size
                    self._changed.notify_all()

    def _settle(self, connection: Connection, path: Path) -> bool:
        """Load one segment or set it aside. False when stopped before either."""
        tries, wait_seconds = 0, WAIT_SECONDS_FIRST
        while not self._stopping:
            try:
                self._load(connection, path)
            except (EngineError, OSError) as error:
                passing = not isinstance(error, EngineError) or error.code in PASSING
                tries += 1
                if self.failure is None:
                    log.warning("%s is not loaded yet: %s", path.name, error)
                self.failure = str(error)
                if not passing and tries == 1:
                    self._rewrite(path)
                if not passing and tries >= TRIES_MAX:
                    self._set_aside(path, error)
                    return True
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, wait_seconds)
                wait_seconds = min(wait_seconds * 2, WAIT_SECONDS_MAX)
            else:
                self.failure = None
                return True
        return False

    def _load(self, connection: Connection, path: Path) -> None:
        self._store.load(connection, self.signal, path)
        path.unlink()
        self._counts.add(m.SERVER_LOADED, self.signal)

    def _rewrite(self, path: Path) -> None:
        """Replace a segment by one with the same rows. A segment is one block, so none is stored yet."""
        temporary = path.with_suffix(".rewritten")
        with temporary.open("wb") as file:
            for message, _ in messages(path.read_bytes()):
                file.write(frame(rewritten(self.signal, message)))
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        sync_folder(path.parent)

    def _set_aside(self, path: Path, error: StoreError | OSError) -> None:
        aside = path.with_suffix(SET_ASIDE)
        path.rename(aside)
        self.failure = None
        self._counts.add(m.SERVER_SET_ASIDE, self.signal)
        log.error("%s was set aside, the store refuses it: %s", aside.name, error)

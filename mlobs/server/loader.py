"""Loads sealed journal segments into the store, oldest first, and deletes them.

Two threads for each signal. Those of traces fill the tables at the same time, each with a segment of its
own: an INSERT keeps one core busy, and waits for the disk. Those of other signals take turns at it, and one
reads a segment into memory meanwhile.

A segment is inserted into each of its tables and deleted only afterwards; after a crash in between it is
inserted again, which the store recognises by its name. A full disk or too many parts are waited for. A
segment whose content the engine refuses is rewritten once without the fields that are no OTLP; if that does
not help, or if it takes too much memory, its halves are tried. A single message that is still refused is
set aside, so that the others go on.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from mlobs.errors import SettingError
from mlobs.prices.book import Book
from mlobs.semconv import loss
from mlobs.semconv import metrics as m
from mlobs.server.costs.books import Books
from mlobs.server.counts import Counts
from mlobs.server.journal import SET_ASIDE
from mlobs.server.splitting import first_table, held_items, origin, rewrite, split
from mlobs.server.staging import LoadError, Stage
from mlobs.server.store import Store
from mlobs.settings import PriceSettings, load

TRIES_MAX = 4
WORKERS = 2
# Of these signals two segments fill the tables at once: whether a new part has rows of one that was refused
# is found by their ids.
AT_ONCE = frozenset({"traces"})
WAIT_SECONDS_FIRST, WAIT_SECONDS_MAX = 0.1, 10.0
# ClickHouse's numbers for states that pass: no space, cannot write or open a file, too many
# parts, a disk that is read-only or full; and of a ClickHouse elsewhere: nobody answers, too busy,
# shutting down, no session or its tables, no keeper or replica, an insert of which nobody knows the end,
# a password or right that is gone for now.
PASSING = {74, 75, 76, 79, 243, 252, 425, 424} | {
    60, 159, 192, 193, 202, 203, 209, 210, 225, 236, 242, 279, 285, 319, 372, 373, 394, 497, 516, 999,
}  # fmt: skip
MEMORY_LIMIT = 241

log = logging.getLogger("mlobs.server")


class Together:
    """Several locks as one: who is inside holds all of them. May be entered again and again."""

    def __init__(self, locks: Sequence[threading.Lock]) -> None:
        self._locks = locks

    def __enter__(self) -> None:
        for lock in self._locks:
            lock.acquire()

    def __exit__(self, *_: object) -> None:
        for lock in self._locks:
            lock.release()


class Loader:
    """Moves the segments of one signal into the store."""

    def __init__(self, signal: str, store: Store, counts: Counts, *, text_bytes_max: int) -> None:
        self.signal = signal
        self.pending_bytes = 0
        self._failures: dict[str, str] = {}  # By segment, or thread.
        self._store = store
        self._counts = counts
        # From nought on, so that the first is seen to be one more.
        counts.add(m.SERVER_SET_ASIDE, signal, by=0)
        self._text_bytes_max = text_bytes_max
        self._books, self._priced, self._no_prices = Books(), Book(), ""
        self._inheriting, self._inherited = True, set[str]()
        self._waiting: deque[tuple[Path, int]] = deque()
        self._loading: list[Path] = []
        self._changed = threading.Condition()
        # Held while a table is filled, all of them where a part that is new has to be known to be this
        # segment's.
        self._filling = [threading.Lock() for _ in range(WORKERS if signal in AT_ONCE else 1)]
        self._stopping = False
        self._threads = [
            threading.Thread(
                target=self._run,
                args=(self._filling[number % len(self._filling)],),
                name=f"loader-{signal}-{number}",
                daemon=True,
            )
            for number in range(WORKERS)
        ]

    def start(self) -> None:
        """Begin to load."""
        for thread in self._threads:
            thread.start()

    @property
    def failure(self) -> str | None:
        """Why segments are not loaded now; None while all is well."""
        if not self._stopping and any(one.ident is not None and not one.is_alive() for one in self._threads):
            return "A thread of the loader ended."
        return next(iter(self._failures.copy().values()), None)

    def inherited(self) -> None:
        """Count what was taken so far as an earlier process's, which senders sent to that one."""
        self._inheriting = False

    def take(self, path: Path) -> None:
        """Queue a sealed segment."""
        size = path.stat().st_size
        with self._changed:
            if self._inheriting:
                self._inherited.add(origin(path))
            self._waiting.append((path, size))
            self.pending_bytes += size
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait until everything taken so far is loaded or set aside; say whether it is."""
        with self._changed:
            waited_for = self._origins()
            return self._changed.wait_for(lambda: not waited_for & self._origins(), timeout_s)

    @property
    def pause(self) -> AbstractContextManager[object]:
        """A context in which no table changes."""
        return Together(self._filling)

    @property
    def behind(self) -> bool:
        """Whether a segment that is sealed now would have to wait."""
        return bool(self._waiting) or len(self._loading) >= WORKERS

    def stop(self, timeout_s: float) -> None:
        """Load what is queued, at most `timeout_s` long, and end. What is left stays on the disk."""
        self.wait(timeout_s)
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _origins(self) -> set[str]:
        return {origin(path) for path in (*self._loading, *(path for path, _ in self._waiting))}

    def _run(self, filling: threading.Lock) -> None:
        stage: Stage | None = None
        wait_seconds = WAIT_SECONDS_FIRST
        while not self._stopping:
            try:
                if stage is None:
                    connection = self._store.connection()
                    stage = Stage(
                        connection,
                        self.signal,
                        filling,
                        alone=self.pause,
                        text_bytes_max=self._text_bytes_max,
                        book=self._book,
                    )
                    self._failures.pop(threading.current_thread().name, None)
                self._load_next(stage)
            except Exception as error:  # Whatever it is, what comes later must be loaded.
                if wait_seconds == WAIT_SECONDS_FIRST:
                    log.exception("the loader of %s failed and tries again", self.signal)
                if stage is None:
                    self._failures[threading.current_thread().name] = str(error) or type(error).__name__
                self._pause(wait_seconds)
                wait_seconds = min(wait_seconds * 2, WAIT_SECONDS_MAX)
            else:
                wait_seconds = WAIT_SECONDS_FIRST

    def _book(self) -> Book:
        """Return the prices in use; while their file cannot be used, those it had before."""
        try:
            self._priced = self._books.current(load(PriceSettings).prices)
        except SettingError as error:
            if str(error) != self._no_prices:
                log.warning("calls are priced with what was known before: %s", error)
            self._no_prices = str(error)
        else:
            self._no_prices = ""
        return self._priced

    def _load_next(self, stage: Stage) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            if self._stopping:
                return
            path, size = self._waiting.popleft()
            self._loading.append(path)
        left = [(path, size)]
        add = self._waiting.extendleft
        try:
            pieces = self._settle(stage, path)
            if pieces is not None:
                left = [(piece, piece.stat().st_size) for piece in reversed(pieces)]
        except Exception as error:
            self._failures[origin(path)] = str(error) or type(error).__name__
            add = self._waiting.extend  # Behind the others, which must not wait for this one.
            raise
        finally:
            with self._changed:
                self._loading.remove(path)
                add(left)
                self.pending_bytes += sum(more for _, more in left) - size
                self._changed.notify_all()

    def _settle(self, stage: Stage, path: Path) -> list[Path] | None:
        """Load one segment, set it aside, or return its halves. None when stopped before that."""
        tries, wait_seconds = 0, WAIT_SECONDS_FIRST
        touched: set[int] = set()  # Tables that a failed try left some rows in.
        while not self._stopping:
            try:
                self._load(stage, path)
            except (LoadError, OSError) as error:
                if self.failure is None:
                    log.warning("%s is not loaded yet: %s", path.name, error)
                self._failures[origin(path)] = str(error)
                if isinstance(error, LoadError) and not error.untouched:
                    touched.add(error.table)
                if isinstance(error, LoadError) and error.code not in PASSING:
                    tries += 1
                    if pieces := self._corrected(path, error, tries, touched):
                        self._settle_items(path, "stored", error.stored)
                        return pieces
                    if tries >= TRIES_MAX:
                        self._set_aside(path, error)
                        return []
                self._pause(wait_seconds)
                wait_seconds = min(wait_seconds * 2, WAIT_SECONDS_MAX)
            else:
                self._failures.pop(origin(path), None)
                return []
        return None

    def _load(self, stage: Stage, path: Path) -> None:
        stored = stage.load(path, first_table(path))
        path.unlink()
        self._counts.add(m.SERVER_LOADED, self.signal)
        self._settle_items(path, "stored", stored)

    def _settle_items(self, path: Path, fate: str, items: int) -> None:
        if origin(path) in self._inherited:
            self._counts.add(loss.SERVER_ITEMS_TAKEN, self.signal, "recovered", by=items)
        self._counts.add(loss.SERVER_ITEMS_SETTLED, self.signal, fate, by=items)

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
        held = held_items(path, self.signal)
        aside = path.rename(path.with_suffix(SET_ASIDE))
        self._settle_items(path, "stored", error.stored)
        self._settle_items(path, "set_aside", held - error.stored)
        self._failures.pop(origin(path), None)
        self._counts.add(m.SERVER_SET_ASIDE, self.signal)
        log.error("%s was set aside, the store refuses it: %s", aside.name, error)

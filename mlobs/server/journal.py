"""The journal: what was acknowledged and is not in the store yet.

One writer thread for each signal appends framed messages to the open segment and syncs it once
for all requests that wait (group commit). Segments are sealed by size or age and handed on.
Names begin with a number that only grows, over restarts too, because the store recognises a
segment it already holds by its name.

A write that fails is cut off again before anything else is written, so that a segment never
holds half a message, and nothing is acknowledged that is not on the disk.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue

from mlobs.errors import StoreError
from mlobs.server.framing import NUMBER_DIGITS, frame, whole_bytes

OPEN, SEALED, SET_ASIDE = ".open", ".sealed", ".set-aside"
GROUP_BYTES_MAX = 8 << 20
LOOK_AGAIN_SECONDS = 0.1  # At whether the loader has caught up.
FAILURES = (OSError, MemoryError)  # That pass: the thread that writes goes on.

log = logging.getLogger("mlobs.server")


class _Waiting:
    """One request's message, or with None the wish to seal what there is."""

    def __init__(self, message: bytes | None) -> None:
        self.message = message
        self.done: Future[None] = Future()


class _Segment:
    """The file that is being written. `size` is what is synced."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.opened = time.monotonic()
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            sync_folder(path.parent)
        except OSError:
            os.close(self.file)
            path.unlink()
            raise

    def append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.file, view) :]
        os.fdatasync(self.file)
        self.size += len(data)

    def cut(self) -> None:
        """Remove what came after the last sync that succeeded."""
        os.ftruncate(self.file, self.size)
        os.lseek(self.file, self.size, os.SEEK_SET)
        os.fsync(self.file)


class Journal:
    """The segments of one signal.

    Args:
        folder: Holds the segments of every signal.
        signal: The first part of their names.
        sealed: Called with the path of each sealed segment, oldest first.
        parses: Whether a message is one of this signal's; decides what a torn file keeps.
        segment_bytes_max: A segment is sealed at this size.
        segment_seconds_max: A segment is sealed at this age, unless the loader is behind.
        behind: Whether the loader has no place for one more segment of this signal. Each costs it a
            sixth of a second of planning, so what comes meanwhile is better kept together.
    """

    def __init__(
        self,
        folder: Path,
        signal: str,
        sealed: Callable[[Path], None],
        parses: Callable[[bytes], bool],
        *,
        segment_bytes_max: int,
        segment_seconds_max: float,
        behind: Callable[[], bool] = lambda: False,
    ) -> None:
        self.folder = folder
        self.signal = signal
        self._cannot: dict[str, str] = {}  # "write" or "seal", and why; gone when it worked again.
        self._hand_on = sealed
        self._parses = parses
        self._segment_bytes_max = segment_bytes_max
        self._segment_seconds_max = segment_seconds_max
        self._behind = behind
        self._requests: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._segment: _Segment | None = None
        self._wounded = False
        self._number = 0
        self._stopped = False
        self._taking = threading.Lock()  # So that nothing is queued behind the end.
        self._thread = threading.Thread(target=self._write, name=f"journal-{signal}", daemon=True)

    def start(self) -> None:
        """Repair what a crash left, hand on every sealed segment, and begin to write.

        Raises:
            StoreError: The folder cannot be read or written.
        """
        try:
            for torn in sorted(self.folder.glob(f"{self.signal}-*{OPEN}")):
                self._repair(torn)
            for path in self.segments(self.folder, self.signal):
                self._number = int(path.stem.rpartition("-")[2][:NUMBER_DIGITS])
                self._hand_on(path)
        except OSError as error:
            raise StoreError(f"The journal in {self.folder} cannot be read: {error}.") from error
        self._thread.start()

    @property
    def failure(self) -> str | None:
        """Why data cannot be written or sealed now; None while all is well."""
        return next(iter(self._cannot.copy().values()), None)

    @property
    def open_bytes(self) -> int:
        """How many bytes are in the segment that is being written."""
        segment = self._segment
        return 0 if segment is None else segment.size

    @staticmethod
    def segments(folder: Path, signal: str) -> list[Path]:
        """Return the sealed segments of `signal`, oldest first."""
        return sorted(folder.glob(f"{signal}-*{SEALED}"))

    def append(self, message: bytes) -> "Future[None]":
        """Queue `message`. The future is done when it is on the disk.

        The future fails with StoreError when it cannot be written.
        """
        return self._queue(_Waiting(message))

    def seal(self) -> "Future[None]":
        """Seal the open segment. The future is done when it was handed on."""
        return self._queue(_Waiting(None))

    def stop(self) -> None:
        """Write what is queued, seal it and end. Later messages are refused."""
        with self._taking:
            if not self._stopped:
                self._stopped = True
                self._requests.put(None)
        self._thread.join()

    def _queue(self, request: _Waiting) -> "Future[None]":
        with self._taking:
            if not self._stopped:
                self._requests.put(request)
                return request.done
        request.done.set_exception(StoreError("The server is stopping and takes no more data."))
        return request.done

    def _write(self) -> None:
        while True:
            group, stop = self._next_group()
            messages = [request for request in group if request.message is not None]
            if messages:
                self._commit(messages)
            wants_seal = stop or len(messages) < len(group)
            sealed = self._seal_if_due(now=wants_seal)
            for request in group:
                if request.message is None:
                    why = f"The journal cannot seal: {self._cannot.get('seal')}."
                    _finish(request, None if sealed else StoreError(why))
            if stop:
                return

    def _next_group(self) -> tuple[list[_Waiting], bool]:
        """Wait for requests until the open segment is due; take all that wait, up to a limit."""
        group: list[_Waiting] = []
        size = 0
        try:
            request = self._requests.get(timeout=self._seconds_left())
            while request is not None:
                group.append(request)
                size += len(request.message or b"")
                if size >= GROUP_BYTES_MAX:
                    return group, False
                request = self._requests.get_nowait()
        except Empty:
            return group, False
        return group, True

    def _seconds_left(self) -> float | None:
        if self._segment is None:
            return None
        return max(0.0, self._segment.opened + self._segment_seconds_max - time.monotonic())

    def _commit(self, group: list[_Waiting]) -> None:
        try:
            data = b"".join(frame(request.message) for request in group if request.message)
            self._heal()
            if self._segment is None:
                self._segment = _Segment(self.folder / self._next_name())
            self._segment.append(data)
        except FAILURES as error:
            self._failed("write", error)
            self._wounded = self._segment is not None
            self._try_to_heal()
            refusal = StoreError(f"The journal cannot write to {self.folder}: {_why(error)}.")
            for request in group:
                _finish(request, refusal)
            return
        self._worked("write")
        for request in group:
            _finish(request, None)

    def _failed(self, what: str, error: Exception) -> None:
        if what not in self._cannot:
            log.error("the journal of %s cannot %s: %s", self.signal, what, error)
        self._cannot[what] = _why(error)

    def _worked(self, what: str) -> None:
        if self._cannot.pop(what, None) is not None:
            log.warning("the journal of %s can %s again", self.signal, what)

    def _try_to_heal(self) -> None:
        try:
            self._heal()
        except FAILURES as still:
            log.warning("a failed write could not be cut off yet: %s", still)

    def _heal(self) -> None:
        """Before anything is written: cut a failed write off and leave that file.

        Its pages cannot be trusted. A file that has its sealed name already is left as well.
        """
        segment = self._segment
        if segment is not None and (self._wounded or segment.path.suffix == SEALED):
            segment.cut()
            self._seal()

    def _seal_if_due(self, *, now: bool) -> bool:
        segment = self._segment
        if segment is None:
            return True
        aged = self._seconds_left() == 0.0
        if aged and self._behind():
            segment.opened += LOOK_AGAIN_SECONDS
            aged = False
        if not (now or aged or segment.size >= self._segment_bytes_max):
            return True
        try:
            self._heal()
            self._seal()
        except FAILURES as error:
            self._failed("seal", error)
            segment.opened = time.monotonic()  # Tried again when it is due again.
            return False
        return True

    def _seal(self) -> None:
        segment = self._segment
        if segment is None:
            return
        if segment.size == 0:
            segment.path.unlink(missing_ok=True)
        else:
            if segment.path.suffix == OPEN:
                segment.path = segment.path.rename(segment.path.with_suffix(SEALED))
            sync_folder(self.folder)
            self._hand_on(segment.path)
        self._segment, self._wounded = None, False
        self._worked("seal")
        os.close(segment.file)

    def _next_name(self) -> str:
        # The clock makes numbers grow over restarts that found an empty folder; the maximum
        # makes them grow when the clock was set back.
        self._number = max(self._number + 1, time.time_ns())
        return f"{self.signal}-{self._number:0{NUMBER_DIGITS}d}{OPEN}"

    def _repair(self, path: Path) -> None:
        data = path.read_bytes()
        keep = whole_bytes(data, self._parses)
        if keep < len(data):
            log.warning("%s ended in %d torn bytes, which were cut", path.name, len(data) - keep)
        with path.open("r+b") as file:
            file.truncate(keep)
            os.fsync(file.fileno())
        if keep:
            path.rename(path.with_suffix(SEALED))
        else:
            path.unlink()
        sync_folder(self.folder)


def sync_folder(folder: Path) -> None:
    """Make renames and new files in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _finish(request: _Waiting, error: StoreError | None) -> None:
    if request.done.set_running_or_notify_cancel():
        if error is None:
            request.done.set_result(None)
        else:
            request.done.set_exception(error)

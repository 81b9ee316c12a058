"""Requests on disk while the endpoint is away. Edge.

One file per request, written under a temporary name and renamed, so that a process that dies
leaves whole files or ones that nobody takes for whole. A file is claimed by renaming it, with the
claimer's process id at the end of its name, so that several processes can share a folder; what a
dead process had claimed is taken over. Each request is given out at least once: who dies between
delivering and removing it leaves it to be delivered again.

Why no fsync: a killed process loses nothing without it, and a machine that loses power loses the
newest requests of a copy kept for bad days; one sync per request would be paid every day.
"""

import errno
import itertools
import os
import struct
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"mlobs-spool\x00"
VERSION = 1
_HEADER = struct.Struct(">12sHIQI")  # magic, version, spans, length, crc32 of the body
REASONS = ("spool_full", "spool_corrupt")  # why spans on the disk are lost
SUFFIX, CLAIMED, CORRUPT, PART = ".otlp", ".claimed-", ".corrupt", ".part"


@dataclass(frozen=True, slots=True)
class Item:
    """A request that was taken from the spool.

    Args:
        path: Its file, claimed by this process.
        body: The encoded request.
        spans: How many spans it carries.
    """

    path: Path
    body: bytes
    spans: int


class Spool:
    """A folder of requests.

    Args:
        folder: Made if it is missing; readable by its owner only.
        bytes_max: What all files together may take; the oldest make room for new ones.
    """

    def __init__(self, folder: Path, bytes_max: int) -> None:
        self.folder = folder
        self._bytes_max = bytes_max
        self._numbers = itertools.count()
        self._claims: set[Path] = set()
        self.problem = ""  # why the folder cannot be used, as it was found at the start
        self.dropped: dict[str, int] = {}
        self.kept = 0  # spans that this process put here
        self.left = 0  # spans that it delivered from here, or dropped
        self.waiting = False  # whether files may be there; a folder is not listed for nothing
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.waiting = bool(self._names())
            if not os.access(folder, os.W_OK | os.X_OK):
                self.problem = os.strerror(errno.EACCES)
        except OSError as error:
            self.problem = error.strerror or str(error)
        self.healthy = not self.problem

    def put(self, body: bytes, spans: int) -> bool:
        """Keep a request; return whether it is on the disk."""
        name = f"{time.time_ns():020d}-{os.getpid()}-{next(self._numbers)}{SUFFIX}"
        part = self.folder / f"{name}{PART}"
        try:
            if not self._make_room(len(body) + _HEADER.size):
                return False
            header = _HEADER.pack(MAGIC, VERSION, spans, len(body), zlib.crc32(body))
            file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                _write(file, header + body)
            finally:
                os.close(file)
            part.rename(self.folder / name)
        except OSError:
            self.healthy = False
            self._remove(part)
            return False
        self.healthy = self.waiting = True
        self.kept += spans
        return True

    def oldest(self) -> Item | None:
        """Claim and return the oldest request, or None if there is none; then `done` or `back`."""
        try:
            names = self._names()
        except OSError:
            self.healthy = False
            return None
        for name in names:
            claimed = self._claim(self.folder / name)
            if claimed is not None and (item := self._read(claimed)) is not None:
                return item
        self.waiting = bool(names)
        return None

    def done(self, item: Item) -> None:
        """Remove a request that was delivered."""
        self._claims.discard(item.path)
        self._remove(item.path)
        self.left += item.spans

    def back(self, item: Item) -> None:
        """Give a request back, to be tried again."""
        self._claims.discard(item.path)
        try:
            item.path.rename(self.folder / item.path.name.partition(CLAIMED)[0])
        except OSError:
            self.healthy = False  # it stays claimed until this process ends; then others take it over

    def _names(self) -> list[str]:
        """Return the names of what can be claimed, oldest first."""
        return sorted(
            name
            for name in os.listdir(self.folder)  # noqa: PTH208 # names are all that is needed
            if name.endswith(SUFFIX) or (CLAIMED in name and self._orphaned(name))
        )

    def _orphaned(self, name: str) -> bool:
        """Return whether the process that claimed a file is gone."""
        return self.folder / name not in self._claims and _is_gone(name.rpartition("-")[2])

    def _claim(self, path: Path) -> Path | None:
        name = path.name.partition(CLAIMED)[0]
        claimed = self.folder / f"{name}{CLAIMED}{os.getpid()}"
        try:
            path.rename(claimed)
        except OSError:  # another process was faster
            return None
        self._claims.add(claimed)
        return claimed

    def _read(self, path: Path) -> Item | None:
        """Return a claimed file's request; what is no request is set aside."""
        try:
            content = path.read_bytes()
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            self.healthy = False
            self.back(Item(path, b"", 0))
            return None
        head, body = content[: _HEADER.size], content[_HEADER.size :]
        spans = 0
        if len(head) == _HEADER.size:
            magic, version, spans, length, crc = _HEADER.unpack(head)
            if (magic, version, length, crc) == (MAGIC, VERSION, len(body), zlib.crc32(body)):
                return Item(path, body, spans)
        self._claims.discard(path)
        lost = max(1, spans if spans < 1 << 20 else 1)
        self._drop("spool_corrupt", lost)
        self.left += lost
        try:
            path.rename(self.folder / f"{path.name.partition(CLAIMED)[0]}{CORRUPT}")
        except OSError:
            self._remove(path)
        return None

    def _make_room(self, size: int) -> bool:
        """Remove the oldest requests until `size` bytes fit; return whether they can."""
        if size > self._bytes_max:
            return False
        held = self._held()
        total = sum(held.values())
        for name in sorted(held):
            if total + size <= self._bytes_max:
                break
            if name.endswith(CORRUPT) or (name.endswith(PART) and _is_gone(name.split("-")[1])):
                self._remove(self.folder / name)  # nobody will read it
                total -= held[name]
                continue
            claimed = self._claim(self.folder / name) if name.endswith(SUFFIX) else None
            if claimed is not None and (item := self._read(claimed)) is not None:
                self._drop("spool_full", item.spans)
                self.done(item)
                total -= held[name]
        return total + size <= self._bytes_max

    def _held(self) -> dict[str, int]:
        """Return how large each file is; other processes deliver and remove theirs meanwhile."""
        found = {}
        for entry in os.scandir(self.folder):
            if SUFFIX in entry.name:
                with suppress(FileNotFoundError):
                    found[entry.name] = entry.stat().st_size
        return found

    def _drop(self, reason: str, spans: int) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + spans

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            self.healthy = False


def _is_gone(pid: str) -> bool:
    """Return whether no process of this id is there, or none but this one, which has it from another."""
    if not pid.isdecimal():
        return False
    if int(pid) == os.getpid():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # it is somebody else's process, and lives
    return False


def _write(file: int, data: bytes) -> None:
    """Write everything, also where the file system takes it in pieces."""
    view = memoryview(data)
    while view:
        written = os.write(file, view)
        if written == 0:
            raise OSError(errno.EIO, "nothing was written")
        view = view[written:]

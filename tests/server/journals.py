"""A journal to try, and a disk that can be told to fail."""

import errno
import os
import pathlib
import queue
import threading
from pathlib import Path

from mlobs.server.framing import messages
from mlobs.server.journal import Journal

WAIT_SECONDS = 30
FOREVER_SECONDS = 3600.0


def ours(message: bytes) -> bool:
    return message.startswith(b"m")


def read(path: Path) -> list[bytes]:
    """Return the messages of a file, which must hold nothing else."""
    data = path.read_bytes()
    found = list(messages(data))
    assert (found[-1][1] if found else 0) == len(data), f"{path.name} ends in half a message"
    return [message for message, _ in found]


class Disk:
    """The operating system as the journal sees it, which can be told to fail.

    Nothing is synced for real: no test pulls the plug, and syncing takes most of the time.
    """

    def __init__(self) -> None:
        self.faults: dict[str, list[int | None]] = {}  # What the next calls do: an errno, or None for fine.
        self.calls_left: int | None = None  # Until the process is killed and reaches nothing more.
        self.files: set[int] = set()
        self.synced: list[int] = []
        self.hold = threading.Event()
        self.hold.set()

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def may_fail(self, call: str) -> None:
        if self.calls_left is not None:
            if self.calls_left == 0:
                raise OSError(errno.EIO, "killed")
            self.calls_left -= 1
        if (waiting := self.faults.get(call)) and (number := waiting.pop(0)) is not None:
            raise OSError(number, os.strerror(number))

    def open(self, path: Path, *arguments: int) -> int:
        self.may_fail("open")
        file = os.open(path, *arguments)
        self.files.add(file)
        return file

    def end_process(self) -> None:
        """Do what the kernel does for a process that ended."""
        for file in self.files:
            os.close(file)
        self.files.clear()
        self.faults.clear()
        self.calls_left = None

    def close(self, file: int) -> None:
        self.files.discard(file)
        os.close(file)

    def write(self, file: int, data: memoryview) -> int:
        if self.faults.get("short"):
            self.faults["short"].pop(0)
            data = data[: max(1, len(data) // 2)]
        self.may_fail("write")
        return os.write(file, data)

    def fdatasync(self, file: int) -> None:
        assert self.hold.wait(WAIT_SECONDS)
        self.may_fail("fdatasync")
        self.synced.append(os.fstat(file).st_size)

    def fsync(self, _: int) -> None:
        self.may_fail("fsync")

    def ftruncate(self, file: int, size: int) -> None:
        self.may_fail("ftruncate")
        os.ftruncate(file, size)


class Folder(type(pathlib.Path())):  # type: ignore[misc]
    """A path that asks the disk before it is renamed or removed."""

    disk: Disk

    def rename(self, target: Path) -> Path:
        self.disk.may_fail("rename")
        return super().rename(target)

    def unlink(self, missing_ok: bool = False) -> None:
        self.disk.may_fail("unlink")
        super().unlink(missing_ok)


class Run:
    """A journal and what it handed on."""

    def __init__(
        self, folder: Path, *, size: int = 1 << 20, seconds: float = FOREVER_SECONDS, **given
    ) -> None:
        self.handed_on: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self.journal = Journal(
            folder,
            "traces",
            self.handed_on.put,
            ours,
            segment_bytes_max=size,
            segment_seconds_max=seconds,
            **given,
        )
        self.journal.start()

    def append(self, message: bytes) -> None:
        self.journal.append(message).result(WAIT_SECONDS)

    def next(self) -> Path:
        return self.handed_on.get(timeout=WAIT_SECONDS)

    def stop(self) -> list[Path]:
        """Stop, and return what was handed on and not taken with `next`."""
        self.journal.stop()
        return [self.handed_on.get() for _ in range(self.handed_on.qsize())]

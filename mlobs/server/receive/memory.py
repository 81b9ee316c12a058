"""The memory that all requests of all signals may hold together.

Bodies count while they are read, inflated, parsed and written. What does not fit is refused
before it is read on, so that more senders than the machine can serve make answers, not a
process that the kernel ends. Each port has an event loop of its own, so a lock keeps the sum.
"""

import asyncio
import threading
from types import TracebackType
from typing import Self

from mlobs.server.receive.refusals import RefusedError


class Memory:
    """What is held now, and what may be.

    Args:
        bytes_max: More is refused.
    """

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.bytes = 0
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Take so many bytes if they are free; return whether they were."""
        with self._lock:
            if self.bytes + size > self.bytes_max:
                return False
            self.bytes += size
            return True

    def give_back(self, size: int) -> None:
        """Give some bytes back."""
        with self._lock:
            self.bytes -= size

    def held(self) -> "Held":
        """Return the part of one request, to be used in a `with`."""
        return Held(self)


class Held:
    """The memory of one request."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._bytes = 0
        self._written: asyncio.Future[None] | None = None

    def take(self, size: int) -> None:
        """Take so many bytes.

        Raises:
            RefusedError: They are not free now.
        """
        if not self._memory.take(size):
            raise RefusedError(503, "busy", "Too many requests are being read at once; try again soon.")
        self._bytes += size

    def give_back(self, size: int) -> None:
        """Give some bytes back."""
        self._memory.give_back(size)
        self._bytes -= size

    def until(self, written: "asyncio.Future[None]") -> None:
        """Hold the bytes until the journal is done with them, whatever becomes of the request."""
        self._written = written

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give everything back now, or as soon as the journal is done with it."""
        if self._written is None or self._written.done():
            self.give_back(self._bytes)
        else:
            self._written.add_done_callback(lambda _: self.give_back(self._bytes))

"""Finished spans that wait for export: two bounded queues, one for what must not be crowded out.

Appending is all that the caller's thread does; `OwnRecorder.finish` appends to `waiting` by
itself while there is room, and comes here for the rest. Edge: a lock around the counts.
"""

import threading
from collections import deque
from typing import Any

# Why spans are lost that were not on the disk.
REASONS = ("queue_full", "unreachable", "rejected", "encoding", "mistake", "shutdown")


class Outbox:
    """What waits for export: calls of ours, and spans of the SDK.

    Args:
        spans_max: How many ordinary spans may wait, and how many failed or kept ones beside them.
    """

    __slots__ = ("_lock", "dropped", "kept", "refused", "spans_max", "taken", "waiting")

    def __init__(self, spans_max: int) -> None:
        self.spans_max = spans_max  # 0 when closed
        self.waiting: deque[Any] = deque()
        self.kept: deque[Any] = deque()
        self.dropped: dict[str, int] = {}
        self.taken = 0  # spans that were given out
        self.refused = 0  # spans that came and were not queued
        self._lock = threading.RLock()  # a signal's handler may come while its thread holds it

    def __len__(self) -> int:
        """Return how many spans wait."""
        return len(self.waiting) + len(self.kept)

    def offer(self, span: object, *, keep: bool) -> None:
        """Queue a finished span, or count it as dropped."""
        queue = self.kept if keep else self.waiting
        if len(queue) < self.spans_max:
            queue.append(span)
        else:
            with self._lock:
                self.refused += 1
                self.drop("queue_full" if self.spans_max else "shutdown", 1)

    def drop(self, reason: str, count: int) -> None:
        """Count spans that are lost."""
        with self._lock:
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def take(self, count: int) -> list[Any]:
        """Remove and return up to `count` spans, the important ones first."""
        found: list[Any] = []
        with self._lock:
            for queue in (self.kept, self.waiting):
                while len(found) < count:
                    try:
                        found.append(queue.popleft())
                    except IndexError:
                        break
            self.taken += len(found)
        return found

    def tally(self) -> tuple[int, int, int]:
        """Return how many spans came, were given out and wait, as of one moment."""
        with self._lock:
            waiting = len(self)
            return self.taken + self.refused + waiting, self.taken, waiting

    def close(self) -> None:
        """Refuse what comes from now on."""
        self.spans_max = 0

    def clear(self) -> None:
        """Forget everything, as a forked child must: its parent delivers what waited."""
        self.waiting.clear()
        self.kept.clear()
        self.dropped.clear()
        self.taken = self.refused = 0
        self._lock = threading.RLock()  # another thread of the parent may have held it

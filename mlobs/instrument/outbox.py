"""Finished spans that wait for export: two bounded queues, one for what must not be crowded out.

Appending is all that the caller's thread does; `OwnRecorder.finish` appends to `waiting` by
itself while there is room, and comes here for the rest. Edge: a lock around the counts.
"""

import threading
from collections import deque
from typing import Any

# Why spans are lost that were not on the disk.
REASONS = ("queue_full", "queue_heavy", "unreachable", "rejected", "encoding", "mistake", "shutdown")
# What may wait, in bytes. Of spans that end while there is more content, the content is dropped; while there
# is more of anything, they are dropped.
CONTENT_BYTES_MAX, BYTES_MAX = 64 << 20, 256 << 20
CONTENT_SPANS_MAX = 512  # that wait; those that end while more do keep no content
CONTENT_SPANS_FREE = 16  # while fewer wait, content may be as large as it is
WEIGHED = 8  # one of so many spans is weighed, by its random id: it takes as long as all the rest of its end


class Outbox:
    """What waits for export: calls of ours, and spans of the SDK.

    Args:
        spans_max: How many ordinary spans may wait, and how many failed or kept ones beside them.
    """

    __slots__ = ("_lock", "dropped", "held_bytes", "kept", "refused", "room", "spans_max", "taken", "waiting")

    def __init__(self, spans_max: int) -> None:
        self.spans_max = spans_max  # 0 when closed
        self.room = spans_max  # and 0 while what waits holds too much memory
        self.waiting: deque[Any] = deque()
        self.kept: deque[Any] = deque()
        self.dropped: dict[str, int] = {}
        self.held_bytes = 0  # by what waits, about
        self.taken = 0  # spans that were given out
        self.refused = 0  # spans that came and were not queued
        self._lock = threading.RLock()  # a signal's handler may come while its thread holds it

    def __len__(self) -> int:
        """Return how many spans wait."""
        return len(self.waiting) + len(self.kept)

    def offer(self, span: object, *, keep: bool) -> None:
        """Queue a finished span, or count it as dropped."""
        queue = self.kept if keep else self.waiting
        if len(queue) < self.room:
            queue.append(span)
            return
        full = "queue_full" if self.room else "queue_heavy"
        with self._lock:
            self.refused += 1
            self.drop(full if self.spans_max else "shutdown", 1)

    def weigh(self, held_bytes: int) -> None:
        """Note what one of the spans holds that are weighed, for the others as well."""
        if len(self.waiting) >= self.room:
            return  # it was not queued, or is among the last that were
        # A single large one must not count as so many: it would cost all others their place.
        like_it = min(held_bytes, BYTES_MAX // (4 * WEIGHED))
        self.held_bytes += held_bytes + (WEIGHED - 1) * like_it
        if self.held_bytes > BYTES_MAX:
            self.room = 0

    def has_room_for_content(self) -> bool:
        """Return whether the content of another call may wait."""
        waiting = len(self.waiting) + len(self.kept)
        return waiting < CONTENT_SPANS_FREE or (
            waiting < CONTENT_SPANS_MAX and self.held_bytes <= CONTENT_BYTES_MAX
        )

    def drop(self, reason: str, count: int) -> None:
        """Count spans that are lost."""
        with self._lock:
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def take(self, count: int) -> list[Any]:
        """Remove and return up to `count` spans, the important ones first."""
        found: list[Any] = []
        with self._lock:
            before = len(self)
            for queue in (self.kept, self.waiting):
                while len(found) < count:
                    try:
                        found.append(queue.popleft())
                    except IndexError:
                        break
            self.taken += len(found)
            self.held_bytes = self.held_bytes * len(self) // max(before, 1)
            if self.held_bytes <= BYTES_MAX:
                self.room = self.spans_max
        return found

    def tally(self) -> tuple[int, int, int]:
        """Return how many spans came, were given out and wait, as of one moment."""
        with self._lock:
            waiting = len(self)
            return self.taken + self.refused + waiting, self.taken, waiting

    def close(self) -> None:
        """Refuse what comes from now on."""
        self.spans_max = self.room = 0

    def clear(self) -> None:
        """Forget everything, as a forked child must: its parent delivers what waited."""
        self.waiting.clear()
        self.kept.clear()
        self.dropped.clear()
        self.taken = self.refused = self.held_bytes = 0
        self.room = self.spans_max
        self._lock = threading.RLock()  # another thread of the parent may have held it

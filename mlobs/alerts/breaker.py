"""When a sink is not to be bothered: it asked for a pause, or failed too often in a row.

Pure: the clock is an argument, one that is never set. After `FAILURES_MAX` failures in a row the
breaker opens: nothing is sent for a pause. Then one message is a probe; if it arrives the breaker
closes, if not the next pause is longer. So a sink that is down for hours costs most of what waits
for it no attempt, and is not met by all of it at once when it comes back. A message that waits
alone is every probe itself; for it the pauses between its attempts count.
"""

from dataclasses import dataclass
from typing import Literal

FAILURES_MAX = 5
PAUSE_SECONDS_FIRST = 15.0
PAUSE_SECONDS_MAX = 300.0

State = Literal["closed", "open", "probing"]


@dataclass(slots=True)
class Breaker:
    """What is known of a sink's health. Not for several threads at once."""

    failures: int = 0
    until_s: float = 0.0

    def state(self, now_s: float) -> State:
        """Return closed, open, or probing: the pause is over and nothing was sent since."""
        if self.failures < FAILURES_MAX:
            return "closed"
        return "open" if now_s < self.until_s else "probing"

    def room(self, now_s: float) -> int | None:
        """Return how many messages may be sent before the next answer is known; None is no limit."""
        if now_s < self.until_s:
            return 0
        return 1 if self.failures >= FAILURES_MAX else None

    def arrived(self, now_s: float, gap_s: float) -> None:
        """Note that a message arrived, or was refused by a sink that is well."""
        self.failures = 0
        self.until_s = now_s + gap_s if gap_s else 0.0

    def failed(self, now_s: float, *, retry_after_s: float | None, jitter: float) -> None:
        """Note that one did not arrive.

        Args:
            now_s: When.
            retry_after_s: How long the sink wants to be left alone; all of it then is.
            jitter: Between 0 and 1.
        """
        self.failures += 1
        if self.failures >= FAILURES_MAX:
            doublings = min(self.failures - FAILURES_MAX, 10)
            longest = min(PAUSE_SECONDS_FIRST * 2.0**doublings, PAUSE_SECONDS_MAX)
            self.until_s = now_s + longest * (0.5 + 0.5 * jitter)
        if retry_after_s is not None:
            self.until_s = max(self.until_s, now_s + retry_after_s)

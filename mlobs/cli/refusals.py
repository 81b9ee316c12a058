"""A line in the log about what was refused: once a minute at most, so that no sender can fill a disk."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping

from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric

INTERVAL_SECONDS = 60.0
KINDS_MAX = 12

log = logging.getLogger("mlobs.server")

Counted = dict[tuple[str, str], float]


class Refusals:
    """Compares counts with those of a minute ago.

    Args:
        counted: Returns how many were refused so far, by what they were for and the reason.
        interval_s: Seconds between looks.
    """

    def __init__(self, counted: Callable[[], Counted], interval_s: float = INTERVAL_SECONDS) -> None:
        self._counted = counted
        self._interval_s = interval_s
        self._told = counted()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="refusals", daemon=True)

    def begin(self) -> Callable[[], None]:
        """Tell from now on; return what ends it, after the last ones are told."""
        self._thread.start()

        def end() -> None:
            self._stopping.set()
            self._thread.join()

        return end

    def tell(self) -> None:
        """Write a line if something was refused since the last look."""
        now = self._counted()
        new = {kind: count - self._told.get(kind, 0) for kind, count in now.items()}
        self._told = now
        if line := shown((*kind, int(count)) for kind, count in new.items() if count > 0):
            log.warning("%s", line)

    def _repeat(self) -> None:
        while not self._stopping.wait(self._interval_s):
            self.tell()
        self.tell()


def of_webhooks(samples: Iterable[tuple[Metric, Mapping[str, str], float]]) -> Counted:
    """Return how many webhooks a receiver refused, of its samples."""
    return {
        ("webhook", labels[a.REASON.label]): count
        for metric, labels, count in samples
        if metric is m.ALERT_REFUSED
    }


def shown(refused: Iterable[tuple[str, str, int]]) -> str:
    """Return the line, empty if nothing was refused.

    Args:
        refused: What it was for, the reason, how many.

    >>> shown([("traces", "wrong_token", 1200), ("api", "no_token", 3)])
    'refused 1,203 requests: 1,200 traces (wrong_token), 3 api (no_token)'
    """
    found = sorted(refused, key=lambda one: (-one[2], one[:2]))
    if not found:
        return ""
    told = [f"{count:,} {what} ({reason})" for what, reason, count in found[:KINDS_MAX]]
    rest = [f"and {len(found) - KINDS_MAX} other kinds"] if len(found) > KINDS_MAX else []
    all_of_them = sum(count for *_, count in found)
    requests = "request" if all_of_them == 1 else "requests"
    return f"refused {all_of_them:,} {requests}: {', '.join([*told, *rest])}"

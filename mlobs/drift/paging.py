"""Alarms on their way to whoever is called with them."""

from collections import deque
from collections.abc import Callable, Iterable

from mlobs._guard import failed
from mlobs.drift.streams.watch import Watch


class Pager:
    """Keeps alarms until the thread that may be held up by the callback has the time.

    Args:
        call: Called with each alarm, or None.
    """

    def __init__(self, call: Callable[[Watch], None] | None) -> None:
        self._call = call
        self._waiting: deque[Watch] = deque()

    def add(self, raised: Iterable[Watch]) -> None:
        """Keep alarms that were raised."""
        if self._call is not None:
            self._waiting.extend(raised)

    def page(self) -> None:
        """Call back for those that wait, in this thread."""
        while self._call is not None:
            try:
                watch = self._waiting.popleft()
            except IndexError:  # another thread may take them as well
                return
            try:
                self._call(watch)
            except Exception:  # noqa: BLE001 the user's callback must not end the counting
                failed("calling on_alarm", "The alarm stands; counting goes on.")

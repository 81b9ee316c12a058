"""Where the server and what it finds out about services meet: once a minute a thread asks and stores."""

import logging
import threading
import time
from collections.abc import Callable

from mlobs.server.figures import figures
from mlobs.server.points import gauges
from mlobs.server.serve import Server
from mlobs.settings import AlertSettings

STOP_SECONDS_MAX = 10.0

log = logging.getLogger("mlobs.alerts")


class Figures:
    """What a server finds out about services, on a clock.

    Args:
        settings: How often, how many calls a share needs, and the budget.
        clock: Seconds since 1970.
    """

    def __init__(self, settings: AlertSettings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._stopping = threading.Event()
        self._failing = False

    def begin(self, server: Server) -> Callable[[], None]:
        """Find out from now on; return what stops it."""
        thread = threading.Thread(target=self._repeat, args=(server,), name="mlobs-figures", daemon=True)
        thread.start()

        def stop() -> None:
            self._stopping.set()
            thread.join(STOP_SECONDS_MAX)

        return stop

    def find(self, server: Server) -> int:
        """Find out once and store it; return how many figures there were.

        Raises:
            StoreError: The store does not answer, or what was found cannot be stored.
        """
        now_s = self._clock()
        calls_min, budget_usd = self._settings.calls_min, self._settings.budget_usd
        points = list(figures(server.store.named, now_s, calls_min=calls_min, budget_usd=budget_usd))
        if points:
            server.put("metrics", gauges(points, now_s))
        return len(points)

    def _repeat(self, server: Server) -> None:
        while not self._stopping.wait(self._settings.figures_interval_s):
            try:
                self.find(server)
                self._failing = False
            except Exception:  # a full disk must not end it; it may pass
                if not self._failing:
                    log.exception("Figures about services cannot be found; it is tried again.")
                self._failing = True

"""Everything between a message and its sinks: outbox, routes, and whoever delivers.

Edge: this starts threads. `Alerting` tells what the server's own rules find, `Receiving` what came
by webhook; in one process they share one of these, and so one outbox, one set of routes and one
budget of pages.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mlobs.alerts.delivery import Courier
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.receive import inbox
from mlobs.alerts.routing import memory
from mlobs.alerts.routing.config import Route
from mlobs.alerts.routing.dispatcher import Dispatcher
from mlobs.alerts.routing.file import read_routes
from mlobs.alerts.routing.router import Router
from mlobs.alerts.sinks import roster
from mlobs.settings import AlertSettings

log = logging.getLogger("mlobs.alerts")

LOOK_SECONDS = 0.5
STOP_SECONDS_MAX = 3.0


class Telling:
    """Routes messages to sinks and delivers them.

    Args:
        settings: The file of routes, or the webhook.
        path: The file of alerts and deliveries.
        clock: Seconds since 1970.

    Raises:
        SettingError: The file of routes or a sink cannot be used.
        StoreError: The file of deliveries cannot be used.
    """

    def __init__(self, settings: AlertSettings, path: Path, clock: Callable[[], float] = time.time) -> None:
        file = None if settings.routes is None else read_routes(settings.routes)
        sinks = roster(settings, None if file is None else file.sinks)
        # Without a file, everything goes to the one webhook.
        routes = file.routes if file is not None else tuple(Route(name=one, sinks=(one,)) for one in sinks)
        self.router = Router(routes)
        self.outbox = Outbox(path, extra_schema=(memory.SCHEMA, inbox.SCHEMA))
        self.dispatcher = Dispatcher(self.router, self.outbox)
        self.courier = Courier(self.outbox, sinks, attempts_max=settings.attempts_max, clock=clock)
        self._clock = clock
        self._stopping = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="mlobs-alerts-wake", daemon=True)

    @property
    def tells(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self.router.routes)

    def start(self) -> None:
        """Deliver from now on, until `stop`."""
        self.courier.start()
        self._thread.start()

    def stop(self, *, close: bool = True) -> None:
        """Stop after what is being done; what waits is delivered after the next start.

        Args:
            close: Close the file, too; not while somebody else still writes to it.
        """
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS_MAX)
        if self.courier.stop() and not self._thread.is_alive() and close:
            self.outbox.close()

    def wake(self) -> None:
        """Put what has become due into the outbox: groups that have waited, alerts that are calm."""
        dropped = self.dispatcher.wake(self._clock())
        if dropped:
            log.error("%d messages were dropped: too many wait for their sinks.", dropped)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.wake()
                self._failing = False
            except Exception:  # a full disk may pass
                if not self._failing:
                    log.exception("Alerts that wait for their group cannot be told; this is tried again.")
                self._failing = True

"""Everything between a message and its sinks: outbox, routes, and whoever delivers.

Edge: this starts threads. `Alerting` tells what the server's own rules find, `Receiving` what came by
webhook; in one process they share one of these, and so one outbox, one set of routes and one budget
of pages. The file of routes is read again when it changes: what waits for a sink that is not in it
any longer is a dead letter, and what is open is ended where it was told.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlobs.alerts.delivery import Courier, Sample
from mlobs.alerts.inherited import inherit
from mlobs.alerts.outbox import DEAD_MAX, Outbox
from mlobs.alerts.receive import ledger
from mlobs.alerts.routewatch import RouteWatch
from mlobs.alerts.routing import memory
from mlobs.alerts.routing.dispatcher import Dispatcher
from mlobs.alerts.routing.newcomers import LATE
from mlobs.alerts.routing.notices import EMPTY
from mlobs.semconv.metrics import ALERT_ROUTES_REFUSED
from mlobs.settings import AlertSettings

log = logging.getLogger("mlobs.alerts")

LOOK_SECONDS = 0.5
WELCOME_SECONDS = 30.0  # Between looks at what a silence or quiet hours put off.
STOP_SECONDS_MAX = 3.0


class Telling:
    """Routes messages to sinks and delivers them.

    Args:
        settings: The file of routes, or the webhook.
        path: The file of alerts and deliveries.
        clock: Seconds since 1970.
        fires: Returns a message about each alert that this process found and that fires; None while it does
            not know yet.

    Raises:
        SettingError: The file of routes or a sink cannot be used.
        StoreError: The file of deliveries cannot be used.
    """

    def __init__(
        self,
        settings: AlertSettings,
        path: Path,
        clock: Callable[[], float] = time.time,
        fires: Callable[[], list[dict[str, Any]] | None] = list,
    ) -> None:
        self.watch = RouteWatch(settings)
        routes = self.watch.routes
        self.outbox = Outbox(path, extra_schema=(memory.SCHEMA, ledger.SCHEMA))
        with self.outbox.transaction() as db:
            inherit(db, clock)
        self.dispatcher = Dispatcher(routes.router, routes.sinks, self.outbox)
        self.courier = Courier(self.outbox, routes.sinks, attempts_max=settings.attempts_max, clock=clock)
        self.dispatcher.expect(routes.sinks)
        self._clock = clock
        self._fires = fires
        self._welcomed_s: float | None = None
        self._stopping = threading.Event()
        self._failing: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="mlobs-alerts-wake", daemon=True)

    @property
    def tells(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self.dispatcher.router.routes)

    def start(self) -> None:
        """Deliver from now on, until `stop`."""
        self._bury()
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
        """Put what has become due into the outbox: groups that have waited, alerts that are calm.

        So are alerts that a sink is told of which was not there when they began.
        """
        dropped = self.dispatcher.wake(self._clock()) + self._welcome()
        if dropped:
            log.error("%d messages were dropped: too many wait for their sinks.", dropped)

    def look(self) -> None:
        """Take the file of routes if it changed."""
        if self.watch.look():
            routes = self.watch.routes
            self.dispatcher.expect(routes.sinks)
            self._welcomed_s = None
            self.courier.use(routes.sinks)  # Before anything is routed to a new one.
            self.dispatcher.use(routes.router, routes.sinks)
            self._bury()

    def samples(self) -> list[Sample]:
        """Return the values of the metrics that are about telling people, with their labels."""
        return [(ALERT_ROUTES_REFUSED, {}, float(self.watch.refused)), *self.courier.samples()]

    def _welcome(self) -> int:
        """Tell sinks of alerts that they are new to; return how many messages found no room."""
        now_s = self._clock()
        soon = self._welcomed_s is not None and 0 <= now_s - self._welcomed_s < WELCOME_SECONDS
        if soon or not self.outbox.read("SELECT 1 FROM routing_rows WHERE kind = ? LIMIT 1", (LATE,)):
            return 0
        own = self._fires()
        if own is None:
            return 0
        self._welcomed_s = now_s
        elsewhere = [
            {
                **EMPTY,
                "status": "firing",
                "title": one["summary"],
                **{name: one[name] for name in ledger.SHOWN},
            }
            for one in ledger.firing(self.outbox)
        ]
        return self.dispatcher.welcome([*own, *elsewhere], now_s)

    def _bury(self) -> None:
        buried = self.outbox.bury(self.courier.sinks, self._clock())
        if buried.letters:
            log.warning(
                "%d messages wait for sinks that are not configured; they are dead letters now, and can be "
                "put back with mlobs alerts redrive once their sinks are configured again.",
                buried.letters,
            )
        if buried.lost:
            log.error(
                "The %d oldest dead letters of sinks that are not configured are deleted: at most %d of a "
                "sink are kept. Configure a sink again before so many wait for it, and run mlobs alerts "
                "redrive.",
                buried.lost,
                DEAD_MAX,
            )

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            for step, what in (
                (self.look, "The file of routes cannot be read"),
                (self.courier.staff, "A sink cannot be delivered to"),
                (self.wake, "Alerts that wait for their group cannot be told"),
            ):
                try:
                    step()
                    self._failing.discard(what)
                except Exception:  # a full disk may pass
                    if what not in self._failing:
                        log.exception("%s; this is tried again.", what)
                    self._failing.add(what)

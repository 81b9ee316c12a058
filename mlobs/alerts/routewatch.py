"""The file of sinks and routes, read again when it changes.

Edge: this logs, and looks at a file. A file that cannot be used is said in the log once, counted whenever
it is read, which is done again now and then, and changes nothing: the former sinks and routes stay until it
can be used.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlobs.alerts.routing.config import Route
from mlobs.alerts.routing.file import read_routes
from mlobs.alerts.routing.router import Router
from mlobs.alerts.rulewatch import file_mark
from mlobs.alerts.sinks.answer import Sink
from mlobs.alerts.sinks.roster import roster
from mlobs.errors import MlobsError
from mlobs.settings import AlertSettings

log = logging.getLogger("mlobs.alerts")

REFUSED_LOOKS = 20
MACHINES = ("webhook", "command", "callable")  # They read the whole of a list.


@dataclass(frozen=True, slots=True)
class Routes:
    """Who can be told, and who is told of what."""

    sinks: Mapping[str, Sink] = field(default_factory=dict)
    router: Router = field(default_factory=lambda: Router(()))


class RouteWatch:
    """Which sinks and routes there are.

    Args:
        settings: The file, or the webhook.

    Raises:
        SettingError: The file or a sink cannot be used.
    """

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings
        self.path: Path | None = settings.routes
        self._mark = file_mark(self.path)  # Before reading, so that no change is missed.
        self.routes = _read(settings)
        self.refused = 0
        self.error: str | None = None
        self._asked = False
        self._looks = 0

    def ask(self) -> None:
        """Read the file at the next look even if it seems unchanged; safe in a signal handler."""
        self._asked = True

    def look(self) -> bool:
        """Read the file if it changed; return whether it was taken."""
        mark = file_mark(self.path)
        # One that was refused is tried again now and then: what it lacked may be elsewhere, as secrets are.
        self._looks = 0 if self.error is None else (self._looks + 1) % REFUSED_LOOKS
        again = self._asked or (self.error is not None and self._looks == 0)
        if self.path is None or (mark == self._mark and not again):
            return False
        self._mark, self._asked = mark, False
        try:
            self.routes = _read(self._settings)
        except MlobsError as error:
            self.refused += 1
            if str(error) != self.error:
                log.error("The former sinks and routes stay: %s", error)
            self.error = str(error)
            return False
        self.error = None
        log.warning(
            "The file of sinks and routes %s was read again: %d routes, sinks %s.",
            self.path,
            len(self.routes.router.routes),
            ", ".join(self.routes.sinks),
        )
        return True


def _read(settings: AlertSettings) -> Routes:
    file = None if settings.routes is None else read_routes(settings.routes)
    sinks = roster(settings, None if file is None else file.sinks)
    # Without a file, everything goes to the one webhook.
    routes = file.routes if file is not None else tuple(Route(name=one, sinks=(one,)) for one in sinks)
    machines = [name for name, sink in sinks.items() if sink.kind in MACHINES]
    return Routes(sinks, Router(routes, machines))

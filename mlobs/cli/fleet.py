"""Where the server and drift meet: what all processes of a service counted is judged together.

Once a minute a thread asks the store for the totals, hands them to `mlobs.drift.fleet`, keeps what
that knows in a file of the data folder, and stores what it found as metrics of the service, so that
alert rules, /metrics and dashboards read it like anything that was sent.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mlobs._extras import require
from mlobs.errors import MissingExtraError, SettingError
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.server.access.routes import GuardedRoute, route
from mlobs.server.access.scopes import READ
from mlobs.server.engine import Value
from mlobs.server.exposition import STALE_SECONDS
from mlobs.server.pages.drift.watched import watched
from mlobs.server.points import Point, gauges
from mlobs.server.serve import Server
from mlobs.settings import DriftSettings

if TYPE_CHECKING:
    from mlobs.drift.fleet.fleet import Fleet
    from mlobs.drift.fleet.watch import FleetWatch

FILE = "drift-fleet.json"
STOP_SECONDS_MAX = 10.0
ASKED: dict[str, Value] = {
    "observations": m.DRIFT_OBSERVATIONS.name,
    "ratio": m.DRIFT_REFERENCE_RATIO.name,
    "rows": m.DRIFT_REFERENCE_ROWS.name,
    "effect": m.DRIFT_DESIGN_EFFECT.name,
    "floor": m.DRIFT_FLOOR.name,
    "gap": m.DRIFT_CUT_GAP.name,
    "stale_s": STALE_SECONDS,
    "since_s": 0,
    "next_s": 0,
}
RECENT_S = 86_400  # What was counted before is no reason to begin.

log = logging.getLogger("mlobs.drift")


class FleetDrift:
    """The fleet's drift detector of a server, on a clock.

    Args:
        settings: Floor, budget, interval.
        clock: Seconds since 1970.
    """

    def __init__(self, settings: DriftSettings, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.failure: str | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._fleet: Fleet | None = None
        self._looked_s: float | None = None

    def begin(self, server: Server) -> Callable[[], None]:
        """Go on from the data folder's file, and look from now on; return what stops it.

        Raises:
            SettingError: The file cannot be read.
        """
        self._server = server
        server.tells["drift"] = self.told
        self._path = server.settings.data.absolute() / FILE
        if self._path.exists():
            self._wake()
        thread = threading.Thread(target=self._repeat, name="mlobs-drift-fleet", daemon=True)
        thread.start()

        def stop() -> None:
            self._stopping.set()
            thread.join(STOP_SECONDS_MAX)

        return stop

    def look(self) -> "list[FleetWatch]":
        """Judge what was counted since the last look, keep and store the outcome; return new alarms.

        Raises:
            StoreError: The store does not answer, or what was found cannot be stored.
        """
        now_s = self._clock()
        if self._fleet is None and not (self._totals(int(now_s) - RECENT_S) and self._wake()):
            self._looked_s = now_s
            return []
        from mlobs.drift.fleet.totals import Total
        from mlobs.drift.writing import replace

        assert self._fleet is not None
        window = self._fleet.window(now_s)
        rows = self._totals(window.since_s, window.next_s)
        self._looked_s = now_s
        with self._lock:
            raised = self._fleet.look(map(Total.of, rows), now_s, window)
            watches = self._fleet.watches(heard_since_s=now_s - self._fresh_s)
            kept = self._fleet.save().model_dump_json()
        replace(self._path, kept)
        if watches:
            self._server.put("metrics", gauges(_points(watches), now_s))
        return raised

    def _totals(self, since_s: int, next_s: int | None = None) -> list[dict[str, Any]]:
        """Return what processes that were heard of since then have counted."""
        since_s = max(since_s, 0)
        times = {"since_s": since_s, "next_s": since_s if next_s is None else next_s}
        return self._server.store.named("drift_totals", {**ASKED, **times})

    def answer(self, request: Request) -> Response:
        """GET /api/drift: every feature that some process watches, those with most evidence first.

        As on the page of drift, what a process by itself is sure of is an alarm too.
        """
        model, said = request.query_params.get("model"), self.told()
        shown = [
            one | {"reached": min(one["reached"], sys.float_info.max)}  # JSON knows no infinity
            for one in watched(self._server.store, said["watches"])
            if model in {None, one["model"], f"{one['model']}@{one['version']}"}
        ]
        shown.sort(
            key=lambda one: (one["alarm"], one["reached"], one["distances"].get("tv") or 0), reverse=True
        )
        return JSONResponse(said | {"alarms": sum(one["alarm"] for one in shown), "watches": shown})

    def told(self) -> dict[str, Any]:
        """Return what is known of all processes of each feature taken together."""
        with self._lock:
            fleet, looked_s = self._fleet, self._looked_s
            watches = [] if fleet is None else fleet.watches(heard_since_s=self._clock() - self._fresh_s)
        return {
            "looked": None if looked_s is None else _iso(looked_s),
            "interval_s": self.settings.interval_s,
            "false_alarms_per_year": self.settings.false_alarms_per_year,
            "failure": self.failure,
            "left_out": 0 if fleet is None else fleet.left_out,
            "watches": [one.to_json() for one in watches],
        }

    def routes(self) -> list[GuardedRoute]:
        """Return what answers about it."""
        return [route("/api/drift", self.answer, scope=READ)]

    @property
    def _fresh_s(self) -> float:
        """How long after its last process was heard of a model is still told about."""
        return max(STALE_SECONDS, 3 * self.settings.interval_s)

    def _repeat(self) -> None:
        while not self._stopping.wait(self.settings.interval_s):
            try:
                for watch in self.look():
                    log.warning(
                        "mlobs: %s of the model %s in %s has moved, all processes taken together.",
                        watch.feature,
                        watch.model,
                        watch.service,
                    )
                if self._fleet is not None:
                    self.failure = None
            except Exception as error:
                if self.failure is None:
                    log.exception("drift of fleets cannot be judged; it is tried again")
                self.failure = str(error) or type(error).__name__

    def _wake(self) -> bool:
        """Make the detectors when there is something to judge; return False if we cannot, and say so once."""
        if self._fleet is not None:
            return True
        try:
            require("numpy", extra="drift", feature="Judging the drift of a fleet")
        except MissingExtraError as error:
            if self.failure is None:
                log.warning("mlobs: %s Until then alarms come from each process alone.", error)
            self.failure = str(error)
            return False
        from mlobs.drift.fleet.fleet import Fleet

        fleet = Fleet(
            floor=self.settings.floor,
            false_alarms_per_year=self.settings.false_alarms_per_year,
            interval_s=self.settings.interval_s,
            block_rows=self.settings.block_rows,
        )
        try:
            whole = fleet.restore(self._path.read_bytes())
        except FileNotFoundError:
            whole = True
        except OSError as error:
            raise SettingError(f"{self._path} cannot be read: {error.strerror}. Make it readable.") from None
        if not whole:
            log.warning(
                "mlobs: %s is damaged or of another release; what does not fit starts anew.", self._path
            )
        self._fleet = fleet
        return True


def _points(watches: "list[FleetWatch]") -> Iterator[Point]:
    for one in watches:
        labels = {
            a.MODEL_NAME.name: one.model,
            a.MODEL_VERSION.name: one.version,
            a.FEATURE.name: one.feature,
            a.PROFILE_REF.name: one.ref,
            a.SEGMENT.name: one.segment,
        }
        values = {
            m.DRIFT_FLEET_LOG_E: one.log_e,
            m.DRIFT_FLEET_THRESHOLD: one.threshold,
            m.DRIFT_FLEET_ALARM: float(one.alarm),
            m.DRIFT_FLEET_TV_LOWER_BOUND: one.tv_lower_bound,
        }
        if one.change_start is not None:
            values[m.DRIFT_FLEET_CHANGE_START] = one.change_start.timestamp()
        for metric, value in values.items():
            yield Point(one.service, metric, labels, value)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="seconds")

"""Watches what a service sees: `Monitor.observe(row)`, and a thread that counts beside it.

The request path only appends the row to a queue. A few times a second a thread takes the rows out
and counts them (`live`). Nothing here raises into the caller or holds it up; rows that did not fit
into the queue, or could not be read, are counted.
"""

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from functools import cache
from pathlib import Path

from mlobs._guard import failed
from mlobs.drift import meter
from mlobs.drift.live import Live, Row, Trace, Watch
from mlobs.drift.profile import Profile
from mlobs.errors import DataError, SettingError

log = logging.getLogger("mlobs")

FLUSH_S = 0.25
SAVE_S = 30.0
SLICE_ROWS = 250  # counted at once, so that other threads get their turn

_monitors: "weakref.WeakSet[Monitor]" = weakref.WeakSet()


class Monitor:
    """Compares what a service sees with a profile, and raises alarms at a promised rate.

    Args:
        profile: Of the data the model was trained on, or the path of its file.
        model: Such as churn@7; if None, the profile's.
        floor: A share of values that may sit in the wrong bin without an alarm.
        false_alarms_per_year: For the whole monitor, all features together, on average at most.
        block_rows: Rows that are judged together. Smaller blocks see large changes sooner.
        queue_rows_max: Rows that wait to be counted; more are dropped and counted as dropped.
        state: A file in which evidence outlives a restart. One process only.
        on_alarm: Called in the counting thread with the `Watch` of each alarm that is raised.

    Raises:
        SettingError: An argument cannot be used.
        DataError: The profile's file cannot be read.
        ProfileError: It is not a profile of this version.
    """

    def __init__(
        self,
        profile: Profile | str | Path,
        *,
        model: str | None = None,
        floor: float = 0.05,
        false_alarms_per_year: float = 1.0,
        block_rows: int = 200,
        queue_rows_max: int = 100_000,
        state: str | Path | None = None,
        on_alarm: Callable[[Watch], None] | None = None,
    ) -> None:
        self.profile = profile if isinstance(profile, Profile) else Profile.read(profile)
        self.model = model or self.profile.model or ""
        _check(self.model, self.profile, floor, false_alarms_per_year, block_rows, queue_rows_max)
        self.floor = floor
        self.false_alarms_per_year = false_alarms_per_year
        self.block_rows = block_rows
        self.queue_rows_max = queue_rows_max
        self.on_alarm = on_alarm
        self._state = None if state is None else Path(state)
        self._saved_s = time.time()
        self._closed = False
        self._start()
        if self._state is not None:
            self._restore(self._state)
        _hooks()
        _monitors.add(self)
        meter.publish(self)

    def observe(self, row: object, prediction: object = None, *, trace: Trace | None = None) -> None:
        """Take in one row and, if there is one, the model's prediction for it.

        The row is read later, in another thread: hand over one that will not be changed.

        Args:
            row: A mapping, an object with attributes, or a sequence in the profile's column order.
            prediction: Counted as the feature `prediction`, if the profile has one.
            trace: Anything with the ids of the span in which this happens.
        """
        queue = self._queue
        if len(queue) < self.queue_rows_max:
            queue.append((row, prediction, trace))
        else:
            with self._drop_lock:
                self._dropped["closed" if self._closed else "queue_full"] += 1

    def flush(self) -> None:
        """Count all rows observed so far."""
        raised: list[Watch] = []
        with self._lock:
            waiting = len(self._queue)
            while waiting:
                rows = min(waiting, SLICE_ROWS, self._live.room)
                raised += self._count(rows)
                waiting -= rows
        for watch in raised:
            self._tell(watch)
        if self._state is not None and time.time() - self._saved_s > SAVE_S:
            self._save()

    def state(self) -> list[Watch]:
        """Return what is known about each feature, those with most evidence first."""
        self.flush()
        with self._lock:
            watches = self._live.watches()
        return sorted(watches, key=lambda watch: (not watch.alarm, -watch.log_e))

    def counted(self) -> list[meter.Counted]:
        """Return the counts of each feature's bins, live and in the reference."""
        with self._lock:
            live = self._live
            return [
                meter.Counted(
                    feature=name,
                    bins=bins.coarse_names,
                    live=counts.tolist(),
                    reference=bins.coarse(bins.feature.counts).tolist(),
                )
                for name, bins, counts in zip(live.names, live.bins, live.counted, strict=True)
            ]

    def dropped(self) -> dict[str, int]:
        """Return how many rows were not counted, by reason."""
        return {**self._dropped, "unreadable": self._live.unreadable_rows}

    def close(self) -> None:
        """Count what waits and stop. Later rows are dropped."""
        if self._closed:
            return
        self._closed = True
        self._wake.set()
        self.queue_rows_max = 0
        self.flush()
        if self._state is not None:
            self._save()

    def _start(self) -> None:
        """Begin with nothing counted: at first, and in a forked child, whose parent counts the rest."""
        self._queue: deque[Row] = deque()
        self._lock = threading.Lock()
        self._drop_lock = threading.Lock()
        self._dropped = {"queue_full": 0, "closed": 0}
        self._wake = threading.Event()
        self._live = Live(
            self.profile,
            floor=self.floor,
            false_alarms_per_year=self.false_alarms_per_year,
            block_rows=self.block_rows,
            now_s=time.time(),
        )
        threading.Thread(
            target=_run, args=(weakref.ref(self), self._wake), name=f"mlobs-drift {self.model}", daemon=True
        ).start()

    def _count(self, rows: int) -> list[Watch]:
        """Count the oldest rows of the queue. Only whoever holds the lock takes rows out."""
        try:
            raised = self._live.add([self._queue.popleft() for _ in range(rows)], time.time())
        except Exception:  # noqa: BLE001 a row of a kind we did not think of must not end the counting
            failed("counting rows for drift")
            return []
        return [watch for watch in self._live.watches() if watch.feature in raised] if raised else []

    def _tell(self, watch: Watch) -> None:
        if self.on_alarm is None:
            return
        try:
            self.on_alarm(watch)
        except Exception:  # noqa: BLE001 the user's callback must not end the counting
            failed("calling on_alarm")

    def _restore(self, path: Path) -> None:
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        except OSError as error:
            raise DataError(f"The monitor's state {str(path)!r} cannot be read: {error.strerror}.") from None
        if not self._live.restore(text):
            log.warning("mlobs: %s is of another profile or other settings. The monitor starts anew.", path)

    def _save(self) -> None:
        path = self._state
        if path is None:
            return
        try:
            with self._lock:
                text = self._live.save(time.time()).model_dump_json()
            part = path.with_name(f"{path.name}.part")
            part.write_text(text, encoding="utf-8")
            part.replace(path)
            self._saved_s = time.time()
        except OSError:
            failed("saving a monitor's state")

    def begin_anew(self) -> None:
        """Forget what was counted: in a forked child, whose parent goes on counting it."""
        self._state = None  # it is the parent's
        if not self._closed:
            self._start()


def _run(reference: "weakref.ref[Monitor]", wake: threading.Event) -> None:
    """Flush a monitor until it is closed or nobody holds it any more."""
    while not wake.wait(FLUSH_S):
        monitor = reference()
        if monitor is None:
            return
        monitor.flush()
        del monitor


def _check(
    model: str, profile: Profile, floor: float, false_alarms: float, block_rows: int, queue_rows_max: int
) -> None:
    if not model:
        raise SettingError(
            "A monitor needs the model's name. Give it model='churn@7', or profile with --model."
        )
    if not profile.features:
        raise SettingError("The profile has no features, so there is nothing to watch.")
    if not 0 <= floor < 1:
        raise SettingError(f"floor={floor} cannot be used: a share from 0 to below 1 was expected, as 0.05.")
    if not false_alarms > 0:
        raise SettingError(f"false_alarms_per_year={false_alarms} cannot be used: it must be above 0.")
    for name, value in {"block_rows": block_rows, "queue_rows_max": queue_rows_max}.items():
        if value < 1:
            raise SettingError(f"{name}={value} cannot be used: at least 1 row was expected.")


def _close_all() -> None:
    for monitor in list(_monitors):
        monitor.close()


def _restart_all() -> None:
    for monitor in list(_monitors):
        monitor.begin_anew()


@cache
def _hooks() -> None:
    """Have monitors closed at exit and begun anew in forked children; once in a process."""
    atexit.register(_close_all)
    os.register_at_fork(after_in_child=_restart_all)

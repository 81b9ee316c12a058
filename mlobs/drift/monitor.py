"""Watches what a service sees: `Monitor.observe(row)`, and a thread that counts beside it.

The request path only appends the row to a queue. A few times a second a thread takes the rows out
and counts them (`live`). Nothing here raises into the caller or holds it up; rows that did not fit
into the queue, or could not be read, are counted.
"""

import logging
import threading
import time as clock
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager as Lock
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from mlobs._endings import unbroken
from mlobs._guard import failed
from mlobs.drift import lifetime, meter
from mlobs.drift.floors import FLOOR, Floor
from mlobs.drift.live import Label, Live, Row
from mlobs.drift.paging import Pager
from mlobs.drift.profile import Profile
from mlobs.drift.segments import SEGMENTS_MAX
from mlobs.drift.streams import settings
from mlobs.drift.streams.batches import SLICE_ROWS, Beside, Piece, no_outputs, outputs_of, pieces, rows_of
from mlobs.drift.streams.quality import Quality
from mlobs.drift.streams.schema import Schema
from mlobs.drift.streams.statefile import StateFile
from mlobs.drift.streams.traces import Trace
from mlobs.drift.streams.watch import Counted, Watch
from mlobs.errors import DataError

log = logging.getLogger("mlobs")


class Monitor:
    """Compares what a service sees with a profile, and raises alarms at a promised rate.

    Args:
        profile: Of the data the model was trained on, or the path of its file.
        model: Such as churn@7; if None, the profile's.
        floor: A share of values that may sit in the wrong bin without an alarm, or "learned": for each
            feature the one its profile has learnt from the days of the reference, else 0.05.
        false_alarms_per_year: For the whole monitor, all features and segments together, on average at
            most. A monitor that begins anew, without its state, begins with half a day's share or so.
        block_rows: Rows that are judged together. Smaller blocks see large changes sooner.
        queue_rows_max: Rows that wait to be counted; more are dropped and counted as dropped.
        state: A file in which evidence, the open block and predictions that wait for labels outlive a
            restart, of one process; or a folder that exists, where each process has a file of its own.
        on_alarm: Called in the counting thread with the `Watch` of each alarm that is raised.
        by: The columns that make the segments: those of the profile, which are watched if None is given.
            An empty list watches all rows together only.
        segments_max: So many segments by themselves, the largest; all others are one.
        join_within_s: How long a prediction with an id waits for its label.
        pending_max: Predictions that wait for labels; of more, the oldest are forgotten.

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
        floor: Floor = FLOOR,
        false_alarms_per_year: float = 1.0,
        block_rows: int = settings.BLOCK_ROWS,
        queue_rows_max: int = 100_000,
        state: str | Path | None = None,
        on_alarm: Callable[[Watch], None] | None = None,
        by: str | Sequence[str] | None = None,
        segments_max: int = SEGMENTS_MAX,
        join_within_s: float = settings.JOIN_WITHIN_S,
        pending_max: int = settings.PENDING_MAX,
    ) -> None:
        self.profile = settings.profile_of(profile)
        self.model = model or self.profile.model or ""
        self.queue_rows_max = queue_rows_max
        self.on_alarm = on_alarm
        self._settings: settings.Settings = {
            "floor": floor,
            "false_alarms_per_year": false_alarms_per_year,
            "block_rows": block_rows,
            "segments_max": segments_max,
            "join_within_s": join_within_s,
            "pending_max": pending_max,
        }
        self._by = by
        settings.check(self.model, self._settings, queue_rows_max, on_alarm)
        self._watched = settings.watched(self.profile, self._by)
        self._live: Live
        self._state = None if state is None else StateFile(settings.path_of(state), clock.monotonic())
        self._closed = False
        self._locks()
        self._start()
        if self._state is not None:
            self._restore(self._state)
        lifetime.keep(self)
        meter.publish(self)

    def observe(
        self,
        row: object,
        prediction: object = None,
        *,
        id: object = None,  # noqa: A002 it is what callers call it
        trace: Trace | None = None,
    ) -> None:
        """Take in one row and, if there is one, the model's prediction for it.

        The row is read later, in another thread: hand over one that will not be changed.

        Args:
            row: A mapping, an object with attributes, or a sequence in the profile's column order.
            prediction: Counted as the feature `prediction`, if the profile has one.
            id: By which `label` finds the prediction.
            trace: Anything with the ids of the span in which this happens.
        """
        queue = self._queue
        if len(queue) < self.queue_rows_max:
            queue.append((row, prediction, id, trace))
        else:
            self._drop(1)

    def observe_batch(self, data: Any, predictions: Any = None, *, ids: Any = None, time: Any = None) -> None:
        """Take in many rows at once, and count them here and now.

        A target column in the data is taken as the labels of its rows.

        Args:
            data: A frame, a mapping of arrays, an Arrow table, a numpy array, or a list of rows of any
                form. A column of another type than the profile's is counted as `__other__`.
            predictions: One a row.
            ids: One a row, by which `label` finds the predictions.
            time: When the rows came, one a row, or the column that says so; now, if None.
        """
        if self._closed:
            self._drop(rows_of(data))
            return
        self.flush()
        given = Beside(predictions=predictions, ids=ids, time=time)
        for raised in self._count_batch(data, given, self._lock):
            self._tell(raised)
        self._tell([])  # what could not be read
        self._save_now_and_then()

    def observe_table(self, data: Any, result: Any = None, *, trace: Trace | None = None) -> None:
        """Take in what a model was given and returned for many rows; they are counted in another thread.

        Args:
            data: As for `observe_batch`.
            result: If it is one prediction a row, it is counted as such.
            trace: Anything with the ids of the span in which this happens.
        """
        rows = max(rows_of(data), 1)  # what has no length takes a place as well
        with self._drop_lock:
            fits = self._table_rows + rows <= self.queue_rows_max and not self._closed
            if fits:
                self._table_rows += rows
                self._tables.append((data, result, trace, rows))
        if not fits:
            self._drop(rows)

    def label(self, id: object, truth: object, *, prediction: object = None) -> None:  # noqa: A002
        """Say what the truth turned out to be for a row that was observed with this id.

        Args:
            id: The one given to `observe`; 7 and "7" are the same.
            truth: Counted as the feature `target`, and with the prediction as `error`.
            prediction: If it is known here, no earlier `observe` is needed.
        """
        if len(self._labels) < self.queue_rows_max:
            self._labels.append((id, truth, prediction))
        else:
            with self._drop_lock:
                self._live.joiner.outcomes["closed" if self._closed else "queue_full"] += 1

    @property
    def ref(self) -> str:
        """Return the version of the profile."""
        return self._live.ref

    @property
    def few_segments(self) -> bool:
        """Return whether the segments have few bins in all, so that all about them is published."""
        return self._live.few_segments

    def flush(self) -> None:
        """Count all rows and labels observed so far."""
        with self._lock:
            raised = self._count_waiting()
        self._tell(raised)
        self._save_now_and_then()

    def state(self) -> list[Watch]:
        """Return what is known about each feature, those with most evidence first."""
        self.flush()
        with self._lock:
            watches = self._live.watches()
        return sorted(watches, key=lambda watch: (not watch.alarm, -watch.log_e))

    def quality(self) -> list[Quality]:
        """Return how good predictions were, by the labels that have come."""
        self.flush()
        with self._lock:
            return self._live.quality()

    def schema(self) -> Schema:
        """Return how rows differ in form from those of the profile."""
        self.flush()
        with self._lock:
            return self._live.schema()

    def labels(self) -> dict[str, int]:
        """Return what became of labels and of predictions without one: how many, by outcome."""
        self.flush()
        with self._lock:
            return {str(outcome): count for outcome, count in self._live.joiner.outcomes.items()}

    def counted(self) -> list[Counted]:
        """Return the counts of each feature's bins, live and in the reference."""
        with self._lock:
            return self._live.counted()

    def dropped(self) -> dict[str, int]:
        """Return how many rows were not counted, by reason."""
        late = len(self._queue) + self._table_rows if self._closed else 0  # while it was being closed
        return {
            "queue_full": self._dropped["queue_full"],
            "closed": self._dropped["closed"] + late,
            "unreadable": self._unreadable_before + self._live.unreadable_rows,
        }

    def replace(self, profile: Profile | str | Path) -> None:
        """Compare with another profile from now on. Counts and evidence begin anew.

        Predictions that wait for labels go on waiting.

        Args:
            profile: Or the path of its file.

        Raises:
            SettingError: The profile cannot be used.
            DataError: The profile's file cannot be read.
            ProfileError: It is not a profile of this version.
        """
        new = settings.profile_of(profile)
        live = Live(settings.watched(new, self._by), ref=new.ref, **self._settings)
        self.flush()
        with self._lock:
            self._watched = live.profile
            self._unreadable_before += self._live.unreadable_rows
            live.joiner = self._live.joiner
            self.profile, self._live = new, live
        if self._state is not None:
            self._save(self._state)

    @unbroken()  # a signal's handler would find it closed, and end the process before it is saved
    def close(self) -> None:
        """Count what waits and stop. Later rows are dropped."""
        if self._closed:
            return
        self._closed = True
        self._wake.set()
        self.queue_rows_max = 0
        self.flush()
        if self._state is not None:
            self._save(self._state)
            self._state.close()
        self.page()  # last: the callback may take long

    def __del__(self) -> None:
        if not getattr(self, "_closed", True) and self._state is not None:  # it was opened, and dropped
            self.close()

    def page(self) -> None:
        """Call `on_alarm` for the alarms raised so far; the counting thread does."""
        self._pager.page()

    def begin_anew(self) -> None:
        """Forget what was counted: in a forked child, whose parent goes on counting it."""
        self._state = None  # it is the parent's
        self._locks()
        if not self._closed:
            self._start()

    def _locks(self) -> None:
        """Make the locks: in a forked child, another thread of the parent may have held them."""
        self._lock = threading.Lock()
        self._drop_lock = threading.Lock()

    def _start(self) -> None:
        """Begin with nothing counted: at first, and in a forked child, whose parent counts the rest."""
        self._pager = Pager(self.on_alarm)
        self._queue: deque[Row] = deque()
        self._labels: deque[Label] = deque()
        self._tables: deque[tuple[Any, Any, Trace | None, int]] = deque()
        self._table_rows = 0  # in those that wait
        self._dropped = {"queue_full": 0, "closed": 0}
        self._unreadable_before = 0
        self._wake = threading.Event()
        self._live = Live(self._watched, ref=self.profile.ref, **self._settings)
        lifetime.count(self, self._wake, f"mlobs-drift {self.model}")

    def _drop(self, rows: int) -> None:
        with self._drop_lock:
            self._dropped["closed" if self._closed else "queue_full"] += rows

    def _count_waiting(self) -> list[Watch]:
        """Count what is in the queues. Only whoever holds the lock takes anything out."""
        labels = len(self._labels)  # looked at first: the rows of these are in their queue by now
        raised = self._drain(self._queue, len(self._queue), self._live.add)
        raised += [watch for _ in range(len(self._tables)) for watch in self._count_table()]
        return raised + self._drain(self._labels, labels, self._live.add_labels)

    def _drain(
        self, queue: deque[Any], waiting: int, count: Callable[[list[Any], float], list[Watch]]
    ) -> list[Watch]:
        raised: list[Watch] = []
        while waiting:
            taken = [queue.popleft() for _ in range(min(waiting, SLICE_ROWS))]
            waiting -= len(taken)
            try:
                raised += count(taken, clock.time())
            except Exception:  # noqa: BLE001 a row of a kind we did not think of must not end the counting
                failed("counting rows for drift", "They are in dropped() as unreadable; counting goes on.")
                self._live.unreadable_rows += len(taken)
        return raised

    def _count_table(self) -> list[Watch]:
        """Count the next table that waits."""
        data, result, trace, rows = self._tables.popleft()
        with self._drop_lock:
            self._table_rows -= rows
        feature = self.profile.features.get(self.profile.prediction or "")
        outputs = outputs_of(result, rows, vectors=feature is not None and feature.kind == "embedding")
        if outputs is None and feature is not None:
            self._live.complaints.add(no_outputs(result, rows))
        given = Beside(predictions=outputs, ids=None, time=None, trace=trace)
        return [watch for found in self._count_batch(data, given, nullcontext()) for watch in found]

    def _count_batch(self, data: Any, given: Beside, lock: Lock[Any]) -> Iterator[list[Watch]]:
        """Count a batch, piece by piece, each inside `lock`; yield what `Live.add` returns."""
        live, counted = self._live, 0
        try:
            for piece in pieces(data, given, inputs=live.inputs, prediction=self.profile.prediction):
                with lock:
                    raised = self._count_piece(piece, given.trace)
                counted += piece.rows
                yield raised
        except DataError as error:
            live.complaints.add(f"A batch was not observed, or not all of it. {error}")
        except Exception:  # noqa: BLE001 what cannot be read must not end the caller's work
            failed("counting a batch of rows", "They are in dropped() as unreadable; your call went on.")
        else:
            return
        with lock:
            live.unreadable_rows += max(rows_of(data) - counted, 1)

    def _count_piece(self, piece: Piece, trace: Trace | None) -> list[Watch]:
        now = clock.time()
        # A row from the future would stop the clock for all that come before that.
        times = now if piece.times is None else np.minimum(piece.times, now)
        if piece.objects is None:
            return self._live.add_columns(piece.columns, piece.rows, times, ids=piece.ids, trace=trace)
        nothing, traces = [None] * piece.rows, [trace] * piece.rows
        given = zip(piece.objects, piece.predictions or nothing, piece.ids or nothing, traces, strict=True)
        return self._live.add(list(given), times)

    def _tell(self, raised: Sequence[Watch]) -> None:
        for sentence in self._live.told():
            log.warning("mlobs: the monitor of %s says once: %s", self.model, sentence)
        self._pager.add(raised)

    def _restore(self, file: StateFile) -> None:
        text = file.read()
        if text is not None and not self._live.restore(text):
            log.warning(
                "mlobs: %s is of another profile or other settings. The monitor starts anew.", file.path
            )

    def _save_now_and_then(self) -> None:
        file = self._state
        if file is not None and file.due(clock.monotonic()):
            self._save(file)

    def _save(self, file: StateFile) -> None:
        with self._lock:
            saved = self._live.save()
        try:
            file.write(saved.model_dump_json, clock.monotonic)
        except (OSError, ValueError):
            failed("saving a monitor's state", "Counting goes on; saving is tried again.")

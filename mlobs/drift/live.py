"""What a monitor knows: live counts by feature and bin, and the detector that they feed.

Rows come in slices, with the time as an argument; whoever calls keeps threads apart. A row is a
mapping, an object with attributes, or a sequence with one value for each input column of the
profile, in the profile's order.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from mlobs.drift.bins import Bins, Counts
from mlobs.drift.detector import Detector, Reference, State
from mlobs.drift.measures import Distances, Move, measure_online, moves, ratio
from mlobs.drift.profile import ABOVE, BELOW, NULL, OTHER, PREDICTION, Profile

YEAR_S = 365.25 * 86_400
RATE_OVER_S_MIN = 3600.0  # a rate of blocks is not extrapolated from less than an hour
TRACES_KEPT = 8


class Trace(Protocol):
    """Where a prediction was made."""

    @property
    def trace_id(self) -> int:
        """Return the trace's id."""

    @property
    def span_id(self) -> int:
        """Return the span's id."""


Row = tuple[object, object, Trace | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """What a monitor says about one feature.

    Args:
        feature: The column, or `prediction` for the model's output.
        rows: Live rows so far.
        log_e: Evidence that the feature has moved, in nats; while the alarm stands, what raised it.
        threshold: The evidence that raises an alarm.
        alarm: Whether it stands.
        raised: When it was raised, or None.
        change_start: When the change began, by estimate, or None.
        distances: Of about the last 33 blocks; after an alarm was raised, of rows since the change.
        tv_lower_bound: At least this share of live values sits in the wrong bin.
        missing_ratio: Of all live values so far.
        unseen_ratio: Of all live values so far.
        outside_ratio: Of all live values so far; None for categories.
        moves: The bins that changed most, in the rows of `distances`.
        traces: Of some of the latest rows.
    """

    feature: str
    rows: int
    log_e: float
    threshold: float
    alarm: bool
    raised: datetime | None
    change_start: datetime | None
    distances: Distances
    tv_lower_bound: float
    missing_ratio: float | None
    unseen_ratio: float | None
    outside_ratio: float | None
    moves: tuple[Move, ...]
    traces: tuple[Trace, ...]


class Saved(BaseModel):
    """What a monitor keeps over a restart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile_ref: str
    floor: float
    block_rows: int
    patience_blocks: float
    active_s: float
    detector: State


class Live:
    """Counts rows by the bins of a profile. `Monitor` says what the arguments mean."""

    def __init__(
        self, profile: Profile, *, floor: float, false_alarms_per_year: float, block_rows: int, now_s: float
    ) -> None:
        self.profile = profile
        self.floor = floor
        self.false_alarms_per_year = false_alarms_per_year
        self.block_rows = block_rows
        self.columns = list(profile.features)
        self.inputs = [name for name in self.columns if name != profile.prediction]
        self.names = [PREDICTION if name == profile.prediction else name for name in self.columns]
        self.bins = [Bins(feature) for feature in profile.features.values()]
        self.detector = Detector(
            [
                Reference(b.coarse(b.feature.counts).tolist(), b.feature.design_effect or 1.0)
                for b in self.bins
            ],
            floor=floor,
        )
        self.counts = np.zeros(self.detector.p.shape, np.int64)
        self.block = np.zeros_like(self.counts)
        self.block_filled = 0
        self.block_began_s = now_s
        self.began_s = now_s
        self.active_s_before = 0.0
        self.patience_blocks = 1.0
        self.rows = 0
        self.unreadable_rows = 0
        self.traces: deque[Trace] = deque(maxlen=TRACES_KEPT)
        self._take = _taker(self.columns)
        self._known: tuple[int, list[Watch]] | None = None

    @property
    def counted(self) -> list[Counts]:
        """Return each feature's live rows by online bin."""
        whole = self.counts + self.block
        return [whole[i, : len(bins.coarse_names)] for i, bins in enumerate(self.bins)]

    @property
    def room(self) -> int:
        """Return how many rows the open block still takes."""
        return self.block_rows - self.block_filled

    def add(self, rows: Sequence[Row], now_s: float) -> list[str]:
        """Count rows, at most `room` of them; return the features whose alarms were raised."""
        read = [self._read(row, prediction) for row, prediction, _ in rows]
        found = [values for values in read if values is not None]
        self.unreadable_rows += len(read) - len(found)
        self.traces.extend(trace for _, _, trace in rows[-TRACES_KEPT:] if trace is not None)
        if not found:
            return []
        if not self.block_filled:
            self.block_began_s = now_s
        features, width = self.counts.shape
        columns = zip(self.bins, zip(*found, strict=True), strict=True)
        places = np.stack([bins.of_values(values) for bins, values in columns])
        places += np.arange(0, features * width, width)[:, None]
        self.block += np.bincount(places.ravel(), minlength=features * width).reshape(features, width)
        self.rows += len(found)
        self.block_filled += len(found)
        return self._close_block(now_s) if self.block_filled >= self.block_rows else []

    def watches(self) -> list[Watch]:
        """Return what is known about each feature."""
        if self._known is not None and self._known[0] == self.rows:
            return self._known[1]
        bounds = self.detector.tv_lower_bounds()
        evidence = self.detector.log_e
        threshold = self.detector.threshold(self.patience_blocks)
        found = [
            self._watch(i, counts, float(evidence[i]), float(bounds[i]), threshold)
            for i, counts in enumerate(self.counted)
        ]
        self._known = (self.rows, found)
        return found

    def save(self, now_s: float) -> Saved:
        """Return what is needed to go on after a restart. The open block is left out."""
        return Saved(
            profile_ref=self.profile.ref,
            floor=self.floor,
            block_rows=self.block_rows,
            patience_blocks=self.patience_blocks,
            active_s=self._active_s(now_s),
            detector=self.detector.state(),
        )

    def restore(self, text: str) -> bool:
        """Go on from what `save` returned, as JSON; return False if it does not fit this monitor."""
        try:
            saved = Saved.model_validate_json(text)
        except ValidationError:
            return False
        fits = (saved.profile_ref, saved.floor, saved.block_rows) == (
            self.profile.ref,
            self.floor,
            self.block_rows,
        )
        if not (fits and self.detector.restore(saved.detector)):
            return False
        self.patience_blocks = saved.patience_blocks
        self.active_s_before = saved.active_s
        self._known = None
        return True

    def _close_block(self, now_s: float) -> list[str]:
        """Hand the block to the detector, with the patience that the promise needs at this rate of blocks.

        Patience never shrinks: a slow night must not make the next busy day's alarms cheaper.
        """
        per_s = (self.detector.blocks + 1) / max(self._active_s(now_s), RATE_OVER_S_MIN)
        self.patience_blocks = max(self.patience_blocks, per_s * YEAR_S / self.false_alarms_per_year)
        raised = self.detector.update(
            self.block, began_s=self.block_began_s, patience_blocks=self.patience_blocks
        )
        self.counts += self.block
        self.block[:] = 0
        self.block_filled = 0
        return [self.names[i] for i in np.flatnonzero(raised)]

    def _active_s(self, now_s: float) -> float:
        return self.active_s_before + now_s - self.began_s

    def _read(self, row: Any, prediction: Any) -> Sequence[Any] | None:
        """Return the row's values by column, None where it has none, or None if nothing can be read."""
        try:
            values = self._take(row) if type(row) is dict else self._look_up(row)
        except KeyError:
            values = self._look_up(row)
        if values is None or self.profile.prediction is None or prediction is None:
            return values
        if getattr(prediction, "size", 0) == 1:
            prediction = prediction.item()  # a model's array of one prediction
        place = self.columns.index(self.profile.prediction)
        return (*values[:place], prediction, *values[place + 1 :])

    def _look_up(self, row: Any) -> Sequence[Any] | None:
        if isinstance(row, list | tuple | np.ndarray) and not hasattr(row, "_fields"):
            if len(row) != len(self.inputs):
                return None
            given: Mapping[str, Any] = dict(zip(self.inputs, row, strict=True))
            return [given.get(name) for name in self.columns]
        get = getattr(row, "get", None)
        if callable(get):
            return [get(name) for name in self.columns]
        values = [getattr(row, name, None) for name in self.columns]
        return values if any(hasattr(row, name) for name in self.inputs) else None

    def _watch(self, i: int, counts: Counts, evidence: float, bound: float, threshold: float) -> Watch:
        detector, bins = self.detector, self.bins[i]
        recent = detector.recent[i, : len(bins.coarse_names)]
        alarm = bool(detector.alarm[i])
        return Watch(
            feature=self.names[i],
            rows=int(counts.sum()),
            log_e=evidence,
            threshold=threshold,
            alarm=alarm,
            raised=_utc(detector.raised_s[i]) if alarm else None,
            change_start=_utc(detector.change_start_s[i]) if alarm else None,
            distances=measure_online(bins, recent),
            tv_lower_bound=bound,
            missing_ratio=ratio(bins, counts, NULL),
            unseen_ratio=ratio(bins, counts, OTHER),
            outside_ratio=ratio(bins, counts, BELOW, ABOVE) if bins.numeric else None,
            moves=moves(bins, recent),
            traces=tuple(self.traces),
        )


def _taker(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what takes all columns out of a dict at once; KeyError if one is missing."""
    take = itemgetter(*names)
    return take if len(names) > 1 else lambda row: (take(row),)


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(float(seconds), tz=UTC)

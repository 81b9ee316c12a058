"""A stream of rows that is judged by itself: all rows, those of a segment, or those with labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from mlobs.drift.bins import Bins, Counts
from mlobs.drift.calendar import utc
from mlobs.drift.detector import Detector, Reference, State
from mlobs.drift.feature import ABOVE, BELOW, NULL, OTHER
from mlobs.drift.floors import Floor
from mlobs.drift.measures import held, measure_online, moves, online_places, ratio
from mlobs.drift.sequential.states import Packed
from mlobs.drift.streams.budget import Budget, Spending
from mlobs.drift.streams.places import Places
from mlobs.drift.streams.traces import KEPT, Exemplars, Numbers, Ring, Seen
from mlobs.drift.streams.watch import Counted, Watch

Doubles = NDArray[np.float64]

WIDER = 0.15  # than the floor that was asked for: worth a word


class StreamState(BaseModel):
    """What a stream keeps over a restart, the open block included."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    counts: Packed
    block: Packed
    block_rows: int
    block_began_s: float
    block_slot: int | None
    spending: Spending
    kept: dict[int, list[tuple[str, str]]]  # traces as hexadecimal numbers: JSON's are too short
    detector: State


class Stream:
    """Counts rows by bin, and hands block after block to its detector.

    Args:
        names: Of the features, as they go out.
        bins: Of the features, with the counts that this stream's reference has.
        floor: See `Detector`.
        family: How many features share the monitor's promise.
        false_alarms_per_year: Of the whole monitor.
        block_rows: Rows that are judged together.
        ring: Of the monitor's traces.
        segment: Which rows these are; "" for all.
    """

    def __init__(
        self,
        names: Sequence[str],
        bins: Sequence[Bins],
        *,
        floor: Floor,
        family: int,
        false_alarms_per_year: float,
        block_rows: int,
        ring: Ring,
        segment: str = "",
    ) -> None:
        self.names = list(names)
        self.bins = list(bins)
        self.segment = segment
        self.block_rows = block_rows
        self.detector = Detector([Reference.of(one) for one in bins], floor=floor, family=family)
        self.budget = Budget(false_alarms_per_year)
        self.counts = np.zeros(self.detector.p.shape, np.int64)
        self.exemplars = Exemplars(ring, self.counts.shape)
        self._block = np.zeros_like(self.counts)
        self._restored = np.zeros_like(self.counts)
        self._filled = 0
        self._began_s = 0.0
        self._slot: int | None = None
        features, width = self.counts.shape
        self._offsets = np.arange(0, features * width, width)[:, None]
        self._kept: dict[int, tuple[Seen, ...]] = {}  # traces of the rows that raised a standing alarm
        self._known: tuple[int, list[Watch]] | None = None
        self._about = [
            (
                one.coarse(one.feature.counts).tolist(),
                float(self.detector.effect[i]),
                _floor(self.detector, i),
                _gaps(one),
                [held(one, place) for place in range(len(one.coarse_names))],
            )
            for i, one in enumerate(self.bins)
        ]

    @property
    def rows(self) -> int:
        """Return how many rows were counted."""
        return int(self.counts[0].sum()) + self._filled

    @property
    def live(self) -> list[Counts]:
        """Return each feature's live rows by online bin, those before a restart not included.

        They are the values of counters, and the counters of another process have counted the others.
        """
        return self._by_feature(self.counts + self._block - self._restored)

    @property
    def blind(self) -> dict[str, float]:
        """Return features of which only large changes are found though smaller ones matter; their floors."""
        floors = self.detector.floor_whole
        wide = np.flatnonzero(floors > self.detector.given_floor + WIDER)
        return {self.names[i]: float(floors[i]) for i in wide}

    @property
    def alarms(self) -> list[str]:
        """Return the features whose alarm stands."""
        return [self.names[i] for i in np.flatnonzero(self.detector.alarm)]

    def counted(self, ref: str) -> list[Counted]:
        """Return what was counted, beside the reference, whose version is `ref`."""
        return [
            Counted(
                feature=name,
                segment=self.segment,
                ref=ref,
                bins=bins.coarse_names,
                ranges=ranges,
                live=live.tolist(),
                reference=reference,
                design_effect=effect,
                floor=floor,
                gaps=gaps,
            )
            for name, bins, live, (reference, effect, floor, gaps, ranges) in zip(
                self.names, self.bins, self.live, self._about, strict=True
            )
        ]

    def add(self, places: Places, now_s: float | Doubles, slot: int | None = None) -> list[int]:
        """Count rows, given their bins, shape (features, rows); return whose alarms were raised.

        Args:
            places: Of the rows.
            now_s: When they came: one time, or one for each row.
            slot: The hour of the week, for a profile that has them. Where it changes, a block ends.
        """
        raised: list[int] = []
        rows = places.shape[1]
        times = np.broadcast_to(now_s, rows)
        if self._filled and rows and slot != self._slot:
            raised += self._close(float(times[0]))
        self._slot = slot
        taken = 0
        while taken < rows:
            if not self._filled:
                self._began_s = float(times[taken])
            part = places[:, taken : taken + self.block_rows - self._filled] + self._offsets
            self._block += np.bincount(part.ravel(), minlength=self._block.size).reshape(self._block.shape)
            taken += part.shape[1]
            self._filled += part.shape[1]
            if self._filled >= self.block_rows:
                raised += self._close(float(times[taken - 1]))
        return raised

    def note(self, places: Places, numbers: Numbers) -> None:
        """Remember the traces of rows, given their bins and the traces' numbers in the ring."""
        self.exemplars.note(places, numbers)

    def watches(self) -> list[Watch]:
        """Return what is known about each feature."""
        if self._known is not None and self._known[0] == self.rows:
            return self._known[1]
        bounds = self.detector.tv_lower_bounds()
        evidence = self.detector.log_e
        threshold = self.detector.threshold(self.budget.patience)
        found = [
            self._watch(i, counts, float(evidence[i]), float(bounds[i]), threshold)
            for i, counts in enumerate(self._by_feature(self.counts + self._block))
        ]
        self._known = (self.rows, found)
        return found

    def save(self) -> StreamState:
        """Return what is needed to go on after a restart."""
        return StreamState(
            counts=self.counts.copy(),
            block=self._block.copy(),
            block_rows=self._filled,
            block_began_s=self._began_s,
            block_slot=self._slot,
            spending=self.budget.save(),
            kept={
                i: [(f"{trace.trace_id:x}", f"{trace.span_id:x}") for trace in traces]
                for i, traces in self._kept.items()
            },
            detector=self.detector.state(),
        )

    def restore(self, state: StreamState) -> bool:
        """Go on from what `save` returned; return False, and do nothing, if it is of other features."""
        fits = state.counts.shape == state.block.shape == self.counts.shape
        if not fits or not self.detector.restore(state.detector):
            return False
        self.counts = state.counts.astype(np.int64)
        self._block = state.block.astype(np.int64)
        self._restored = self.counts + self._block
        self._filled, self._began_s, self._slot = state.block_rows, state.block_began_s, state.block_slot
        self.budget.restore(state.spending)
        self._kept = {
            i: tuple(Seen(int(trace, 16), int(span, 16)) for trace, span in traces)
            for i, traces in state.kept.items()
        }
        self._known = None
        return True

    def _by_feature(self, counts: Counts) -> list[Counts]:
        return [counts[i, : len(bins.coarse_names)] for i, bins in enumerate(self.bins)]

    def _close(self, now_s: float) -> list[int]:
        """Hand the block to the detector."""
        flags = self.detector.update(
            self._block,
            began_s=self._began_s,
            patience_blocks=self.budget.spend(self._began_s, now_s),
            slot=self._slot,
        )
        self.counts += self._block
        self._block[:] = 0
        self._filled = 0
        raised: list[int] = np.flatnonzero(flags).tolist()
        for i in raised:
            self._kept[i] = self._traces(i, float(self.detector.change_start_s[i]))
        return raised

    def _watch(self, i: int, counts: Counts, evidence: float, bound: float, threshold: float) -> Watch:
        detector, bins = self.detector, self.bins[i]
        recent = detector.recent[i, : len(bins.coarse_names)]
        alarm = bool(detector.alarm[i])
        start_s = float(detector.change_start_s[i]) if alarm else 0.0
        latest = self._traces(i, start_s)
        kept = self._kept.get(i, ()) if alarm else ()
        return Watch(
            feature=self.names[i],
            segment=self.segment,
            rows=int(counts.sum()),
            log_e=evidence,
            threshold=threshold,
            alarm=alarm,
            raised=utc(detector.raised_s[i]) if alarm else None,
            change_start=utc(start_s) if alarm else None,
            distances=measure_online(bins, recent),
            floor=float(detector.floor_whole[i]),
            tv_lower_bound=bound,
            missing_ratio=ratio(bins.coarse_names, counts, NULL),
            unseen_ratio=ratio(bins.coarse_names, counts, OTHER),
            outside_ratio=ratio(bins.coarse_names, counts, BELOW, ABOVE) if bins.numeric else None,
            moves=moves(bins, recent),
            traces=tuple(dict.fromkeys((*kept, *latest)))[-KEPT:],
        )

    def _traces(self, i: int, since_s: float) -> tuple[Seen, ...]:
        """Return some traces of rows that fell into the bins whose share has grown."""
        recent = self.detector.recent[i]
        total = recent.sum()
        if not total:
            recent, total = self._block[i], max(self._filled, 1)
        grown = recent / total - self.detector.p[i]
        # Those that carry the change: the noise of the others grows bins as well.
        bins: NDArray[np.intp] = np.flatnonzero(grown > max(grown.max() / 2, 0.0))
        return self.exemplars.of(i, bins, since_s)


def _floor(detector: Detector, i: int) -> float:
    """Return a feature's floor for whoever knows only the reference of the whole week."""
    slots = detector.expectations.slots
    season = 0.0 if slots is None else float(np.abs(slots[:, i] - detector.p[i]).sum(axis=-1).max() / 2)
    return min(float(detector.tolerated[i]) + season, 1.0)


def _gaps(bins: Bins) -> list[float]:
    std = bins.feature.std
    found: list[float] = (np.diff(online_places(bins)) / std).tolist() if std else []
    return found

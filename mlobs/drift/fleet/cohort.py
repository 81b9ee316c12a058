"""Features of a fleet that were first heard of together: their detector, and what was counted of them."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from mlobs.drift.calendar import utc
from mlobs.drift.detector import Detector, Reference, State
from mlobs.drift.feature import ABOVE, BELOW, NULL, OTHER
from mlobs.drift.fleet.totals import Learnt, Total, Who
from mlobs.drift.fleet.watch import FleetWatch, distances_of
from mlobs.drift.measures import most_moved, ratio


class SavedCohort(BaseModel):
    """What is kept of a cohort over a restart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    who: tuple[str, str, str, str]
    segment: str
    delayed: bool
    floor: float
    features: tuple[Learnt, ...] = Field(min_length=1)
    seen: tuple[tuple[int, ...], ...]
    past: tuple[tuple[int, ...], ...] = ()
    began_s: float
    sent_s: float
    heard_s: float | None = None
    detector: State


class Cohort:
    """Features of one segment that were first heard of together, and so have blocks in common.

    Args:
        who: Whose.
        segment: "" for all rows.
        delayed: Whether they are known only long after the row.
        floor: Of all of them.
        features: At least one.
        now_s: Seconds since 1970.
    """

    def __init__(
        self, who: Who, segment: str, *, delayed: bool, floor: float, features: Sequence[Learnt], now_s: float
    ) -> None:
        self.who = who
        self.segment = segment
        self.delayed = delayed
        self.features = tuple(features)
        self.begin_anew(floor)
        self.seen = np.zeros(self.detector.p.shape, np.int64)
        # What was counted by processes that are in the totals no more; `seen` is what is in them.
        self.past = np.zeros_like(self.seen)
        self.began_s = now_s
        self.heard_s = now_s
        self.gaps: dict[str, Mapping[str, float]] = {}
        self.ranges: dict[str, Mapping[str, str]] = {}
        self.processes = 0
        self.sent_s = 0.0

    def begin_anew(self, floor: float) -> None:
        """Forget all evidence, for it was about another floor. What was counted stays counted."""
        self.floor = floor
        references = [Reference(one.reference, one.design_effect) for one in self.features]
        self.detector = Detector(references, floor=floor)

    def take(
        self, totals: Mapping[str, Total], now_s: float, *, block_rows: int, patience_blocks: float
    ) -> list[str]:
        """Count what came since the last block, if it is enough for one; return the alarms it raised."""
        found = self._found(totals)
        raised = self._judge(found, now_s, block_rows, patience_blocks)
        self._let_go(totals, found)
        return raised

    def skip(self, totals: Mapping[str, Total]) -> None:
        """Take these totals for what has been counted, whatever they hold, and judge what comes after."""
        found = self._found(totals)
        self.past += self.seen - found
        self.seen = found
        self._let_go(totals, found)

    def hear(self, totals: Mapping[str, Total], now_s: float) -> None:
        """Note who tells, and when it was last."""
        self.processes = max((total.processes for total in totals.values()), default=0)
        sent_s = max((total.sent_s for total in totals.values()), default=self.sent_s)
        # By our own clock: those of others may be ahead.
        self.heard_s = now_s if sent_s != self.sent_s else min(self.heard_s, now_s)
        self.sent_s = sent_s

    def _found(self, totals: Mapping[str, Total]) -> NDArray[np.int64]:
        found = np.zeros_like(self.seen)
        for i, one in enumerate(self.features):
            total = totals.get(one.feature)
            if total is None:
                found[i] = self.seen[i]
                continue
            found[i, : len(one.bins)] = [total.counts.get(name, 0) for name in one.bins]
            self.gaps[one.feature], self.ranges[one.feature] = total.gaps, total.ranges
        return found

    def _judge(
        self, found: NDArray[np.int64], now_s: float, block_rows: int, patience_blocks: float
    ) -> list[str]:
        block = np.maximum(found - self.seen, 0)
        self.seen = np.minimum(self.seen, found)  # a total that shrank is counted from here on
        if int(block.sum(axis=1).max()) < block_rows:
            return []
        raised = self.detector.update(block, began_s=self.began_s, patience_blocks=patience_blocks)
        self.seen += block
        self.began_s = now_s
        return [self.features[i].feature for i in np.flatnonzero(raised)]

    def _let_go(self, totals: Mapping[str, Total], found: NDArray[np.int64]) -> None:
        """Do without what the totals will not hold any more. What of it waits for a block goes on waiting."""
        for i, one in enumerate(self.features):
            total = totals.get(one.feature)
            if total is None or total.kept is None:
                continue
            kept = np.array([total.kept.get(name, 0) for name in one.bins])
            gone = found[i, : len(one.bins)] - kept
            self.seen[i, : len(one.bins)] -= gone
            self.past[i, : len(one.bins)] += gone

    def watches(self, patience_blocks: float) -> list[FleetWatch]:
        """Return what is known about each feature."""
        bounds, evidence = self.detector.tv_lower_bounds(), self.detector.log_e
        threshold = self.detector.threshold(patience_blocks)
        return [
            self._watch(i, float(evidence[i]), float(bounds[i]), threshold) for i in range(len(self.features))
        ]

    def save(self) -> SavedCohort:
        """Return what is needed to go on after a restart."""
        return SavedCohort(
            who=self.who,
            segment=self.segment,
            delayed=self.delayed,
            floor=self.floor,
            features=self.features,
            seen=tuple(map(tuple, self.seen.tolist())),
            past=tuple(map(tuple, self.past.tolist())),
            began_s=self.began_s,
            sent_s=self.sent_s,
            heard_s=self.heard_s,
            detector=self.detector.state(),
        )

    @classmethod
    def restored(cls, saved: SavedCohort) -> "Cohort | None":
        """Return the cohort that `save` was asked of, or None if its detector is of another kind.

        Raises:
            ValueError: Its counts are not a table of numbers.
        """
        made = cls(
            Who(*saved.who),
            saved.segment,
            delayed=saved.delayed,
            floor=saved.floor,
            features=saved.features,
            now_s=saved.began_s,
        )
        seen = np.array(saved.seen, dtype=np.int64)
        past = np.array(saved.past, dtype=np.int64) if saved.past else made.past
        if not seen.shape == past.shape == made.seen.shape or not made.detector.restore(saved.detector):
            return None
        made.seen, made.past, made.sent_s = seen, past, saved.sent_s
        if saved.heard_s is not None:
            made.heard_s = saved.heard_s
        return made

    def _watch(self, i: int, evidence: float, bound: float, threshold: float) -> FleetWatch:
        one, detector = self.features[i], self.detector
        ranges = self.ranges.get(one.feature, {})
        k = len(one.bins)
        reference, recent = np.array(one.reference), detector.recent[i, :k]
        counted, alarm = (self.seen + self.past)[i, :k], bool(detector.alarm[i])
        return FleetWatch(
            **self.who._asdict(),
            feature=one.feature,
            segment=self.segment,
            processes=self.processes,
            rows=int(counted.sum()),
            blocks=detector.blocks,
            log_e=evidence,
            threshold=threshold,
            alarm=alarm,
            raised=utc(detector.raised_s[i]) if alarm else None,
            change_start=utc(detector.change_start_s[i]) if alarm else None,
            floor=self.floor,
            tv_lower_bound=bound,
            distances=distances_of(one.bins, reference, recent, self.gaps.get(one.feature, {})),
            missing_ratio=ratio(one.bins, counted, NULL),
            unseen_ratio=ratio(one.bins, counted, OTHER),
            outside_ratio=ratio(one.bins, counted, BELOW, ABOVE) if BELOW in one.bins else None,
            moves=most_moved(recent, reference, lambda place: ranges.get(one.bins[place], one.bins[place])),
            seen=utc(self.sent_s),
        )

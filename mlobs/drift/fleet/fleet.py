"""Every model that some process watches, and whose features have moved."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from mlobs.drift.calendar import DAY_S, YEAR_S
from mlobs.drift.fleet.cohort import Cohort, SavedCohort
from mlobs.drift.fleet.totals import Learnt, Total, Who
from mlobs.drift.fleet.watch import FleetWatch
from mlobs.drift.floors import FLOOR

FEATURES_MAX = 20_000
# Who was not heard of for so long is forgotten: a process and its counts, a version of a profile.
KEPT_S = 7 * DAY_S
GAP_S = DAY_S  # Who does not look for so long does not hear anybody either.


class Window(NamedTuple):
    """Which processes totals are asked of.

    Args:
        since_s: Those heard of since then, in whole seconds since 1970.
        next_s: The same for the question after this one.
        skip: Whether what came since the last look cannot be told from what came before.
    """

    since_s: int
    next_s: int
    skip: bool = False

    @classmethod
    def ending(cls, now_s: float) -> Self:
        """Return the window of somebody who has not asked yet. It moves on once a day."""
        since_s = max(int((now_s - KEPT_S) // DAY_S) * DAY_S, 0)
        return cls(since_s, since_s)


# Known only when the truth is, long after the row: they have blocks of their own.
DELAYED = ("target", "error")


class SavedFleet(BaseModel):
    """What is kept of a fleet over a restart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    cohorts: tuple[SavedCohort, ...]
    since_s: int = 0
    looked_s: float | None = None
    listening_s: float | None = None


class Fleet:
    """Every model that some process watches.

    Args:
        floor: The total variation not worth an alarm, at least: a monitor's own is wider where its
            reference swings. None for what each monitor says.
        false_alarms_per_year: For all features of one model, version and profile together, on average
            at most.
        interval_s: How often `look` is called, at most.
        block_rows: Fewer new rows wait for the next look.
    """

    def __init__(
        self, *, floor: float | None, false_alarms_per_year: float, interval_s: float, block_rows: int
    ) -> None:
        self.floor = floor
        self.patience_blocks = max(YEAR_S / interval_s / false_alarms_per_year, 1.0)
        self.block_rows = block_rows
        self.left_out = 0
        self.since_s = 0
        self._looked_s: float | None = None
        self._listening_s: float | None = None  # Since when there was no gap between looks.
        self._cohorts: list[Cohort] = []
        self._known: set[tuple[Who, str, str]] = set()
        self._family: Counter[Who] = Counter()

    def window(self, now_s: float) -> Window:
        """Return what the next look's totals have to be asked of."""
        newest = Window.ending(now_s)
        if not self._cohorts:
            return newest
        if self.since_s > now_s:  # Our clock was ahead, and let processes go that still tell.
            return newest._replace(skip=True)
        next_s = max(newest.next_s, self.since_s) if self._listened(now_s) else self.since_s
        return Window(self.since_s, next_s)

    def look(self, totals: Iterable[Total], now_s: float, window: Window | None = None) -> list[FleetWatch]:
        """Take in what has been counted by now; return the features whose alarms were raised.

        Args:
            totals: What the window's processes have counted, with what will be `kept` if the next is another.
            now_s: Seconds since 1970.
            window: What was asked of; all processes there are if None.
        """
        skip = window is not None and window.skip
        if window is not None:
            self.since_s = window.next_s
        if self._looked_s is None or not 0 <= now_s - self._looked_s <= GAP_S:
            self._listening_s = now_s
        self._looked_s = now_s
        found = {(one.who, one.segment, one.feature): one for one in totals}
        self._meet(found, now_s)
        raised: list[FleetWatch] = []
        for cohort in self._cohorts:
            mine = {
                one.feature: total
                for one in cohort.features
                if (total := found.get((cohort.who, cohort.segment, one.feature))) is not None
            }
            cohort.hear(mine, now_s)
            if skip:
                cohort.skip(mine)
                continue
            floors = {self._floor(total, cohort.floor) for total in mine.values()}
            if len(floors) == 1 and floors != {cohort.floor}:
                cohort.begin_anew(floors.pop())
            names = cohort.take(
                mine, now_s, block_rows=self.block_rows, patience_blocks=self._patience(cohort)
            )
            if names:
                raised += [one for one in cohort.watches(self._patience(cohort)) if one.feature in names]
        if self._listened(now_s):
            self._forget(now_s - KEPT_S)
        return raised

    def watches(self, *, heard_since_s: float = 0.0) -> list[FleetWatch]:
        """Return what is known about each feature, those with most evidence first.

        Args:
            heard_since_s: Only features of which some process told since then, in seconds since 1970.
        """
        found = [
            watch
            for cohort in self._cohorts
            if cohort.sent_s >= heard_since_s
            for watch in cohort.watches(self._patience(cohort))
        ]
        return sorted(found, key=lambda one: (not one.alarm, one.threshold - one.log_e))

    def save(self) -> SavedFleet:
        """Return what is needed to go on after a restart."""
        return SavedFleet(
            cohorts=tuple(cohort.save() for cohort in self._cohorts),
            since_s=self.since_s,
            looked_s=self._looked_s,
            listening_s=self._listening_s,
        )

    def restore(self, text: str | bytes) -> bool:
        """Go on from what `save` returned, as JSON; return False if some does not fit and begins anew."""
        try:
            saved = SavedFleet.model_validate_json(text)
            cohorts = [Cohort.restored(one) for one in saved.cohorts]
        except (ValueError, OverflowError):  # pydantic's own error is a ValueError
            return False
        self.since_s, self._looked_s, self._listening_s = saved.since_s, saved.looked_s, saved.listening_s
        for cohort in cohorts:
            if cohort is not None:
                self._add(cohort)
        return None not in cohorts

    def _patience(self, cohort: Cohort) -> float:
        """Return the patience that a cohort's detector is given.

        It counts only its own features; the promise is for those of all cohorts that are `who`'s.
        """
        return self.patience_blocks * self._family[cohort.who] / len(cohort.features)

    def _meet(self, found: Mapping[tuple[Who, str, str], Total], now_s: float) -> None:
        """Make cohorts of features that are heard of for the first time."""
        news: dict[tuple[Who, str, bool, float], list[Learnt]] = {}
        room = FEATURES_MAX - len(self._known)
        self.left_out = 0
        for (who, segment, feature), total in found.items():
            if (who, segment, feature) in self._known or total.sent_s < now_s - KEPT_S:
                continue
            learnt = Learnt.of(total)
            if learnt is None:
                continue
            if room <= 0:
                self.left_out += 1
                continue
            room -= 1
            floor = self._floor(total, FLOOR if self.floor is None else self.floor)
            news.setdefault((who, segment, feature in DELAYED, floor), []).append(learnt)
        for (who, segment, delayed, floor), features in news.items():
            self._add(Cohort(who, segment, delayed=delayed, floor=floor, features=features, now_s=now_s))

    def _floor(self, total: Total, otherwise: float) -> float:
        told = total.floor if total.floor is not None and total.floor < 1 else otherwise
        return max(told, self.floor or 0.0)

    def _listened(self, now_s: float) -> bool:
        """Return whether who was silent for `KEPT_S` was so while somebody listened."""
        if self._looked_s is None or self._listening_s is None:
            return False
        return 0 <= now_s - self._looked_s <= GAP_S and now_s - self._listening_s >= KEPT_S

    def _forget(self, before_s: float) -> None:
        """Make room for others in the place of those that nobody has told of since."""
        gone = [cohort for cohort in self._cohorts if cohort.heard_s < before_s]
        if not gone:
            return
        self._cohorts = [cohort for cohort in self._cohorts if cohort.heard_s >= before_s]
        for cohort in gone:
            self._known.difference_update(
                (cohort.who, cohort.segment, one.feature) for one in cohort.features
            )
            self._family[cohort.who] -= len(cohort.features)
        self._family = +self._family  # without those that have none left

    def _add(self, cohort: Cohort) -> None:
        self._cohorts.append(cohort)
        self._known.update((cohort.who, cohort.segment, one.feature) for one in cohort.features)
        self._family[cohort.who] += len(cohort.features)

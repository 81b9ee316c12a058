"""What a monitor would have said about rows of the past: `backtest(profile, history)`.

The rows go through the same `Live` that a service's monitor has, in the order of their own times, once
for each pair of a floor and a number of false alarms a year. So a team sees which alarms it would have had
before it is paged: when, how long after the change, and how many more with other settings.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from mlobs.drift.calendar import DAY_S, utc
from mlobs.drift.columns import Categories, Codes, Column, part
from mlobs.drift.days import seconds_column
from mlobs.drift.floors import Floor, refuse_no_floor
from mlobs.drift.frames import batches
from mlobs.drift.live import Live
from mlobs.drift.measures import Move
from mlobs.drift.profile import Profile
from mlobs.drift.streams.settings import BLOCK_ROWS
from mlobs.drift.streams.watch import Watch
from mlobs.errors import DataError, ProfileError, SettingError

FLOORS: tuple[Floor, ...] = (0.05, 0.02, 0.1)
FALSE_ALARMS_PER_YEAR = (1.0, 12.0)
SECONDS_MAX = 253_402_300_800.0  # the year 10,000

Doubles = np.ndarray[Any, np.dtype[np.float64]]
Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """An alarm that would have stood.

    Args:
        feature: The column, or `prediction`, `target` or `error`.
        segment: The rows it is about; "" for all.
        change_start: When the change began, by the detector's estimate.
        raised: When the alarm would have been raised.
        cleared: When it would have been cleared, or None if it stood at the end.
        rows: From the estimated beginning of the change to the alarm, all segments together.
        tv: Total variation from the profile, of the rows since the change.
        moves: The bins that changed most.
    """

    feature: str
    segment: str
    change_start: datetime
    raised: datetime
    cleared: datetime | None
    rows: int
    tv: float | None
    moves: tuple[Move, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What one setting would have said.

    Args:
        floor: See `Monitor`.
        false_alarms_per_year: See `Monitor`.
        episodes: In the order in which they were raised.
    """

    floor: Floor
    false_alarms_per_year: float
    episodes: tuple[Episode, ...]

    def after(self, moment: datetime) -> tuple[Episode, ...]:
        """Return the alarms raised at a moment or later."""
        return tuple(one for one in self.episodes if one.raised >= moment)

    def before(self, moment: datetime) -> tuple[Episode, ...]:
        """Return the alarms raised before a moment."""
        return tuple(one for one in self.episodes if one.raised < moment)


@dataclass(frozen=True, kw_only=True, slots=True)
class Backtest:
    """What a monitor would have said.

    Args:
        model: Of the profile.
        profile_ref: Its version.
        rows: Of the history.
        began: The time of its first row; ended: of its last.
        runs: One for each pair of a floor and a number of false alarms a year.
    """

    model: str | None
    profile_ref: str
    rows: int
    began: datetime
    ended: datetime
    runs: tuple[Run, ...]


def backtest(
    profile: Profile,
    data: Any,
    *,
    time: str | None = None,
    rows_per_day: float | None = None,
    floors: Sequence[Floor] = FLOORS,
    false_alarms_per_year: Sequence[float] = FALSE_ALARMS_PER_YEAR,
    block_rows: int = BLOCK_ROWS,
) -> Backtest:
    """Replay `data` through a monitor's detector and say what would have been alarmed.

    Args:
        profile: Of the data the model was trained on.
        data: As for `Profile.of`, in the order of time.
        time: The column that says when a row came; the profile's if None.
        rows_per_day: How many rows came in a day, for a history without such a column. Its clock
            then begins in 1970.
        floors: Shares of values that may sit in the wrong bin; or "learned".
        false_alarms_per_year: For the whole monitor, on average at most.
        block_rows: Rows that are judged together.

    Raises:
        DataError: The history cannot be read, is empty, or goes back in time.
        ProfileError: There is no column that says when a row came.
        SettingError: A setting cannot be used.
    """
    _check(profile, floors, false_alarms_per_year, block_rows, rows_per_day)
    settings = [(floor, false_alarms) for floor in floors for false_alarms in false_alarms_per_year]
    replays = [
        _Replay(Live(profile, floor=floor, false_alarms_per_year=false_alarms, block_rows=block_rows))
        for floor, false_alarms in settings
    ]
    clock = _Clock(time or profile.time, rows_per_day)
    for columns, times in _slices(batches(data), clock, block_rows):
        for replay in replays:
            replay.add(columns, times)
    if clock.first_s is None:
        raise DataError("The history has no rows. Wanted: rows that a monitor could have seen.")
    return Backtest(
        model=profile.model,
        profile_ref=profile.ref,
        rows=clock.rows,
        began=utc(clock.first_s),
        ended=utc(clock.last_s),
        runs=tuple(
            Run(floor=floor, false_alarms_per_year=false_alarms, episodes=tuple(replay.episodes))
            for (floor, false_alarms), replay in zip(settings, replays, strict=True)
        ),
    )


class _Clock:
    """Says when rows came, by a column or by their number."""

    def __init__(self, column: str | None, rows_per_day: float | None) -> None:
        if column is None and rows_per_day is None:
            raise ProfileError(
                "Nothing says when the rows of the history came, and false alarms a year need that. "
                "Name the column with --time, or give --rows-per-day."
            )
        self.column = None if rows_per_day is not None else column
        self.step_s = DAY_S / rows_per_day if rows_per_day is not None else 0.0
        self.rows = 0
        self.first_s: float | None = None
        self.last_s = 0.0

    def times(self, columns: Mapping[str, Column], rows: int) -> Doubles:
        """Return when each row of the next batch came, and go on."""
        if self.column is None:
            found = np.arange(self.rows, self.rows + rows, dtype=np.float64) * self.step_s
        else:
            found = self._of_column(columns)
        if not (found.min() >= 0 and found.max() < SECONDS_MAX):
            wrong = float(found[(found < 0) | ~(found < SECONDS_MAX)][0])
            raise DataError(
                f"{wrong:g} seconds since 1970 is no time from 1970 to 9999. Are they milliseconds, or is it "
                f"another column that says when a row came? Wanted: timestamps, ISO texts, or seconds."
            )
        if self.first_s is None:
            self.first_s = float(found.min())
        elif float(found.min()) < self.last_s:
            raise DataError(
                f"The history goes back in time: after {utc(self.last_s):%Y-%m-%d %H:%M:%S} comes "
                f"{utc(float(found.min())):%Y-%m-%d %H:%M:%S}, from row {self.rows} on. "
                f"Sort the rows by {self.column!r}; files are read in the order in which they are named."
            )
        self.last_s = float(found.max())
        self.rows += rows
        return found

    def _of_column(self, columns: Mapping[str, Column]) -> Doubles:
        name = str(self.column)
        if name not in columns:
            raise ProfileError(
                f"The history has no column {name!r}, which says when a row came. "
                f"Columns found: {', '.join(sorted(columns))}. Name one of them with --time, or give "
                f"--rows-per-day."
            )
        found = seconds_column(name, columns[name])
        if not np.isfinite(found).all():
            missing = int((~np.isfinite(found)).sum())
            raise DataError(
                f"{missing} rows have no time in column {name!r}. Leave them out, or fill the column."
            )
        return found


class _Replay:
    """One monitor's past: its alarms as they come and go."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.episodes: list[Episode] = []
        self._standing: dict[Key, int] = {}  # places in `episodes`
        self._ends: list[float] = []  # when each slice of rows ended
        self._rows: list[int] = []  # rows until then

    def add(self, columns: Mapping[str, Column], times: Doubles) -> None:
        """Take in rows, at most a block, in the order of time."""
        raised = self.live.add_columns(columns, len(times), times)
        self._ends.append(float(times[-1]))
        self._rows.append(len(times) + (self._rows[-1] if self._rows else 0))
        for watch in raised:
            if watch.raised is not None and watch.change_start is not None:
                self._standing[(watch.segment, watch.feature)] = len(self.episodes)
                self.episodes.append(self._episode(watch, watch.raised, watch.change_start))
        if self._standing:
            self._clear(utc(float(times[-1])))

    def _episode(self, watch: Watch, raised: datetime, start: datetime) -> Episode:
        before = int(np.searchsorted(self._ends, start.timestamp()))
        rows = self._rows[-1] - (self._rows[before - 1] if before else 0)
        return Episode(
            feature=watch.feature,
            segment=watch.segment,
            change_start=start,
            raised=raised,
            cleared=None,
            rows=rows,
            tv=watch.distances.tv,
            moves=watch.moves,
        )

    def _clear(self, now: datetime) -> None:
        """Note which alarms do not stand any more."""
        standing = {(stream.segment, name) for stream in self.live.streams.values() for name in stream.alarms}
        for key in [key for key in self._standing if key not in standing]:
            place = self._standing.pop(key)
            self.episodes[place] = replace(self.episodes[place], cleared=now)


def _slices(
    source: Iterable[Any], clock: _Clock, rows_max: int
) -> Iterator[tuple[Mapping[str, Column], Doubles]]:
    """Yield rows in the order of time, at most a block at once, so that no alarm comes and goes unseen."""
    for batch in source:
        if not batch.rows:
            continue
        times = clock.times(batch.columns, batch.rows)
        order = np.argsort(times, kind="stable")
        for start in range(0, batch.rows, rows_max):
            rows = order[start : start + rows_max]
            yield {name: _part(column, rows) for name, column in batch.columns.items()}, times[rows]


def _part(column: Column, rows: Codes) -> Column:
    """Return the values in some rows; of a column with many levels only the levels that occur in them."""
    found = part(column, rows)
    if not isinstance(found, Categories) or len(found.levels) <= len(rows):
        return found
    used, codes = np.unique(found.codes, return_inverse=True)
    levels = [found.levels[code] for code in used.tolist() if code >= 0]
    missing = len(used) - len(levels)  # -1 sorts first
    return replace(found, codes=codes - missing, levels=levels)


def _check(
    profile: Profile,
    floors: Sequence[Floor],
    false_alarms: Sequence[float],
    block_rows: int,
    rows_per_day: float | None,
) -> None:
    if not profile.features:
        raise SettingError("The profile has no features, so there is nothing to watch.")
    for floor in floors:
        refuse_no_floor(floor)
    for number in false_alarms:
        if not (0 < number < np.inf):
            raise SettingError(
                f"{number:g} false alarms a year cannot be promised: a number above 0 was expected."
            )
    if block_rows < 1:
        raise SettingError(f"Blocks of {block_rows} rows cannot be judged: at least 1 row was expected.")
    if rows_per_day is not None and not (0 < rows_per_day < np.inf):
        raise SettingError(f"{rows_per_day:g} rows a day make no clock: it must be above 0.")

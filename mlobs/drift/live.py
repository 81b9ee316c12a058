"""What a monitor knows: live counts by feature and bin, and the detectors that they feed.

Rows come in slices or in batches, with the time as an argument; whoever calls keeps threads apart.
`Monitor` says what the arguments mean. See `streams` for how a row becomes counts, and
`streams.budget` for why all streams together keep one promise.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from mlobs.drift.bins import Bins
from mlobs.drift.calendar import HOUR_S, hour_of_week
from mlobs.drift.columns import Categories, Column, Numbers, part
from mlobs.drift.floors import Floor
from mlobs.drift.profile import ERROR, Profile
from mlobs.drift.quality import error_of
from mlobs.drift.segments import SEGMENTS_MAX
from mlobs.drift.streams.complaints import Complaints, too_wide
from mlobs.drift.streams.joining import Joiner, Pending, truth_of
from mlobs.drift.streams.places import Placer, Places, placed
from mlobs.drift.streams.quality import Judge, Quality, Tally
from mlobs.drift.streams.rows import mapping_of, plain, why_unreadable
from mlobs.drift.streams.schema import Schema, sentences, tells_types
from mlobs.drift.streams.segments import Segments
from mlobs.drift.streams.settings import JOIN_WITHIN_S, PENDING_MAX
from mlobs.drift.streams.stream import Stream, StreamState
from mlobs.drift.streams.traces import SLICE_MAX, Ring, Trace, seen
from mlobs.drift.streams.watch import Counted, Watch

SEGMENT_BINS_MAX = 2_000

Row = tuple[object, object, object, Trace | None]  # the row, its prediction, its id, its trace
Doubles = NDArray[np.float64]
Label = tuple[object, object, object]  # the id, the truth, and the prediction if the caller knows it


class Saved(BaseModel):
    """What a monitor keeps over a restart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile_ref: str
    floor: Floor
    block_rows: int
    false_alarms_per_year: float
    streams: dict[str, StreamState]
    pending: Pending
    tally: Tally


class Live:
    """Counts rows by the bins of a profile. `Monitor` says what the arguments mean."""

    def __init__(
        self,
        profile: Profile,
        *,
        floor: Floor,
        false_alarms_per_year: float,
        block_rows: int,
        segments_max: int = SEGMENTS_MAX,
        join_within_s: float = JOIN_WITHIN_S,
        pending_max: int = PENDING_MAX,
        ref: str | None = None,
    ) -> None:
        self.profile = profile
        self.ref = ref or profile.ref  # costs a hash of it all
        self.settings = (floor, block_rows, false_alarms_per_year)
        late = {profile.target, profile.error}
        features = {name: one for name, one in profile.features.items() if name not in late}
        self.labelled = {name: one for name, one in profile.features.items() if name in late}
        self.inputs = [name for name in features if name != profile.prediction]
        self.ring = Ring()
        self.joiner = Joiner(join_within_s, pending_max)
        self.judge = Judge(profile)
        self.segments = Segments(profile, segments_max) if profile.segments else None
        self.unreadable_rows = 0
        self.complaints = Complaints()
        self._looked_at = 0  # rows, for complaints
        self._latest_s = 0.0
        self._seasonal = any(one.slots for one in features.values())
        known = [profile.time, profile.target, profile.prediction, *profile.by, *profile.excluded]
        bins = [Bins(one) for one in features.values()]
        self.placer = Placer(
            list(features), bins, given=profile.prediction, known=[name for name in known if name is not None]
        )
        parts = [] if self.segments is None else self.segments.names
        options: dict[str, Any] = {
            "floor": floor,
            "family": len(features) * (1 + len(parts)) + len(self.labelled),
            "false_alarms_per_year": false_alarms_per_year,
            "block_rows": block_rows,
            "ring": self.ring,
        }
        wire = profile.wire_names
        names = [wire[name] for name in features]
        self.whole = Stream(names, bins, **options)
        self.parts = [
            Stream(names, self.segments.bins(place, features), segment=part_name, **options)
            for place, part_name in enumerate(parts)
            if self.segments is not None
        ]
        self.labels = (
            Stream(
                [wire[name] for name in self.labelled],
                [Bins(one) for one in self.labelled.values()],
                **options,
            )
            if self.labelled
            else None
        )

    @property
    def streams(self) -> dict[str, Stream]:
        """Return all streams: of all rows as "", of segments as "=" and the name, of labels as "labels"."""
        found = {"": self.whole} | {f"={stream.segment}": stream for stream in self.parts}
        return found if self.labels is None else found | {"labels": self.labels}

    def add(self, rows: Sequence[Row], now_s: float | Doubles) -> list[Watch]:
        """Count rows; return what is known about the features whose alarms were raised.

        Args:
            rows: As services have them.
            now_s: When they came: one time, or one for each row, none before the one above.
        """
        found = [row[0] if type(row[0]) is dict else mapping_of(row[0], self.inputs) for row in rows]
        if None in found:
            readable = [i for i, one in enumerate(found) if one is not None]
            self.unreadable_rows += len(found) - len(readable)
            self.complaints.add(why_unreadable(rows[found.index(None)][0], self.inputs))
            rows = [rows[i] for i in readable]
            now_s = now_s[readable] if isinstance(now_s, np.ndarray) else now_s
        read = [one for one in found if one is not None]
        if not read:
            return []
        times = self._time(now_s)
        predictions = [None if row[1] is None else plain(row[1]) for row in rows]
        places = self.placer.of_rows(read, predictions)
        self._expect(rows, read, predictions, _last(times))
        members = None if self.segments is None else self.segments.of_rows(read)
        return self._count(places, times, members, self._numbers([row[3] for row in rows], _last(times)))

    def add_columns(
        self,
        columns: Mapping[str, Column],
        rows: int,
        now_s: float | Doubles,
        *,
        ids: Sequence[object] | None = None,
        trace: Trace | None = None,
    ) -> list[Watch]:
        """Count the rows of a batch; a prediction and a target are columns of it.

        Args:
            columns: By name.
            rows: How many rows the batch has.
            now_s: When they came: one time, or one for each row.
            ids: Of the rows, for labels that come later.
            trace: In which they came together.
        """
        if not rows:
            return []
        if isinstance(now_s, np.ndarray):
            order = np.argsort(now_s, kind="stable")
            if (np.diff(order) != 1).any():
                now_s = now_s[order]
                columns = {name: part(column, order) for name, column in columns.items()}
                ids = None if ids is None else [ids[i] for i in order.tolist()]
        places = self.placer.of_columns(columns, rows)
        times = self._time(now_s)
        members = None if self.segments is None else self.segments.of_columns(columns, rows)
        last_s = _last(times)
        numbers = None if trace is None else self._numbers([trace] * rows, last_s)
        raised = self._count(places, times, members, numbers)
        predictions = _values(columns.get(self.profile.prediction or ""), rows)
        if ids is not None:
            for key, prediction in zip(ids, predictions, strict=True):
                self.joiner.expect(key, prediction, last_s)
        if self.profile.target is not None and self.profile.target in columns:
            truths = _values(columns[self.profile.target], rows)
            raised += self._judge(list(zip(predictions, truths, strict=True)), last_s)
        return raised

    def add_labels(self, labels: Sequence[Label], now_s: float) -> list[Watch]:
        """Join labels to their predictions and judge them; return what `add` returns."""
        pairs = []
        for key, said, given in labels:
            truth = truth_of(plain(said))
            usable = self.judge.can_use(truth)
            if given is None:
                outcome, prediction = self.joiner.take(key, now_s, usable=usable)
            else:
                outcome, prediction = self.joiner.with_label(plain(given), usable=usable)
            if outcome in {"joined", "unusable"}:
                pairs.append((prediction, truth))
            if outcome == "unusable":
                self.complaints.add(self._unusable(truth), "unusable")
        return self._judge(pairs, _last(self._time(now_s)))

    def watches(self) -> list[Watch]:
        """Return what is known about each feature of each stream."""
        return [watch for stream in self.streams.values() for watch in stream.watches()]

    def counted(self) -> list[Counted]:
        """Return what was counted of each feature of each stream.

        Segments are left out where their bins are too many to be worth a time series each.
        """
        streams = [
            self.whole,
            *(self.parts if self.few_segments else ()),
            *([self.labels] if self.labels else ()),
        ]
        return [counted for stream in streams for counted in stream.counted(self.ref)]

    @property
    def few_segments(self) -> bool:
        """Return whether segments have few bins in all."""
        return len(self.parts) * sum(len(bins.coarse_names) for bins in self.whole.bins) <= SEGMENT_BINS_MAX

    def quality(self) -> list[Quality]:
        """Return how good predictions were, by the labels that have come."""
        return self.judge.figures()

    def schema(self) -> Schema:
        """Return how live rows differ in form from those of the profile."""
        counted = zip(self.placer.names, self.placer.bins, self.whole.live, strict=True)
        return Schema(
            missing={name: self.placer.missing[name] for name in self.inputs},
            wrong_type={
                name: int(counts[-1]) if tells_types(bins.feature) else self.placer.wrong[name]
                for name, bins, counts in counted
            },
            extra=dict(self.placer.extra),
        )

    def told(self) -> list[str]:
        """Return what is to be told of rows and labels that are not as in the profile, each once."""
        if self.whole.blind:
            self.complaints.add(too_wide(self.whole.blind), "blind")
        if self._looked_at != self.whole.rows:
            self._looked_at = self.whole.rows
            for finding, sentence in sentences(self.schema(), self.profile.features).items():
                self.complaints.add(sentence, finding)
        return self.complaints.take()

    def save(self) -> Saved:
        """Return what is needed to go on after a restart."""
        floor, block_rows, false_alarms = self.settings
        return Saved(
            profile_ref=self.ref,
            floor=floor,
            block_rows=block_rows,
            false_alarms_per_year=false_alarms,
            streams={name: stream.save() for name, stream in self.streams.items()},
            pending=self.joiner.save(),
            tally=self.judge.save(),
        )

    def restore(self, text: str) -> bool:
        """Go on from what `save` returned, as JSON; return False if it does not fit this monitor."""
        try:
            saved = Saved.model_validate_json(text)
        except ValidationError:
            return False
        settings = (saved.floor, saved.block_rows, saved.false_alarms_per_year)
        streams = self.streams
        if saved.profile_ref != self.ref or settings != self.settings:
            return False
        if saved.streams.keys() != streams.keys():
            return False
        if not all(stream.restore(saved.streams[name]) for name, stream in streams.items()):
            return False
        self.joiner.restore(saved.pending)
        self.judge.restore(saved.tally)
        return True

    def _count(
        self,
        places: Places,
        times: float | Doubles,
        members: NDArray[np.intp] | None,
        numbers: NDArray[np.int64] | None,
    ) -> list[Watch]:
        """Give rows to the stream of all, and to those of their segments."""
        raised: list[Watch] = []
        for stream, chosen in self._routed(members):
            mine = places if chosen is None else places[:, chosen]
            when = times if chosen is None or isinstance(times, float) else times[chosen]
            if numbers is not None:
                theirs = numbers if chosen is None else numbers[chosen]
                stream.note(mine[:, theirs >= 0], theirs[theirs >= 0])
            for slot, run in self._hours(when):
                at = when if run is None or isinstance(when, float) else when[run]
                found = stream.add(mine if run is None else mine[:, run], at, slot)
                raised += [stream.watches()[i] for i in found]
        return raised

    def _expect(
        self, rows: Sequence[Row], read: Sequence[Mapping[str, Any]], predictions: Sequence[Any], now_s: float
    ) -> None:
        """Keep the predictions of rows with an id until their labels come."""
        column = self.profile.prediction or ""
        for i in [i for i, row in enumerate(rows) if row[2] is not None]:
            given = predictions[i]
            self.joiner.expect(rows[i][2], read[i].get(column) if given is None else given, now_s)

    def _numbers(self, traces: Sequence[Trace | None], now_s: float) -> NDArray[np.int64] | None:
        """Return the numbers of the rows' traces, -1 for rows without one."""
        traced = [(i, trace) for i, trace in enumerate(traces) if trace is not None][-SLICE_MAX:]
        found = [(i, seen(trace)) for i, trace in traced if trace is not None]
        usable = [(i, trace) for i, trace in found if trace is not None]
        if not usable:
            return None
        numbers = np.full(len(traces), -1, np.int64)
        numbers[[i for i, _ in usable]] = self.ring.put([trace for _, trace in usable], now_s)
        return numbers

    def _routed(self, members: NDArray[np.intp] | None) -> list[tuple[Stream, NDArray[np.intp] | None]]:
        routes: list[tuple[Stream, NDArray[np.intp] | None]] = [(self.whole, None)]
        if members is not None:
            order = np.argsort(members, kind="stable")
            found, starts = np.unique(members[order], return_index=True)
            split = np.split(order, starts[1:])
            routes += [(self.parts[place], rows) for place, rows in zip(found.tolist(), split, strict=True)]
        return routes

    def _hours(self, when: float | Doubles) -> list[tuple[int | None, slice | None]]:
        """Return the hours of the week with the rows that lie in each; all rows if it does not matter."""
        if not self._seasonal:
            return [(None, None)]
        if isinstance(when, float):
            return [(hour_of_week(when), None)]
        hours = np.floor(when / HOUR_S)
        ends = [*(np.flatnonzero(np.diff(hours)) + 1).tolist(), len(hours)]
        starts = [0, *ends[:-1]]
        return [
            (hour_of_week(float(when[start])), slice(start, end))
            for start, end in zip(starts, ends, strict=True)
        ]

    def _time(self, now_s: float | Doubles) -> float | Doubles:
        """Return a time that never goes back: a clock that was set back must not make alarms cheap."""
        if isinstance(now_s, np.ndarray):
            times = np.maximum.accumulate(
                np.maximum(np.nan_to_num(now_s, nan=self._latest_s), self._latest_s)
            )
            self._latest_s = float(times[-1])
            return times
        self._latest_s = max(self._latest_s, float(now_s))
        return self._latest_s

    def _unusable(self, truth: Any) -> str:
        target = self.profile.features.get(self.profile.target or "")
        kind = "truth" if target is None else f"value of type {target.dtype or target.kind}"
        return f"A label of {str(truth)[:40]!r} cannot be judged. Wanted: a {kind}, as in the profile."

    def _judge(self, pairs: Sequence[tuple[Any, Any]], now_s: float) -> list[Watch]:
        for prediction, truth in pairs:
            self.judge.add(prediction, truth)
        stream = self.labels
        if stream is None or not pairs:
            return []
        columns = []
        for name, bins in zip(self.labelled, stream.bins, strict=True):
            kind = bins.feature.kind
            values = [truth if name != ERROR else error_of(kind, truth, given) for given, truth in pairs]
            columns.append(placed(bins, values))
        return [stream.watches()[i] for i in stream.add(np.stack(columns), now_s)]


def _last(times: float | Doubles) -> float:
    return float(times) if isinstance(times, float) else float(times[-1])


def _values(column: Column | None, rows: int) -> list[Any]:
    """Return a column's values as Python has them, None where they are missing."""
    if isinstance(column, Numbers):
        return [None if value != value else value for value in column.values.tolist()]
    if isinstance(column, Categories):
        levels: list[Any] = [False, True, None] if column.boolean else [*column.levels, None]
        return [levels[code] for code in column.codes.tolist()]
    return [None] * rows

"""Counts live data by a profile, and notes where its schema differs.

A column that cannot be counted is left out and told; nothing here ends the check of the others.
"""

from collections.abc import Mapping, Sequence

from mlobs.drift import segments as naming
from mlobs.drift.bins import Bins
from mlobs.drift.columns import Batch, Codes, Column
from mlobs.drift.days import seconds_column, slots_of
from mlobs.drift.profile import ERROR, Profile
from mlobs.drift.quality import NOT_COMPARABLE, error_column
from mlobs.drift.schema import MISSING_COLUMN, change_of, has_fractions
from mlobs.drift.tally import Rows, Tally
from mlobs.errors import DataError, ProfileError


class Intake:
    """The counts of live data.

    Args:
        profile: By whose bins.
        names: Of its features, those that are counted.

    `changes` says what is different, by column; `uncounted` are those of them that have no counts;
    `unlabelled` the columns that wait for labels or predictions; `extra` those that the profile does
    not know. `notes` are sentences on what could not be done.
    """

    def __init__(self, profile: Profile, names: Sequence[str]) -> None:
        self.profile = profile
        self.rows = 0
        self.changes: dict[str, str] = {}
        self.uncounted: set[str] = set()
        self.unlabelled: dict[str, str] = {}
        self.extra: dict[str, None] = {}
        self.notes: dict[str, None] = {}
        self.labels = list(profile.segments)
        season = profile.time is not None and any(profile.features[name].slots for name in names)
        self.seasonal = season
        self.tallies = {
            name: Tally(Bins(profile.features[name]), segments=len(self.labels), by_time=season)
            for name in names
        }

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        columns = self._with_error(batch.columns)
        if not columns and not batch.rows:
            return
        rows = Rows(slots=self._slots(columns), segments=self._segments(columns))
        for name, tally in self.tallies.items():
            if name in self.uncounted or name in self.unlabelled:
                continue
            column = columns.get(name)
            if column is None:
                self._missing(name)
                continue
            change = change_of(self.profile.features[name], column)
            if change is not None:
                self.changes.setdefault(name, change)
            elif has_fractions(self.profile.features[name], column):
                self._note(f"The column {name!r} held whole numbers and has fractions now.")
            try:
                tally.add(column, rows)
            except DataError as error:  # of another kind
                self.changes.setdefault(name, str(error))
                self.uncounted.add(name)
        self.extra |= dict.fromkeys(name for name in batch.columns if self._is_extra(name))
        self.rows += batch.rows

    def _with_error(self, columns: Mapping[str, Column]) -> Mapping[str, Column]:
        """Add the feature that prediction and target make."""
        profile = self.profile
        if profile.error not in self.tallies:
            return columns
        found, wanted = columns.get(profile.prediction or ""), columns.get(profile.target or "")
        if found is None or wanted is None:
            return columns
        error = error_column(wanted, found)
        if error is None:
            self.changes.setdefault(ERROR, NOT_COMPARABLE)
            self.uncounted.add(ERROR)
            return columns
        return {**columns, ERROR: error}

    def _missing(self, name: str) -> None:
        """Note a column that is not there. Labels and predictions may come later than the features."""
        profile = self.profile
        late = {profile.target: "the data has no labels", profile.prediction: "the data has no predictions"}
        if name in late:
            self.unlabelled[name] = late[name]
        elif name == profile.error:
            self.unlabelled[name] = "the data has not both labels and predictions"
        else:
            self.changes[name] = MISSING_COLUMN
            self.uncounted.add(name)

    def _slots(self, columns: Mapping[str, Column]) -> Codes | None:
        if not self.seasonal:
            return None
        name = str(self.profile.time)
        what = "is not there"
        if name in columns:
            try:
                return slots_of(seconds_column(name, columns[name]))
            except ProfileError:
                what = "holds no times"
        self.seasonal = False
        self._note(
            f"The column {name!r} {what}, so the rows were compared with the whole reference and not with "
            f"its hours of the week."
        )
        return None

    def _segments(self, columns: Mapping[str, Column]) -> Codes | None:
        if not self.labels:
            return None
        missing = [name for name in self.profile.by if name not in columns]
        try:
            if not missing:
                return naming.places_of([columns[name] for name in self.profile.by], self.labels)
        except ProfileError:  # a column of something that has no name; its own finding says so
            missing = list(self.profile.by)
        self.labels = []
        self._note(
            f"The segments by {', '.join(self.profile.by)} were not compared: the data does not have the "
            f"columns to tell them apart. Wanted: {', '.join(missing)}."
        )
        return None

    def _note(self, sentence: str) -> None:
        self.notes[sentence] = None

    def _is_extra(self, name: str) -> bool:
        known = {self.profile.time, self.profile.prediction, self.profile.target, *self.profile.by}
        return name not in self.profile.features and name not in self.profile.excluded and name not in known

"""A gate: has this data drifted from the profile? With a bounded chance of a wrong yes.

For a pipeline that must let a batch pass or hold it back, for a canary, for a nightly job that looks at
the data of the day as it grows. One may look after every update and stop whenever one likes.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.bins import Bins
from mlobs.drift.columns import Column
from mlobs.drift.detector import Detector, Reference
from mlobs.drift.floors import FLOOR, Floor, refuse_no_floor
from mlobs.drift.frames import batches
from mlobs.drift.profile import ERROR, Profile
from mlobs.drift.quality import error_column
from mlobs.drift.sequential.discoveries import log_strongest
from mlobs.drift.streams.settings import BLOCK_ROWS, profile_of
from mlobs.errors import DataError, SettingError

SEED = 20_260_101


class Gate:
    """Collects evidence that data has drifted from a profile.

    If nothing has drifted, the chance that `p_value` is at most `alpha` after any update is at most
    `alpha`, for all features together, however many updates there are. `drifted` names the features;
    where you stop, the share of wrong names in it is at most `alpha` in the mean.

    The rows of an update are taken in random order (always the same for the same data), so a file that
    is sorted by a column is no change of that column.

    Of the profile's prediction, target and error, those are compared that the first update has; of the
    error, that is prediction and target.

    Args:
        profile: Of the data to compare with, or the path of its file.
        alpha: The chance of holding back data that has not drifted.
        floor: A share of values that may sit in the wrong bin; "learned" for each feature's own.

    Raises:
        SettingError: An argument cannot be used.
        DataError: The profile's file cannot be read.
        ProfileError: It is not a profile of this version.
    """

    def __init__(self, profile: Profile | str | Path, *, alpha: float = 0.05, floor: Floor = FLOOR) -> None:
        if not 0 < alpha < 1:
            raise SettingError(f"alpha={alpha} cannot be used: a probability was expected, such as 0.05.")
        refuse_no_floor(floor)
        self.profile = profile_of(profile)
        if not self.profile.features:
            raise SettingError("The profile has no features, so there is nothing to compare.")
        self.alpha = alpha
        self.rows = 0
        self._floor = floor
        self._watch(self.profile.features)
        self._blocks = 0
        self._log_best = 0.0
        self._random = np.random.default_rng(SEED)

    def update(self, data: Any) -> bool:
        """Take in rows and return whether the gate is still open: nothing has drifted, as far as is known.

        Rows that do not fill a block wait for the next update.

        Args:
            data: What `Profile.of` takes, with all columns of the profile; predictions and labels may
                come or not.

        Raises:
            DataError: The data cannot be read, misses a column, or a column is of another kind.
        """
        for batch in batches(data):
            if not batch.rows:
                continue
            columns = self._with_error(batch.columns)
            if not self.rows:
                self._watch(self._compared(columns))
            places = []
            for name, bins in zip(self._names, self._bins, strict=True):
                if name not in columns:
                    raise DataError(
                        f"The data has no column {name!r}; the profile was made with it. "
                        f"Give the gate the columns of the profile: {', '.join(self._names)}."
                    )
                found = bins.of_column(columns[name])
                if found is None:
                    raise DataError(
                        f"Column {name!r} is of another kind than in the profile, where it is "
                        f"{bins.feature.kind}. See what changed with: mlobs drift check"
                    )
                places.append(bins.group[found])
            order = self._random.permutation(batch.rows)
            self._judge(np.stack(places)[:, order])
            self.rows += batch.rows
        return not self.closed

    @property
    def closed(self) -> bool:
        """Return whether drift was found, at any update so far."""
        return self.p_value <= self.alpha

    @property
    def p_value(self) -> float:
        """Return the p-value of `nothing has drifted`; it never rises."""
        return math.exp(-self._log_best)

    @property
    def drifted(self) -> list[str]:
        """Return the names of the features that have drifted, those with most evidence first."""
        return [self._names[place] for place in self._detector.drifted(self.alpha)]

    def p_values(self) -> dict[str, float]:
        """Return the p-value of each feature by itself."""
        return dict(zip(self._names, self._detector.p_values().tolist(), strict=True))

    def _compared(self, columns: Mapping[str, Column]) -> list[str]:
        """Return the features to compare: predictions and labels only if they have come."""
        late = {self.profile.prediction, self.profile.target, self.profile.error} - columns.keys()
        found = [name for name in self.profile.features if name not in late]
        if not found:
            raise DataError(
                f"The data has none of the profile's columns. Wanted: {', '.join(self.profile.features)}."
            )
        return found

    def _watch(self, names: Iterable[str]) -> None:
        """Begin with these features."""
        self._names = list(names)
        self._bins = [Bins(self.profile.features[name]) for name in self._names]
        self._detector = Detector([Reference.of(bins) for bins in self._bins], floor=self._floor)
        self._open = np.empty((len(self._bins), 0), dtype=np.intp)

    def _with_error(self, columns: Mapping[str, Column]) -> Mapping[str, Column]:
        found, wanted = columns.get(self.profile.prediction or ""), columns.get(self.profile.target or "")
        if self.profile.error is None or found is None or wanted is None:
            return columns
        error = error_column(wanted, found)
        # If they cannot be compared, one of them is of another kind, and told as that.
        return columns if error is None else {**columns, ERROR: error}

    def _judge(self, places: NDArray[np.intp]) -> None:
        waiting = np.concatenate([self._open, places], axis=1)
        whole = waiting.shape[1] // BLOCK_ROWS * BLOCK_ROWS
        self._open = waiting[:, whole:]
        features, width = self._detector.p.shape
        offsets = np.arange(0, features * width, width)[:, None]
        for start in range(0, whole, BLOCK_ROWS):
            flat = waiting[:, start : start + BLOCK_ROWS] + offsets
            counts = np.bincount(flat.ravel(), minlength=features * width).reshape(features, width)
            self._detector.update(counts, began_s=float(self._blocks), patience_blocks=math.inf)
            self._blocks += 1
            self._log_best = max(self._log_best, log_strongest(self._detector.log_e_ever))

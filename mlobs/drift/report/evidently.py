"""Evidently's own report on two data sets, for those who want its page and its figures.

It needs the rows of both, for it keeps no reference but as rows; a profile only says which columns there
are and of what kind. Its definitions are its own. On the same rows:

* Wasserstein. Evidently: over raw values, divided by max(std of the reference, 0.001). Here: over 64 bins,
  divided by std.
* Jensen-Shannon. Evidently: root of the divergence in nats, at most sqrt(ln 2) = 0.83. Here: in bits, at
  most 1, which is Evidently's value / sqrt(ln 2).
* PSI. Evidently: no smoothing; an empty bin counts as 0.0001, or less. Here: half a count in each bin.
* Kolmogorov-Smirnov. Evidently: the p-value of the raw values. Here: the distance itself, over 64 bins.
* Bins of numbers. Evidently: of equal width by Sturges' rule over both data sets, so they move with each of
  them; numbers of at most 20 values in bins of their own. Here: the profile's.
* What is a category. Evidently: also numbers of at most 5 values. Here: the profile's kind.
* Missing values. Evidently: left out. Here: a bin of their own.

With the same bins, and missing values left out, the values are equal; a test holds that. Texts are given to
Evidently by their length, as profiles have them: its own way, a classifier of words, fails on many texts.
Times and vectors are left out, for its preset compares neither.

Evidently is imported only here. The modules used here send nothing; those of its server, which do, are not
loaded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mlobs._extras import pip_install, require
from mlobs.drift.bins import text_lengths
from mlobs.drift.columns import Batch, Categories, Column, Numbers, Unusable, all_missing, length
from mlobs.drift.feature import Feature
from mlobs.drift.frames import batches
from mlobs.drift.profile import Profile
from mlobs.errors import DataError, MissingExtraError, SettingError

FEATURE = "Evidently's report"
VALUES_MIN = 2
DISTANCES = frozenset(
    {
        "Wasserstein distance (normed)",
        "Jensen-Shannon distance",
        "Kullback-Leibler divergence",
        "Hellinger distance",
        "PSI",
    }
)
NUMERIC, CATEGORICAL = "numeric", "categorical"


@dataclass(frozen=True)
class Comparison:
    """What Evidently found.

    Args:
        snapshot: Evidently's own object.
        left_out: The columns of the profile that it did not get, and why.
    """

    snapshot: Any
    left_out: Mapping[str, str]

    @property
    def values(self) -> dict[str, tuple[str, float]]:
        """Return for each column the name of Evidently's method and its value."""
        return {one["column"]: (one["method"], value) for one, value in self._metrics}

    @property
    def thresholds(self) -> dict[str, float]:
        """Return for each column the value beyond which Evidently says that it has drifted."""
        return {one["column"]: float(one["threshold"]) for one, _ in self._metrics}

    @property
    def drifted(self) -> dict[str, bool | None]:
        """Return for each column whether Evidently says that it has drifted; None of an unknown method."""
        limits = self.thresholds
        return {name: _beyond(method, value, limits[name]) for name, (method, value) in self.values.items()}

    @cached_property
    def _metrics(self) -> list[tuple[Any, float]]:
        """Return what it says of each column, and the value. It makes all of its figures anew when asked."""
        found = self.snapshot.dict()["metrics"]
        return [
            (one["config"], float(one["value"]))
            for one in found
            if one["config"]["type"].endswith("ValueDrift")
        ]

    def write(self, path: str | Path) -> None:
        """Write Evidently's page (.html) or its figures (.json).

        Raises:
            SettingError: The path ends in something else.
            DataError: The file cannot be written.
        """
        save = {".html": self.snapshot.save_html, ".json": self.snapshot.save_json}.get(Path(path).suffix)
        if save is None:
            raise SettingError(
                f"{str(path)!r} cannot be written by Evidently. Wanted: a name in .html or .json."
            )
        try:
            save(str(path))
        except OSError as error:
            raise DataError(f"The report {str(path)!r} cannot be written: {error.strerror}.") from None


def compare(
    profile: Profile,
    reference: Any,
    data: Any,
    *,
    columns: Sequence[str] | None = None,
    **asked: Any,
) -> Comparison:
    """Let Evidently's DataDriftPreset compare two data sets.

    Args:
        profile: Says which columns there are, and of what kind.
        reference: The rows that the profile was made of; see `frames`, also the `Files` of `readers`.
        data: The live rows.
        columns: Only these of the profile; all if None.
        asked: More arguments for the preset, such as num_method="psi".

    Raises:
        MissingExtraError: Evidently is not installed.
        DataError: The data cannot be read, or has no column that Evidently can compare.
    """
    evidently, presets = _library("evidently"), _library("evidently.presets")
    names = [name for name in profile.features if columns is None or name in columns]
    old = _Rows(profile, names, batches(reference), "reference")
    new = _Rows(profile, names, batches(data), "live data")
    left_out = {**old.left_out, **new.left_out}
    kept = [name for name in names if name not in left_out]
    if not kept:
        raise DataError(
            f"There is no column that Evidently can compare: {_listed(left_out)}. "
            f"Wanted: numbers, categories or texts, in both data sets."
        )
    definition = evidently.DataDefinition(
        numerical_columns=[name for name in kept if _kind(profile.features[name]) == NUMERIC],
        categorical_columns=[name for name in kept if _kind(profile.features[name]) == CATEGORICAL],
    )
    frames = [
        evidently.Dataset.from_pandas(rows.frame(kept), data_definition=definition) for rows in (new, old)
    ]
    report = evidently.Report([presets.DataDriftPreset(columns=kept, **asked)])
    return Comparison(report.run(*frames), left_out)


def _beyond(method: str, value: float, threshold: float) -> bool | None:
    if method.endswith("p_value"):  # which is small if something has changed
        return value < threshold
    return value >= threshold if method in DISTANCES else None


def _library(module: str) -> ModuleType:
    try:
        return require(module, extra="evidently", feature=FEATURE)
    except MissingExtraError:
        raise
    except ImportError as error:  # such as with a pandas newer than it knows
        raise MissingExtraError(
            f"{FEATURE} cannot be made: the package 'evidently' is installed, but not versions that fit it "
            f"({error}). Install them with: {pip_install('evidently')}"
        ) from None


class _Rows:
    """The columns of a data set that Evidently can compare, and why it cannot the others."""

    def __init__(self, profile: Profile, names: Sequence[str], source: Iterable[Batch], which: str) -> None:
        self._which = which
        self.left_out: dict[str, str] = {}
        self._parts: dict[str, list[Any]] = {name: [] for name in names}
        for name in names:
            if _kind(profile.features[name]) is None:
                self.left_out[name] = f"Evidently compares no {profile.features[name].kind} columns"
        for batch in source:
            for name in names:
                if name not in self.left_out:
                    self._add(name, profile.features[name], batch.columns.get(name))
        for name in names:
            if name not in self.left_out and sum(map(_present, self._parts[name])) < VALUES_MIN:
                self.left_out[name] = f"fewer than {VALUES_MIN} values in the {which}"

    def frame(self, names: Sequence[str]) -> Any:
        """Return columns as a pandas frame."""
        pandas = _library("pandas")
        return pandas.DataFrame({name: np.concatenate(self._parts[name]) for name in names})

    def _add(self, name: str, feature: Feature, column: Column | None) -> None:
        values = None if column is None else _values(feature, column)
        if values is None:
            no_column = f"missing in the {self._which}"
            self.left_out[name] = no_column if column is None else f"in the {self._which} not {feature.kind}"
        else:
            self._parts[name].append(values)


def _kind(feature: Feature) -> str | None:
    """Return as what Evidently gets a feature, or None if it cannot compare its kind."""
    return {"numeric": NUMERIC, "text": NUMERIC, "categorical": CATEGORICAL, "boolean": CATEGORICAL}.get(
        feature.kind
    )


def _values(feature: Feature, column: Column) -> Any:
    """Return a column's values as an array, or None if it is of another kind than the feature."""
    if isinstance(column, Unusable):
        return None
    if all_missing(column):
        return np.full(length(column) or 0, np.nan)
    if feature.kind == "numeric":
        return column.values if isinstance(column, Numbers) and column.kind == "numeric" else None
    if not isinstance(column, Categories):
        return None
    if feature.kind == "text":
        return text_lengths(column)
    return np.array([*column.levels, None], dtype=object)[column.codes]


def _present(values: Any) -> int:
    if values.dtype == object:
        return sum(value is not None for value in values)
    return int(np.isfinite(values).sum())


def _listed(left_out: Mapping[str, str]) -> str:
    return "; ".join(f"{name} ({why})" for name, why in left_out.items())

"""The profile: what the training data looked like, in a file a person can read.

A feature keeps the edges of its bins and how many reference rows fell into each. Edges come from
one half of the rows and counts from the other, so that the counts are an honest sample for these
bins. There are up to 64 bins for batches of data; the ten for live monitors are runs of
neighbouring ones (`online`), so that both views agree.

Making one from data is `build`; counting with one is `bins`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from mlobs.drift.feature import Count, Feature, check_shape
from mlobs.drift.writing import replace
from mlobs.errors import DataError, ProfileError

FORMAT = 2
PREDICTION = "prediction"
TARGET = "target"
ERROR = "error"

# What changes the meaning of a bin or its share. A default adds nothing, so that a file of format 1
# keeps its ref.
IDENTITY_ALWAYS = frozenset({"kind", "edges", "levels", "rare", "counts", "online"})
IDENTITY_IF_SET = frozenset({"discrete", "slots", "width", "centroids"})


class Profile(BaseModel):
    """The summary of a model's training data.

    Args:
        format: The version of this file's format. Files of format 1 are read as well.
        model: Such as churn@7, if it was given.
        rows: Rows of the reference; about half of them are in the counts.
        prediction: The column that holds the model's output, if there is one.
        target: The column that holds what it should have been, if there is one. With both there is
            a feature named error as well; `quality` says what it holds.
        time: The column that says when a row came, if there is one. It is no feature.
        by: The columns whose values make the segments.
        excluded: Columns that were left out, and why.
        segments: Reference rows by segment, feature and online bin. `segments` says how a segment is
            named.
        features: By column name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[2] = 2
    model: str | None = None
    rows: Count
    prediction: str | None = None
    target: str | None = None
    time: str | None = None
    by: tuple[str, ...] = ()
    excluded: dict[str, str] = {}
    segments: dict[str, dict[str, tuple[Count, ...]]] = {}
    features: dict[str, Feature]

    @field_validator("format", mode="before")
    @classmethod
    def _newest_format(cls, version: object) -> object:
        return FORMAT if version == 1 and not isinstance(version, bool) else version

    def __repr__(self) -> str:
        named = f"{self.model!r}, " if self.model else ""
        return f"<Profile {named}{self.ref}: {len(self.features)} features of {self.rows} rows>"

    __str__ = __repr__

    @property
    def ref(self) -> str:
        """Return a short hash of the bins and counts: another profile has another one."""
        content: list[object] = [_identity(*item) for item in sorted(self.features.items())]
        if self.segments:
            content.append([self.by, sorted(self.segments.items())])
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]

    @property
    def error(self) -> str | None:
        """Return the name of the feature that prediction and target make, if there is one."""
        made = self.prediction is not None and self.target is not None and ERROR in self.features
        return ERROR if made else None

    @property
    def wire_names(self) -> dict[str, str]:
        """Return under which name each feature goes out: the model's output is always `prediction`."""
        special = {self.prediction: PREDICTION, self.target: TARGET}
        return {name: special.get(name, name) for name in self.features}

    @classmethod
    def of(
        cls,
        data: Any,
        *,
        model: str | None = None,
        columns: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        prediction: str | None = None,
        target: str | None = None,
        time: str | None = None,
        season: bool = False,
        by: Sequence[str] = (),
        categorical: Sequence[str] = (),
        text: Sequence[str] = (),
        ordered: bool = True,
        bins: int = 64,
        like: "Profile | None" = None,
    ) -> Self:
        """Summarise `data`: a mapping of arrays, a list of mappings, an array, a table or files.

        Where several names can be given, a single one can be given as it is.

        Args:
            data: A mapping from name to array, a list of mappings, a numpy table, a frame of pandas, polars
                or Arrow, or the path of a file, or a list of them; `mlobs.drift.readers.Files` reads only
                some columns, and patterns and folders.
            model: Such as churn@7.
            columns: Only these; all if None. A column that is named is kept even if nearly every value
                of it is unique.
            exclude: All but these.
            prediction: The column that holds the model's output. If None, the column named
                prediction, where there is one.
            target: The column that holds what it should have been. If None, the column named target,
                where there is one.
            time: The column that says when a row came. With it the design effect is that of rows in
                this order, and the days teach a floor.
            season: Keep the counts of each hour of the week, too; needs `time`.
            by: Columns whose values make segments; the 20 largest are counted one by one.
            categorical: Count these by value, whatever their type is.
            text: Count the values of these by length, however few they are.
            ordered: The rows are in the order in which they came, so their design effect can be
                measured. False for rows that were sorted by something else.
            bins: At most so many bins a feature. With 10, a feature takes less than 1 KB.
            like: Count by the bins of this profile, all rows, instead of choosing bins. Then what the
                columns are is its matter, too: only `model` and `ordered` can be given besides.

        Raises:
            DataError: The data cannot be read or has no rows.
            ProfileError: A column that was asked for is not there, or cannot be used for that.
        """
        from mlobs.drift.build import Request, build, count_like  # they need this class

        if like is not None:
            return cls(**dict(count_like(data, like, model=model, ordered=ordered)))
        request = Request(
            model=model,
            columns=None if columns is None else names_of(columns),
            exclude=names_of(exclude),
            prediction=prediction,
            target=target,
            time=time,
            season=season,
            by=names_of(by),
            categorical=frozenset(names_of(categorical)),
            text=frozenset(names_of(text)),
            ordered=ordered,
            bins=bins,
        )
        return cls(**dict(build(data, request)))

    def merge(self, other: "Profile") -> "Profile":
        """Return one profile of the rows of both, which must have been counted by the same bins.

        Raises:
            ProfileError: Their bins differ.
        """
        from mlobs.drift.merging import merged  # it needs this class

        return merged(self, other)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read the file that `write` wrote.

        Raises:
            DataError: There is no such file, or it is not JSON.
            ProfileError: It is not a profile, or one of a newer version of mlobs.
        """
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise DataError(
                f"The profile {str(path)!r} cannot be read: {error.strerror}. "
                f"Make one with: mlobs drift profile DATA -o {path}"
            ) from None
        except ValueError as error:
            raise DataError(
                f"{path} is not a profile: {error}. Wanted: a file made by 'mlobs drift profile'."
            ) from None
        return cls.parse(found, str(path))

    @classmethod
    def parse(cls, found: Any, where: str = "The profile") -> Self:
        """Return the profile that a parsed JSON document holds. `where` names it in errors."""
        version = found.get("format") if isinstance(found, dict) else None
        if isinstance(version, int) and version > FORMAT:
            raise ProfileError(
                f"{where} has format {version}; this mlobs reads formats up to {FORMAT}. "
                f"Upgrade mlobs, or make the profile anew with: mlobs drift profile DATA -o FILE"
            )
        try:
            profile = cls.model_validate(found)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the document"
            raise ProfileError(
                f"{where} is not a profile: {place}: {first['msg']}. "
                f"Make it anew with: mlobs drift profile DATA -o FILE"
            ) from None
        for name, feature in profile.features.items():
            check_shape(where, name, feature)
        _check_segments(where, profile)
        return profile

    def write(self, path: str | Path) -> None:
        """Write the profile as JSON, one line a feature.

        Raises:
            DataError: The file cannot be written.
        """
        head = self.model_dump(mode="json", exclude={"features", "segments"}, exclude_defaults=True)
        start = json.dumps({"format": self.format, **head}, indent=2, ensure_ascii=False).removesuffix("\n}")
        features = {
            name: f.model_dump(mode="json", exclude_defaults=True) for name, f in self.features.items()
        }
        parts = [start, _lines("features", features)]
        if self.segments:
            parts.append(_lines("segments", self.segments))
        try:
            replace(Path(path), ",\n".join(parts) + "\n}\n")
        except OSError as error:
            raise DataError(f"The profile {str(path)!r} cannot be written: {error.strerror}.") from None


def names_of(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names that were given; a single one need not be in a list."""
    return (given,) if isinstance(given, str) else tuple(given)


def _identity(name: str, feature: Feature) -> list[object]:
    always = feature.model_dump(mode="json", include=set(IDENTITY_ALWAYS))
    extra = feature.model_dump(mode="json", include=set(IDENTITY_IF_SET), exclude_defaults=True)
    return [name, always | extra]


def _lines(key: str, found: Mapping[str, object]) -> str:
    """Return a member of the document with one line for each of its own."""
    lines = [f"    {_json(name)}: {_json(value)}" for name, value in found.items()]
    return f'  "{key}": {{\n' + ",\n".join(lines) + "\n  }"


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _check_segments(where: str, profile: Profile) -> None:
    widths = {name: feature.online_bins for name, feature in profile.features.items()}
    for label, counts in profile.segments.items():
        if {name: len(found) for name, found in counts.items()} != widths:
            raise ProfileError(
                f"{where} is not a profile: the segment {label!r} does not fit the features. "
                f"Make it anew with: mlobs drift profile DATA -o FILE"
            )

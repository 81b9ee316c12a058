"""The profile: what the training data looked like, in a file a person can read.

A feature keeps the edges of its bins and how many reference rows fell into each. Edges come from
one half of the rows and counts from the other, so that the counts are an honest sample for these
bins. There are up to 64 bins for batches of data; the ten for live monitors are runs of
neighbouring ones (`online`), so that both views agree.

Making one from data is `build`; counting with one is `bins`.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from mlobs.errors import DataError, ProfileError

FORMAT = 1
NULL = "__null__"
OTHER = "__other__"
BELOW = "__below__"
ABOVE = "__above__"
REST = "__rest__"
RESERVED = (NULL, OTHER, BELOW, ABOVE, REST)
PREDICTION = "prediction"


def _fingerprints(text: str) -> str:
    if len(base64.b64decode(text, validate=True)) % 4:
        raise ValueError("four bytes for each fingerprint were expected")
    return text


Number = Annotated[float, Field(allow_inf_nan=False)]


class Feature(BaseModel):
    """One column of the reference.

    Bins of a numeric feature, in the order of `counts`: `__below__`, one per pair of neighbouring
    `edges` (the lower edge belongs to the bin), `__above__`, `__null__`, `__other__` (not a number).
    Bins of the other kinds: one per level, `__rest__` (a rarer level that the reference had),
    `__null__`, `__other__` (a level that it did not have).

    Args:
        kind: boolean is categorical with the levels false and true.
        edges: From the smallest value to the largest; empty if the reference had no number.
        medians: Of the values between each pair of edges.
        levels: The most frequent ones, most frequent first.
        rare: Fingerprints of the levels in `__rest__`: CRC-32s, sorted, four bytes each, base64.
            Levels rarer still are not remembered and count as `__other__`, in the reference too.
        counts: Reference rows in each bin.
        online: The first of each run of inner bins that live monitors count as one.
        design_effect: How much more counts of neighbouring rows vary than independent rows would;
            None if it was not measured.
        mean: Of the finite values.
        std: Of the finite values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["numeric", "categorical", "boolean"]
    edges: tuple[Number, ...] = ()
    medians: tuple[Number, ...] = ()
    levels: tuple[str, ...] = ()
    rare: Annotated[str, AfterValidator(_fingerprints)] = ""
    counts: tuple[Annotated[int, Field(ge=0)], ...]
    online: tuple[int, ...] = ()
    design_effect: Annotated[Number, Field(ge=1)] | None = None
    mean: Number | None = None
    std: Annotated[Number, Field(ge=0)] | None = None

    @property
    def rows(self) -> int:
        """Return how many rows the counts were taken from."""
        return sum(self.counts)


class Profile(BaseModel):
    """The summary of a model's training data.

    Args:
        format: The version of this file's format.
        model: Such as churn@7, if it was given.
        rows: Rows of the reference; about half of them are in the counts.
        prediction: The column that holds the model's output, if there is one.
        excluded: Columns that were left out, and why.
        features: By column name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    model: str | None = None
    rows: int
    prediction: str | None = None
    excluded: dict[str, str] = {}
    features: dict[str, Feature]

    @property
    def ref(self) -> str:
        """Return a short hash of the bins and counts: another profile has another one."""
        content = json.dumps([name_and_feature(*item) for item in sorted(self.features.items())])
        return hashlib.sha256(content.encode()).hexdigest()[:8]

    @classmethod
    def of(
        cls,
        data: Any,
        *,
        model: str | None = None,
        columns: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        prediction: str | None = None,
        ordered: bool = True,
        bins: int = 64,
    ) -> Self:
        """Summarise `data`: a mapping of arrays, a list of mappings, or a table.

        Args:
            data: See `frames`; also the `Files` of `readers`.
            model: Such as churn@7.
            columns: Only these; all if None.
            exclude: All but these.
            prediction: The column that holds the model's output. If None, the column named
                prediction, where there is one.
            ordered: The rows are in the order in which they came, so their design effect can be
                measured. False for rows that were sorted by something else.
            bins: At most so many bins a feature. With 10, a feature takes less than 1 KB.

        Raises:
            DataError: The data cannot be read or has no rows.
            ProfileError: A column that was asked for is not there.
        """
        from mlobs.drift.build import build  # it needs this class

        made = build(
            data,
            model=model,
            columns=columns,
            exclude=exclude,
            prediction=prediction,
            ordered=ordered,
            bins=bins,
        )
        return cls.model_validate(made.model_dump())

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
            _check_shape(where, name, feature)
        return profile

    def write(self, path: str | Path) -> None:
        """Write the profile as JSON, one line a feature.

        Raises:
            DataError: The file cannot be written.
        """
        head = self.model_dump(mode="json", exclude={"features"}, exclude_defaults=True)
        features = ",\n".join(
            f"    {json.dumps(name, ensure_ascii=False)}: {_compact(feature)}"
            for name, feature in self.features.items()
        )
        lines = json.dumps({"format": self.format, **head}, indent=2, ensure_ascii=False).removesuffix("\n}")
        try:
            Path(path).write_text(f'{lines},\n  "features": {{\n{features}\n  }}\n}}\n', encoding="utf-8")
        except OSError as error:
            raise DataError(f"The profile {str(path)!r} cannot be written: {error.strerror}.") from None


def name_and_feature(name: str, feature: Feature) -> list[Any]:
    """Return what identifies a feature's bins and counts."""
    return [
        name,
        feature.model_dump(mode="json", include={"kind", "edges", "levels", "rare", "counts", "online"}),
    ]


def _compact(feature: Feature) -> str:
    found = feature.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False)


def _check_shape(where: str, name: str, feature: Feature) -> None:
    numeric, starts = feature.kind == "numeric", feature.online
    inner = max(len(feature.edges) - 1, 0) if numeric else len(feature.levels)
    fits = (
        len(feature.counts) == inner + (4 if numeric else 3)
        and len(feature.medians) == (inner if numeric else 0)
        and list(feature.edges) == sorted(feature.edges)
        and len(set(feature.levels)) == len(feature.levels)
        and list(starts) == sorted(set(starts))
        and (not starts or (starts[0] == 0 and starts[-1] < inner))
        and (numeric or list(starts) == list(range(len(starts))))
    )
    if not fits:
        raise ProfileError(
            f"{where} is not a profile: the bins of {name!r} do not fit each other. "
            f"Make it anew with: mlobs drift profile DATA -o FILE"
        )

"""How live rows differ in form from those of the profile."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlobs.drift.columns import AXIS_TYPES
from mlobs.drift.feature import Feature
from mlobs.drift.streams.complaints import named


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """How live rows differ in form from those of the profile.

    Args:
        missing: Rows without a column that the profile has, by column.
        wrong_type: Values of another type than the profile's, by column; they are in `__other__`, which
            of most columns holds new values as well.
        extra: Rows with a column that the profile does not have, by column; twenty of them at most.
    """

    missing: dict[str, int]
    wrong_type: dict[str, int]
    extra: dict[str, int]


def tells_types(feature: Feature) -> bool:
    """Return whether `__other__` holds only values of another type, and not new values as well."""
    if feature.kind in {"boolean", "embedding"}:
        return True
    return feature.has_axis and feature.inner > 0 and not feature.discrete


def is_of_type(feature: Feature, value: Any) -> bool:
    """Return whether a value in `__other__` has the type of the feature, and so is only new."""
    kind = type(value)  # and not what the value says that it is, which runs code of its class
    if feature.kind == "categorical":
        if feature.dtype == "string":
            return issubclass(kind, str)
        return feature.dtype not in {"int64", "float64"} or issubclass(kind, AXIS_TYPES)
    return issubclass(kind, AXIS_TYPES) and kind is not bool


def sentences(schema: Schema, features: Mapping[str, Feature]) -> dict[str, str]:
    """Return what is to be told once of rows of another form, by finding."""
    found = {}
    missing = [name for name, rows in schema.missing.items() if rows]
    if missing:
        extra = f" They have {named(list(schema.extra))}, which it does not have." if schema.extra else ""
        found["missing"] = (
            f"Rows came without {named(missing)}, which the profile has; there they count as missing "
            f"values.{extra}"
        )
    wrong = [name for name, values in schema.wrong_type.items() if values]
    if wrong:
        kinds = ", ".join(f"{name} {features[name].dtype or features[name].kind}" for name in wrong[:3])
        found["wrong_type"] = (
            f"Values of {named(wrong)} are of another type than in the profile ({kinds}); "
            f"they count as new values, in the bin __other__."
        )
    return found

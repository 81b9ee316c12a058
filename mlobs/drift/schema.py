"""What a column is, beside what it was: its schema.

Numbers that were whole and still are have not changed, whatever type carries them; a column of whole
numbers with missing values comes as doubles from many tools. Dates and times of one kind have not
changed either. Fractions are a change only in a column of few whole numbers: many may have been whole by
chance, and a profile cannot tell. All else is a change, even where the values can still be counted.
"""

import numpy as np

from mlobs.drift.bins import shortened
from mlobs.drift.columns import Categories, Column, Numbers, Unusable, all_missing, is_number
from mlobs.drift.feature import Feature

MISSING_COLUMN = "missing column"
HAS_FRACTIONS = "was whole numbers, has fractions"
WORDS = {
    "int64": "whole numbers",
    "float64": "numbers",
    "bool": "true or false",
    "string": "text",
    "mixed": "values of several types",
    "date": "dates",
    "timestamp": "times without a zone",
    "timestamp[UTC]": "times with a zone",
    "time": "times of day",
    "duration": "durations",
}
SAME = ({"date", "timestamp"},)
KINDS = {"numeric": "numbers", "boolean": "true or false", "datetime": "times", "embedding": "vectors"}


def change_of(feature: Feature, column: Column) -> str | None:
    """Return how a column's type differs from that of the reference, or None if it does not."""
    if isinstance(column, Unusable):
        return f"was {_of_feature(feature)}, is {column.why}"
    if all_missing(column) or feature.dtype == "null":
        return None
    was, now = feature.dtype, column.dtype
    if was is None:  # a profile of format 1
        kind = "categorical" if feature.kind == "text" else feature.kind
        return None if kind == column.kind else f"was {feature.kind}, is {column.kind}"
    if was == now or any({was, now} <= group for group in SAME):
        return None
    if {was, now} <= {"int64", "float64"} and isinstance(column, Numbers):
        return HAS_FRACTIONS if feature.discrete and has_fractions(feature, column) else None
    return f"was {_words(was)}, is {_words(now)}{_example(was, column)}"


def _example(was: str, column: Column) -> str:
    """Return a text that is no number, where numbers are expected."""
    if was not in {"int64", "float64"} or not isinstance(column, Categories) or column.boolean:
        return ""
    found = next((level for level in column.levels if not is_number(level)), None)
    return "" if found is None else f" such as {shortened(found)!r}"


def has_fractions(feature: Feature, column: Column) -> bool:
    """Return whether numbers that were whole are not. Of many values they may have been so by chance."""
    return feature.dtype == "int64" and isinstance(column, Numbers) and not _whole(column)


def _whole(column: Numbers) -> bool:
    values = column.values
    return bool((~np.isfinite(values) | (np.floor(values) == values)).all())


def _of_feature(feature: Feature) -> str:
    return KINDS.get(feature.kind, "text") if feature.dtype is None else _words(feature.dtype)


def _words(dtype: str) -> str:
    """Return a type in words.

    >>> _words("int64"), _words("vector[384]")
    ('whole numbers', 'vectors of 384 numbers')
    """
    if dtype.startswith("vector["):
        return f"vectors of {dtype[7:-1]} numbers"
    return WORDS.get(dtype, dtype)

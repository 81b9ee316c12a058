"""What a model got wrong: the feature `error`, made from prediction and target.

Numbers, beside which booleans count as 0 and 1: target - prediction. All others, two columns of booleans
among them: whether the two are equal, by their text; so the level true is a right prediction. Missing where
either is missing.
"""

from typing import Any

import numpy as np

from mlobs.drift.bins import shortened
from mlobs.drift.columns import (
    BOOLEAN_LEVELS,
    NUMBER_TYPES,
    Categories,
    Column,
    Doubles,
    Numbers,
    all_missing,
    by_text,
    is_missing,
    length,
    nothing,
    number_of,
    text_of,
)

NOT_COMPARABLE = "prediction and target cannot be compared"


def error_column(target: Column, prediction: Column) -> Column | None:
    """Return the error of each row, or None if the two cannot be compared."""
    if not isinstance(target, Numbers | Categories) or not isinstance(prediction, Numbers | Categories):
        return None
    if all_missing(target) or all_missing(prediction):
        return nothing(length(target) or 0)
    both = (target, prediction)
    if any(isinstance(one, Numbers) for one in both) and all(_is_numeric(one) for one in both):
        return Numbers(_numbers(target) - _numbers(prediction))
    wanted, found = _categories(target), _categories(prediction)
    place = {level: code for code, level in enumerate(wanted.levels)}
    same = np.array([*(place.get(level, -2) for level in found.levels), -3], dtype=np.intp)
    right = (same[found.codes] == wanted.codes).astype(np.intp)
    codes = np.where((wanted.codes < 0) | (found.codes < 0), -1, right)
    return Categories(codes, BOOLEAN_LEVELS, boolean=True, dtype="bool")


def error_of(kind: str, truth: Any, prediction: Any) -> Any:
    """Return the error of one row as the feature `error`, of this kind, counts it.

    >>> error_of("numeric", 1, 0.75), error_of("boolean", "cat", "dog"), error_of("numeric", None, 1)
    (0.25, False, None)
    """
    try:
        if is_missing(truth) or is_missing(prediction):
            return None
        if kind != "numeric":
            return shortened(text_of(truth)) == shortened(text_of(prediction))
        numeric = (*NUMBER_TYPES, np.bool_)
        if not (isinstance(truth, numeric) and isinstance(prediction, numeric)):
            return text_of(truth)  # of another type than the reference, and counted as such
        return number_of(truth) - number_of(prediction)
    except Exception:  # noqa: BLE001 such as a number of too many digits for a text; it is counted as other
        return type(truth).__name__


def _is_numeric(column: Numbers | Categories) -> bool:
    return isinstance(column, Numbers) or column.boolean


def _numbers(column: Numbers | Categories) -> Doubles:
    if isinstance(column, Numbers):
        return column.values
    return np.where(column.codes < 0, np.nan, column.codes)


def _categories(column: Numbers | Categories) -> Categories:
    return by_text(column) if isinstance(column, Numbers) else column

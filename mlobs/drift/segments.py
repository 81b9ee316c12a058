r"""How a segment is named: the values of the columns that make it, joined by a bar.

A bar or backslash within a value gets a backslash before it, so that no two segments have one name.

>>> label_of(["DE", None, 3.0, True])
'DE|__null__|3|true'
>>> print(label_of(["a|b", "c"]), label_of(["a", "b|c"]))
a\|b|c a|b\|c
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlobs.drift.bins import shortened
from mlobs.drift.columns import Categories, Codes, Column, Numbers, by_text, is_missing, text_of
from mlobs.drift.feature import NULL, REST
from mlobs.errors import ProfileError

SEGMENTS_MAX = 20


def label_of(values: Sequence[Any]) -> str:
    """Return the name of the segment that a row with these values is in."""
    return "|".join(NULL if is_missing(value) else _escaped(text_of(value)) for value in values)


def labels_of(columns: Sequence[Column]) -> tuple[Codes, list[str]]:
    """Return for each row the place of its segment's name, and the names.

    Raises:
        ProfileError: A column holds neither categories nor numbers.
    """
    codes: Codes = np.zeros(0, np.intp)
    names: list[str] = []
    for column in columns:
        if isinstance(column, Numbers) and column.kind == "numeric":
            column = by_text(column)
        if not isinstance(column, Categories):
            raise ProfileError(
                "Segments can be made by columns of categories, booleans or numbers only. "
                "Wanted: such columns behind: --by"
            )
        level_names = [*map(_escaped, column.levels), NULL]
        own = np.where(column.codes < 0, len(column.levels), column.codes)
        if not names:
            codes, names = _used(own, level_names)
        else:
            both, places = np.unique(codes * len(level_names) + own, return_inverse=True)
            firsts, seconds = np.divmod(both, len(level_names))
            names = [f"{names[a]}|{level_names[b]}" for a, b in zip(firsts, seconds, strict=True)]
            codes = places.astype(np.intp)
    return codes, names


def largest(codes: Codes, names: Sequence[str]) -> list[str]:
    """Return the names of the segments with most rows, at most 20, and that of the rest."""
    times: dict[str, int] = {}
    for name, count in zip(names, np.bincount(codes, minlength=len(names)).tolist(), strict=True):
        times[name] = times.get(name, 0) + count
    ranked = sorted(times, key=lambda name: (-times[name], name))
    return [*ranked[:SEGMENTS_MAX], REST]


def places_of(columns: Sequence[Column], segments: Sequence[str]) -> Codes:
    """Return for each row its place in `segments`, of which the last one is that of the rest."""
    codes, names = labels_of(columns)
    known = {name: place for place, name in enumerate(segments)}
    places = np.array([known.get(name, len(segments) - 1) for name in names], dtype=np.intp)
    return places[codes]


def _escaped(level: str) -> str:
    return shortened(level).replace("\\", "\\\\").replace("|", "\\|")


def _used(codes: Codes, names: Sequence[str]) -> tuple[Codes, list[str]]:
    used, places = np.unique(codes, return_inverse=True)
    return places.astype(np.intp), [names[int(code)] for code in used]

"""Attribute values as they are when they are set: a list that is emptied later was full then.

What OTLP has types for is kept; the rest becomes text, at once and bounded, because only now is
it what its owner meant.
"""

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from mlobs import _guard
from mlobs.instrument.sites import Value

ITEMS_MAX = 1_000
CHARACTERS_MAX = 16_384
DEPTH_MAX = 8


def freeze(value: object, depth: int = 0) -> Value:
    """Return what is recorded of `value`: a scalar, a tuple of scalars, or text.

    Numbers of numpy and the like become Python's. Nothing raises.

    >>> freeze({"a": [1]}), freeze([1, "x"])
    ('{"a": [1]}', (1, 'x'))
    """
    kind = value.__class__
    if kind is int or kind is float or kind is bool:
        return value  # type: ignore[return-value] # it is one of these
    if kind is list or kind is tuple:
        items: Any = value
        if (
            len(items) <= ITEMS_MAX
            and set(map(type, items)) == {str}
            and len(max(items, key=len)) < CHARACTERS_MAX
        ):
            return tuple(items)
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if len(value) <= CHARACTERS_MAX else value[: CHARACTERS_MAX - 1] + "…"
    if isinstance(value, bytes):
        return value[:CHARACTERS_MAX]
    try:
        return _other(value, depth)
    except Exception as error:  # noqa: BLE001 # a __repr__ that raises, a container that holds itself
        return f"<{type(value).__name__} that cannot be written: {type(error).__name__}>"


def _other(value: object, depth: int) -> Value:
    if isinstance(value, list | tuple | set | frozenset) and depth < DEPTH_MAX:
        return tuple(freeze(item, depth + 1) for item in islice(value, ITEMS_MAX))  # type: ignore[return-value] # mixed lists are sent as they are
    if isinstance(value, Mapping):
        return str(freeze(json.dumps(value, default=repr)))
    as_scalar = getattr(value, "item", None)
    if callable(as_scalar) and getattr(value, "ndim", None) == 0:
        scalar = as_scalar()
        if isinstance(scalar, str | bool | int | float):
            return freeze(scalar)
    return str(freeze(repr(value)))


def frozen(given: object, doing: str) -> dict[str, Value]:
    """Return attributes as they are now; what is no mapping is noted and left out."""
    try:
        return {str(key): freeze(value) for key, value in given.items()} if given else {}  # type: ignore[attr-defined] # it may be anything
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed(doing)
        return {}

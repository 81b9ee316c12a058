"""Attribute values as they are when they are set: a list that is emptied later was full then.

What OTLP has types for is kept; the rest becomes text, at once and bounded, because only now is
it what its owner meant. What a value claims to be (`__class__`, as proxies do) is not asked: that runs
code of the program.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mlobs import _guard
from mlobs.errors import DataError
from mlobs.instrument.sites import Value

ITEMS_MAX = 1_000  # of one value, with everything inside it
CHARACTERS_MAX = 16_384  # of one text
TEXTS_CHARACTERS_MAX = 4 * CHARACTERS_MAX  # of all the texts inside one value
DEPTH_MAX = 8
CUT = "…"
_LISTS = (list, tuple, set, frozenset)
_BYTES = (bytes, bytearray, memoryview)
_KEYS = {str, int, float, bool, type(None)}  # what JSON makes a key of


class _Room:
    """What is left for one value."""

    __slots__ = ("characters", "items")

    def __init__(self) -> None:
        self.items = ITEMS_MAX
        self.characters = TEXTS_CHARACTERS_MAX

    def take(self) -> bool:
        """Return whether there is room for another item."""
        self.items -= 1
        return self.items >= 0 and self.characters > 0

    def text(self, text: str) -> str:
        """Return as much of `text` as there is room for."""
        text = str.__str__(text)  # of a class of the program's own, the text alone
        longest = max(1, min(CHARACTERS_MAX, self.characters))
        found = text if len(text) <= longest else text[: longest - 1] + CUT
        self.characters -= len(found)
        return found


def freeze(value: object) -> Value:
    """Return what is recorded of `value`: a scalar, a tuple of scalars, or text.

    Numbers of numpy and the like become Python's. Nothing raises.

    >>> freeze({"a": [1]}), freeze([1, "x"])
    ('{"a": [1]}', (1, 'x'))
    """
    kind = type(value)
    if kind is int or kind is float or kind is bool:
        return value  # type: ignore[return-value] # it is one of these
    if kind is str and len(value) <= CHARACTERS_MAX:  # type: ignore[arg-type] # it is text
        return value  # type: ignore[return-value]
    try:
        if kind is list or kind is tuple:
            items: Any = value
            if (
                len(items) <= ITEMS_MAX
                and set(map(type, items)) == {str}
                and sum(map(len, items)) <= CHARACTERS_MAX
            ):
                return tuple(items)
        return _frozen(value, kind, _Room(), 0)
    except Exception as error:  # noqa: BLE001 # a __repr__ that raises, a container that changes meanwhile
        return f"<{kind.__name__} that cannot be written: {type(error).__name__}>"


def _frozen(value: Any, kind: type, room: _Room, depth: int) -> Value:
    if issubclass(kind, str):
        return room.text(value)
    if kind is bool:
        return value  # type: ignore[no-any-return] # it is one
    if issubclass(kind, int | float):  # as the base reads it: a class of the program's own may do otherwise
        return int.__index__(value) if issubclass(kind, int) else float.__float__(value)
    if issubclass(kind, _BYTES):
        return bytes(value[:CHARACTERS_MAX])
    if issubclass(kind, _LISTS):
        return _tuple(value, room, depth)
    if issubclass(kind, Mapping):
        return room.text(json.dumps(_plain(value, _Room(), depth)))
    found = scalar(value)
    if type(found) in _KEYS and found is not None:
        return found  # type: ignore[no-any-return] # it is one of these
    return room.text(repr(value))


def scalar(value: Any) -> Any:
    """Return a number or truth value of numpy and the like as Python's, and all else as it is.

    Raises:
        Exception: Whatever an object does that is asked.
    """
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "ndim", None) == 0 else value


def _tuple(value: Any, room: _Room, depth: int) -> Value:
    if depth >= DEPTH_MAX:
        return CUT
    found: list[Any] = []
    for item in value:
        if not room.take():
            break
        found.append(_frozen(item, type(item), room, depth + 1))
    return tuple(found)


def _plain(value: Any, room: _Room, depth: int) -> Any:
    """Return what of `value` JSON can hold and there is room for."""
    kind = type(value)
    if issubclass(kind, str):
        return room.text(value)
    if value is None or issubclass(kind, bool | int | float):
        return value
    if not issubclass(kind, list | tuple | Mapping):
        return room.text(repr(value))
    if depth >= DEPTH_MAX:
        return CUT
    if issubclass(kind, Mapping):
        fields: dict[Any, Any] = {}
        for key, item in value.items():
            if not room.take():
                fields[CUT] = CUT
                break
            fields[key if type(key) in _KEYS else room.text(str(key))] = _plain(item, room, depth + 1)
        return fields
    entries: list[Any] = []
    for item in value:
        if not room.take():
            entries.append(CUT)
            break
        entries.append(_plain(item, room, depth + 1))
    return entries


def as_text(value: object) -> str:
    """Return what `str` says of `value`, bounded. Nothing raises.

    >>> as_text(12), as_text("name")
    ('12', 'name')
    """
    try:
        return legible(str(freeze(str(value))))
    except Exception as error:  # noqa: BLE001 # a __str__ that raises
        return f"<{type(value).__name__} that cannot be written: {type(error).__name__}>"


def legible(text: str) -> str:
    """Return a text as UTF-8 can write it: half a character would cost a whole batch of spans."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def pairs(given: Any) -> Iterable[tuple[Any, Any]]:
    """Return the items of what should be a mapping.

    Raises:
        DataError: It has none.
    """
    items = getattr(given, "items", None)
    if items is None:
        kind = type(given).__name__
        raise DataError(f"A dict was wanted, such as {{'team': 'search'}}, and a value of type {kind} came.")
    return items()  # type: ignore[no-any-return] # it may be anything


def frozen(given: object, doing: str) -> dict[str, Value]:
    """Return attributes as they are now; what is no mapping is noted and left out."""
    try:
        return {as_text(key): freeze(value) for key, value in pairs(given)} if given else {}
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed(doing)
        return {}

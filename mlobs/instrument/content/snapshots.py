"""Values as they are now, for a thread that reads them later.

Text, numbers and the like cannot change and are kept as they are; containers are copied, down to a
depth and up to a number of values; of objects the fields are kept, and of arrays and images what
they are. Nothing of the program's own code runs here, no `repr` and no property, not even the `__class__`
of a proxy, which may ask a database; so nothing can raise, block or take long.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any
from uuid import UUID

VALUES_MAX = 4_000  # in one snapshot
DEPTH_MAX = 12
ITEMS_MAX = 1_000  # of one container, and of one stream

ATOMS = {str, int, float, bool, type(None), bytes}
_FIXED = (
    str,
    bytes,
    int,
    float,
    complex,
    Enum,
    Decimal,
    UUID,
    PurePath,
    date,
    datetime,
    time,
    timedelta,
    range,
)
_LISTS = (list, tuple, set, frozenset, deque)

_all_atoms = ATOMS.issuperset
FEW = 100
Special = Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Fields:
    """An object: the name of its class, and its fields as they were."""

    kind: str
    fields: dict[str, object]


@dataclass(frozen=True, slots=True)
class Cut:
    """Something that was left out, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Medium:
    """An image, a sound, an array and the like.

    Args:
        mime_type: Such as image/png.
        data: Its bytes; None where they were not kept.
        about: What is known of one without bytes: shape, mode and the like.
        later: Makes its bytes on the export thread, where that takes long.
        held_bytes: What waits for that.
    """

    mime_type: str
    data: bytes | None
    about: Mapping[str, str | int]
    later: Callable[[], bytes | None] | None = None
    held_bytes: int = 0


def weight(snapshot: Any) -> int:
    """Return about how many bytes a snapshot holds, where they count: of its texts and media.

    >>> weight([{"role": "user", "content": "hello"}])
    9
    """
    kind = type(snapshot)
    if kind is str or kind is bytes:
        return len(snapshot)
    if kind is dict:
        return sum(map(weight, snapshot.values()))
    if kind is list or kind is tuple:
        return sum(map(weight, snapshot))
    if kind is Fields:
        return weight(snapshot.fields)
    return len(snapshot.data or b"") + snapshot.held_bytes if kind is Medium else 0


class Snapshots:
    """Takes snapshots.

    Args:
        special: Asked first about objects: returns what is to be kept of an array or an image, or
            None.
    """

    __slots__ = ("_special",)

    def __init__(self, special: Special) -> None:
        self._special = special

    def take(self, value: object) -> object:
        """Return what is kept of `value`. Does not raise."""
        try:
            kind = type(value)
            if kind in ATOMS:
                return value
            left = [VALUES_MAX]
            if kind is list and len(value) <= FEW:  # type: ignore[arg-type] # it is a list
                # Chat messages, nearly always: flat dicts in a short list.
                return [
                    one.copy() if type(one) is dict and _flat(one) else self._copy(one, left, 1)
                    for one in value  # type: ignore[attr-defined] # it is a list
                ]
            return self._copy(value, left, 0)
        except Exception as error:  # noqa: BLE001 # a container that another thread changes meanwhile
            return Cut(f"{type(value).__name__} that cannot be read: {type(error).__name__}")

    def _copy(self, value: object, left: list[int], depth: int) -> object:
        kind: Any = type(value)
        if kind in ATOMS:
            return value
        if kind is dict:
            if _flat(value):  # type: ignore[arg-type] # it is a dict
                left[0] -= len(value)  # type: ignore[arg-type]
                return value.copy()  # type: ignore[attr-defined]
            return self._mapping(value, left, depth)  # type: ignore[arg-type] # it is a dict
        if kind is list:
            return self._sequence(value, left, depth)
        if depth >= DEPTH_MAX or left[0] <= 0:
            return Cut("too deep" if depth >= DEPTH_MAX else "too many values")
        if issubclass(kind, _FIXED):
            return value
        for base in _LISTS:
            if issubclass(kind, base):
                # As the base reads it: a class of the program's own may have another __iter__.
                items: Any = base.__iter__(value)  # type: ignore[arg-type] # it is such a one
                return self._sequence(list(islice(items, ITEMS_MAX + 1)), left, depth)
        if issubclass(kind, dict):
            entries: Any = dict.items(value)  # type: ignore[arg-type] # it is a dict
            return self._mapping(dict(islice(entries, ITEMS_MAX + 1)), left, depth)
        kept = self._special(value)
        if kept is not None:
            return kept
        return self._object(value, left, depth)

    def _mapping(self, value: dict[Any, Any], left: list[int], depth: int) -> object:
        left[0] -= len(value)
        if depth >= DEPTH_MAX or left[0] < 0 or len(value) > ITEMS_MAX:
            if depth >= DEPTH_MAX or left[0] < -VALUES_MAX:
                return Cut("too deep" if depth >= DEPTH_MAX else "too many values")
            value = dict(islice(value.items(), min(ITEMS_MAX, max(0, left[0] + len(value)))))
            value["…"] = Cut("too many values")
        return {
            key: one if type(one) in ATOMS else self._copy(one, left, depth + 1) for key, one in value.items()
        }

    def _sequence(self, value: Any, left: list[int], depth: int) -> object:
        left[0] -= len(value)
        if depth >= DEPTH_MAX:
            return Cut("too deep")
        if left[0] < 0 or len(value) > ITEMS_MAX:
            value = list(islice(value, min(ITEMS_MAX, max(0, left[0] + len(value)))))
            value.append(Cut("too many values"))
        return [one if type(one) in ATOMS else self._copy(one, left, depth + 1) for one in value]

    def _object(self, value: object, left: list[int], depth: int) -> object:
        """Return the fields of an object, read without running code of its class."""
        kind = type(value)
        fields: dict[str, object] = {}
        if issubclass(kind, type) or callable(value):
            named = issubclass(kind, type | FunctionType | BuiltinFunctionType | MethodType)
            return Cut(f"{kind.__name__} {value.__name__}" if named else kind.__name__)  # type: ignore[attr-defined] # these have a name
        own = object.__getattribute__(value, "__dict__") if _has_dict(value) else {}
        for name in islice(own, ITEMS_MAX):
            if isinstance(name, str) and not name.startswith("_"):
                fields[name] = own[name]
        extra = _slot(kind, "__pydantic_extra__", value)
        if isinstance(extra, dict):
            fields.update(extra)
        for base in kind.__mro__:
            for name in _slots_of(base):
                found = _slot(kind, name, value)
                if found is not _ABSENT and not name.startswith("_"):
                    fields.setdefault(name, found)
        if not fields:
            return Cut(kind.__name__)
        copied = self._mapping(fields, left, depth)
        return Fields(kind.__name__, copied) if isinstance(copied, dict) else copied


def _flat(value: dict[Any, Any]) -> bool:
    """Return whether a dict is small and holds nothing that can change."""
    return len(value) <= FEW and _all_atoms(map(type, value.values()))


_ABSENT = object()


def _has_dict(value: object) -> bool:
    try:
        return isinstance(object.__getattribute__(value, "__dict__"), dict)
    except AttributeError:
        return False


def _slots_of(base: type) -> tuple[str, ...]:
    slots = base.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(name for name in slots if isinstance(name, str))


def _slot(kind: type, name: str, value: object) -> object:
    """Return what a slot holds; other descriptors, such as properties, are not run."""
    for base in kind.__mro__:
        member = base.__dict__.get(name)
        if member is not None:
            if type(member).__name__ != "member_descriptor":
                return _ABSENT
            try:
                return member.__get__(value, kind)
            except AttributeError:
                return _ABSENT
    return _ABSENT

"""What becomes of one thing in Grafana, field by field."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["folder", "data source", "dashboard", "alert rule", "contact point"]
Action = Literal["create", "update", "keep", "remove"]
ABSENT = "(absent)"


@dataclass(frozen=True, slots=True)
class Field:
    """One difference: what is in Grafana, and what would be."""

    path: str
    there: Any
    here: Any


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one thing."""

    kind: Kind
    uid: str
    title: str
    action: Action
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """Changes that are written together, and how; None where there is nothing to write."""

    changes: tuple[Change, ...]
    write: Callable[[], object] | None = None


def change(kind: Kind, uid: str, title: str, fields: Iterator[Field]) -> Change:
    """Return the change of a thing that is there already."""
    found = tuple(fields)
    return Change(kind, uid, title, "update" if found else "keep", found)


def differences(there: Any, here: Any, path: str = "") -> Iterator[Field]:
    """Yield where `there` lacks what is in `here`; Grafana may have added fields.

    Lists must be equally long. A null is as good as nothing.

    >>> [*differences({"uid": "a", "version": 3, "tags": ["x"]}, {"uid": "a", "tags": ["x"]})]
    []
    >>> [*differences({"panels": [{"title": "a"}]}, {"panels": [{"title": "b"}]})]
    [Field(path='panels[0].title', there='a', here='b')]
    """
    if isinstance(here, dict) and isinstance(there, dict):
        for key, value in here.items():
            where = f"{path}.{key}" if path else key
            if key in there:
                yield from differences(there[key], value, where)
            elif value is not None:
                yield Field(where, ABSENT, value)
    elif isinstance(here, list) and isinstance(there, list):
        for number, (theirs, ours) in enumerate(zip(there, here, strict=False)):
            yield from differences(theirs, ours, f"{path}[{number}]")
        for number in range(len(there), len(here)):
            yield Field(f"{path}[{number}]", ABSENT, here[number])
        for number in range(len(here), len(there)):
            yield Field(f"{path}[{number}]", there[number], ABSENT)
    elif isinstance(there, bool) is not isinstance(here, bool) or there != here:
        yield Field(path, there, here)


def additions(there: Any, here: Any, path: str = "") -> Iterator[Field]:
    """Yield what `there` has in mappings and `here` has not: the other half of `differences`.

    >>> [*additions({"panels": [{"title": "a", "max": 1}]}, {"panels": [{"title": "a"}]})]
    [Field(path='panels[0].max', there=1, here='(absent)')]
    """
    if isinstance(here, dict) and isinstance(there, dict):
        for key, value in there.items():
            where = f"{path}.{key}" if path else key
            if key in here:
                yield from additions(value, here[key], where)
            elif value is not None:
                yield Field(where, value, ABSENT)
    elif isinstance(here, list) and isinstance(there, list):
        for number, (theirs, ours) in enumerate(zip(there, here, strict=False)):
            yield from additions(theirs, ours, f"{path}[{number}]")


def exact_differences(there: Any, here: Any, path: str) -> Iterator[Field]:
    """Yield every difference of two mappings of texts: also what only `there` has."""
    yield from differences(there, here, path)
    for key in (there or {}).keys() - here.keys():
        yield Field(f"{path}.{key}", there[key], ABSENT)

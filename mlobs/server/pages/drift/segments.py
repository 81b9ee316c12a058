"""Which features of segments are worth a row, and which of them one sees at first: data in, data out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlobs.server.pages.drift.view import REST, WHO

Row = Mapping[str, Any]
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Folded:
    """Rows of a table, and those that are there when one asks for them.

    Attributes:
        rows: What one sees.
        more: Those of further segments.
        segments: How many these are.
        moved: How many of `more` have moved.
    """

    rows: list[Row]
    more: list[Row]
    segments: int
    moved: int


def telling(watches: Sequence[Row]) -> list[Row]:
    """Return features without those that cannot say anything.

    Those are the features of the other segments while there are no rows of such, and within each segment the
    columns that have one value there, as what makes the segment has. What has moved stays.
    """
    same: dict[tuple[str, ...], list[Row]] = {}
    for one in watches:
        same.setdefault(_feature(one), []).append(one)
    fixed = {key for key, of in same.items() if _is_fixed(of)}
    return [
        one
        for one in watches
        if one["alarm"]
        or not ((one["segment"] == REST and _is_empty(one)) or (_is_named(one) and _feature(one) in fixed))
    ]


def folded(rows: Sequence[Row], shown: int = SHOWN) -> Folded:
    """Return rows of a table with those folded that are of more than the first few segments of a monitor."""
    first: dict[tuple[str, ...], list[str]] = {}
    for one in rows:
        of = first.setdefault(_who(one), [])
        if one["segment"] and one["segment"] not in of and len(of) < shown:
            of.append(one["segment"])
    seen = [one for one in rows if not one["segment"] or one["segment"] in first[_who(one)]]
    more = [one for one in rows if one["segment"] and one["segment"] not in first[_who(one)]]
    segments = {(*_who(one), one["segment"]) for one in more}
    return Folded(seen, more, len(segments), sum(one["alarm"] for one in more))


def _who(one: Row) -> tuple[str, ...]:
    return tuple(one[name] for name in WHO)


def _feature(one: Row) -> tuple[str, ...]:
    return (*_who(one), one["feature"])


def _is_named(one: Row) -> bool:
    return one["segment"] not in {"", REST}


def _is_empty(one: Row) -> bool:
    return not one["rows"] and not one["reached"]


def _is_fixed(of: Sequence[Row]) -> bool:
    """Return whether the bins of a feature keep their shares in each segment, but not in all together."""
    known = [one for one in of if _is_named(one) and one["rows"]]
    whole = [one for one in of if not one["segment"] and one["moves"]]
    return bool(known and whole) and not any(one["moves"] for one in known)

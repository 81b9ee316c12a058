"""Where a list goes on: after the last row that was shown, in the range of the first page."""

import base64
import binascii
import json
from dataclasses import dataclass
from math import isfinite

from mlobs.errors import QueryError
from mlobs.server.ask.ranges import Range

CHARACTERS_MAX = 16_000  # The id of a session may be long.
VERSION = 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """Rows after `rank` and `id` in the order of a list that was asked in `range` and sorted by `sort`."""

    sort: str
    range: Range
    rank: float
    id: str


def written(cursor: Cursor) -> str:
    """Return a cursor as one word of a URL."""
    whole = (VERSION, cursor.sort, cursor.range.since_ns, cursor.range.until_ns, cursor.range.now_ns)
    text = json.dumps([*whole, cursor.rank, cursor.id], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(word: str, sort: str) -> Cursor:
    """Return the cursor that a word is.

    Raises:
        QueryError: It is none of ours, or one of a list that was sorted otherwise.
    """
    try:
        found = _parsed(word)
    except (ValueError, TypeError, OverflowError, binascii.Error, RecursionError):
        raise QueryError(
            f"cursor={word[:40]!r} is not one that this server gave; leave it out to see the first page."
        ) from None
    if found.sort != sort:
        raise QueryError(f"The cursor is of a list sorted by {found.sort!r}; this one is sorted by {sort!r}.")
    return found


def _parsed(word: str) -> Cursor:
    if len(word) > CHARACTERS_MAX:
        raise ValueError(word)
    text = base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))
    version, sort, since_ns, until_ns, now_ns, rank, last = json.loads(text)
    if version != VERSION or not isinstance(sort, str) or not isinstance(last, str):
        raise ValueError(word)
    within = Range(_nanoseconds(since_ns), _nanoseconds(until_ns), _nanoseconds(now_ns))
    if sort == "dearest":
        return Cursor(sort, within, _dollars(rank), last)
    return Cursor(sort, within, _nanoseconds(rank, 2**64 if sort == "slowest" else 2**63), last)


def _dollars(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise TypeError(value)
    return float(value)


def _nanoseconds(value: object, below: int = 2**63) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < below:
        raise TypeError(value)
    return value

"""What routing remembers, in this process; for tests of the router."""

import copy
from collections.abc import Iterator

from mlobs.alerts.routing.memory import BACK_S
from mlobs.alerts.routing.state import Row


class Remembered:
    """A state in this process; it ends with it."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], tuple[Row, float | None, float | None]] = {}

    def get(self, kind: str, of: str, key: str = "") -> Row | None:
        """Return a row, or None."""
        found = self._rows.get((kind, of, key))
        return None if found is None else copy.deepcopy(found[0])

    def put(
        self,
        kind: str,
        of: str,
        key: str,
        row: Row,
        *,
        due_s: float | None = None,
        since_s: float | None = None,
    ) -> None:
        """Write a row."""
        self._rows[kind, of, key] = copy.deepcopy(row), due_s, since_s

    def drop(self, kind: str, of: str, key: str | None = None) -> None:
        """Remove a row, or all of an owner's."""
        for place in [place for place, _ in self._of(kind, of) if key is None or place[2] == key]:
            del self._rows[place]

    def rows(self, kind: str, of: str) -> list[Row]:
        """Return all of an owner's rows."""
        return [copy.deepcopy(row) for _, row in self._of(kind, of)]

    def count(self, kind: str, of: str) -> int:
        """Return how many there are."""
        return sum(1 for _ in self._of(kind, of))

    def due(self, now_s: float) -> list[tuple[str, str, str, Row]]:
        """Return what is due."""
        found = [
            (due_s, place, row)
            for place, (row, due_s, since_s) in self._rows.items()
            if due_s is not None and (due_s <= now_s or (since_s is not None and since_s > now_s + BACK_S))
        ]
        return [(*place, copy.deepcopy(row)) for _, place, row in sorted(found, key=lambda one: one[0])]

    def _of(self, kind: str, of: str) -> Iterator[tuple[tuple[str, str, str], Row]]:
        return ((place, row) for place, (row, *_) in self._rows.items() if place[:2] == (kind, of))

    def kinds(self, kind: str) -> list[Row]:
        """Return all rows of a kind, whosever they are."""
        return [copy.deepcopy(row) for place, (row, *_) in self._rows.items() if place[0] == kind]

"""What routing remembers: rows of JSON, each with a kind, an owner, a key, and perhaps a time.

The router reads and writes only through `State`, so it knows nothing of SQLite, where `memory` keeps
the rows.
"""

from typing import Any, Protocol

Row = dict[str, Any]


class State(Protocol):
    """Rows. `of` is what a row belongs to, such as a route or an alert; `key` may be empty."""

    def get(self, kind: str, of: str, key: str = "") -> Row | None:
        """Return a row, or None."""

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
        """Write a row, over the one that was there; `due` returns it from `due_s` on.

        If `since_s` is given, it does so also once it is well before that: the clock was set back, and
        nobody knows for how long the row has waited.
        """

    def drop(self, kind: str, of: str, key: str | None = None) -> None:
        """Remove a row, or with no key all of an owner's."""

    def rows(self, kind: str, of: str) -> list[Row]:
        """Return all of an owner's rows, in the order they were first written."""

    def count(self, kind: str, of: str) -> int:
        """Return how many there are."""

    def due(self, now_s: float) -> list[tuple[str, str, str, Row]]:
        """Return kind, owner, key and row of what is due, the longest overdue first."""

"""What a monitor says of rows that are not what its profile has: each reason once, not row by row."""

import re

REASONS_MAX = 20
NAMES_SHOWN = 5
DIGITS = re.compile(r"\d+")


class Complaints:
    """Sentences, each told once. Those that differ only in their numbers are one."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._waiting: list[str] = []

    def add(self, sentence: str, reason: str = "") -> None:
        """Note a sentence to be told, unless its reason was told or there have been too many."""
        reason = reason or DIGITS.sub("0", sentence)
        if reason not in self._told and len(self._told) < REASONS_MAX:
            self._told.add(reason)
            self._waiting.append(sentence)

    def take(self) -> list[str]:
        """Return what has not been told yet; it then has."""
        found, self._waiting = self._waiting, []
        return found


def named(names: list[str]) -> str:
    """Return some names as words.

    >>> named(["age"]), named(list("abcdefg"))
    ("'age'", "'a', 'b', 'c', 'd', 'e' and 2 more")
    """
    shown = ", ".join(map(repr, names[:NAMES_SHOWN]))
    return shown if len(names) <= NAMES_SHOWN else f"{shown} and {len(names) - NAMES_SHOWN} more"


def too_wide(floors: dict[str, float]) -> str:
    """Return the sentence on features of which only large changes can be found, with their floors.

    >>> too_wide({"age": 0.4})[:76]
    "Of 'age' (40 %) only changes are found that move more than that share of val"
    """
    shown = ", ".join(
        f"{name!r} ({floor:.0%})".replace("%", " %") for name, floor in sorted(floors.items())[:NAMES_SHOWN]
    )
    more = f" and {len(floors) - NAMES_SHOWN} more" if len(floors) > NAMES_SHOWN else ""
    return (
        f"Of {shown}{more} only changes are found that move more than that share of values: the reference "
        f"has few rows of it, or itself swings as much. Make the profile of more data."
    )

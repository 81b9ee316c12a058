"""What a check of a configuration found."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from mlobs.cli.collector.reading import Path, Place

Level = Literal["error", "note"]


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong with a key: the sentence says what it is and what to do."""

    path: Path
    text: str
    level: Level = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """The same, with where the key stands."""

    place: Place | None
    path: Path
    level: Level
    text: str

    def __str__(self) -> str:
        where = f"{self.place.file}:{self.place.line}: " if self.place else ""
        note = "note: " if self.level == "note" else ""
        return f"{where}{'.'.join(self.path)}: {note}{self.text}"


def near(name: str, known: Iterable[str]) -> str:
    """Return the question whether another name was meant, empty where none is like it.

    >>> near("kafak", ("file", "kafka"))
    " Did you mean 'kafka'?"
    """
    found = difflib.get_close_matches(name, list(known), 1)
    return f" Did you mean {found[0]!r}?" if found else ""

"""Halves a segment that the engine refuses, until only the messages at fault are left over.

Halves take the place of the segment in one step (its rename to `.split`), so that after a crash
either it or they are loaded. Their names are the segment's with a letter and a digit behind it:
the letter keeps the order, and the digit is the first table that still needs the rows. Both are
the same each time, so the store recognises a half it already holds by its name.
"""

import os
import re
from pathlib import Path

from mlobs.errors import StoreError
from mlobs.server.framing import NUMBER_DIGITS, frame, messages
from mlobs.server.journal import SEALED, sync_folder
from mlobs.server.receive.messages import check, items, parses, rewritten

HALF, SPLIT = ".half", ".split"
LETTERS = "ab"


def origin(path: Path) -> str:
    """Return the name of the segment that `path` is, or is a piece of.

    >>> origin(Path("logs-00000000000000000007a0b0.sealed"))
    'logs-00000000000000000007'
    """
    signal, _, rest = path.stem.rpartition("-")
    return f"{signal}-{rest[:NUMBER_DIGITS]}"


def first_table(path: Path) -> int:
    """Return the number of the first table that is to get the rows of `path`.

    >>> first_table(Path("logs-00000000000000000007a0b2.sealed"))
    2
    """
    found = re.search(f"[{LETTERS}]([0-9])$", path.stem)
    return int(found[1]) if found else 0


def held_items(path: Path, signal: str) -> int:
    """Return how many spans, metric points or log records of a segment need a place in a table."""
    first = first_table(path)
    return sum(items(check(signal, message), first) for message in _messages(path) if parses(signal, message))


def rewrite(path: Path, signal: str) -> None:
    """Replace a segment by one with the same rows and none of the fields that are no OTLP."""
    temporary = path.with_suffix(".rewritten")
    _write(temporary, signal, _messages(path))
    temporary.rename(path)
    sync_folder(path.parent)


def split(path: Path, signal: str, table: int) -> list[Path]:
    """Replace a segment by its halves and return them; none when it is a single message."""
    held = _messages(path)
    if len(held) < len(LETTERS):
        return []
    middle = len(held) // 2
    for half, part in zip(_halves(path, table), (held[:middle], held[middle:]), strict=True):
        _write(half, signal, part)
    sync_folder(path.parent)
    return _finish(path.rename(path.with_suffix(SPLIT)), table)


def finish_splits(folder: Path, signal: str) -> None:
    """Complete what a crash interrupted, or undo it.

    Raises:
        StoreError: The folder cannot be read or written.
    """
    try:
        for path in sorted(folder.glob(f"{signal}-*{SPLIT}")):
            pieces = folder.glob(f"{path.stem}[{LETTERS}]*")
            # None are left when all were loaded before the end of the segment reached the disk.
            _finish(path, min((int(piece.stem.removeprefix(path.stem)[1]) for piece in pieces), default=0))
        for left in (*folder.glob(f"{signal}-*{HALF}"), *folder.glob(f"{signal}-*.rewritten")):
            left.unlink()
    except OSError as error:
        raise StoreError(f"The journal in {folder} cannot be read: {error}.") from error


def _finish(path: Path, table: int) -> list[Path]:
    pieces = []
    for half in _halves(path, table):
        piece = half.with_suffix(SEALED)
        if half.exists():
            half.rename(piece)
        pieces.append(piece)
    sync_folder(path.parent)
    path.unlink()
    return pieces


def _halves(path: Path, table: int) -> list[Path]:
    return [path.with_name(f"{path.stem}{letter}{table}{HALF}") for letter in LETTERS]


def _messages(path: Path) -> list[bytes]:
    return [message for message, _ in messages(path.read_bytes())]


def _write(path: Path, signal: str, held: list[bytes]) -> None:
    with path.open("wb") as file:
        for message in held:
            file.write(frame(rewritten(signal, message) if parses(signal, message) else message))
        file.flush()
        os.fsync(file.fileno())

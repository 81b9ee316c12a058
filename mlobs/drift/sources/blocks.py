"""Cuts a file of lines into blocks that end with a line.

A line break between quotes ends no line of CSV. Where the quotes never close, for instance because
one stands for inches, every line break ends a line.
"""

from collections.abc import Iterator
from pathlib import Path

from mlobs._extras import require

BLOCK_BYTES = 16 << 20
PART_BYTES = 1 << 20
LINES_MIN = 500  # in a block of very wide lines
BLOCK_BYTES_MAX = 128 << 20
NEWLINE, QUOTE = b"\n", b'"'


def blocks(path: Path, packing: str | None, *, quoted: bool, size: int | None = None) -> Iterator[bytes]:
    """Yield the bytes of a file in blocks of some megabytes.

    Args:
        path: The file.
        packing: How it is packed; None if not.
        quoted: Line breaks between quotes end no line.
        size: Of a block, about; larger where lines are very long. `BLOCK_BYTES` if None.
    """
    arrow = require("pyarrow", extra="drift", feature="Reading data files")
    size = size or BLOCK_BYTES
    kept = b""
    with arrow.input_stream(str(path), compression=packing) as file:
        while piece := file.read(size):
            kept += piece
            size = _size(kept, size)
            end = last_line_end(kept) if quoted else kept.rfind(NEWLINE) + 1
            if end:
                yield kept[:end]
                kept = kept[end:]
    if kept.strip():
        yield kept


def last_line_end(text: bytes) -> int:
    """Return where the last whole line of CSV ends, or 0 if there is none.

    >>> last_line_end(b'1,"a"'), last_line_end(b'1,"a"' + NEWLINE + b'2,"b' + NEWLINE)
    (0, 6)
    """
    last = end = text.rfind(NEWLINE) + 1
    open_quotes = text.count(QUOTE, 0, end) % 2
    while end and open_quotes:
        before = text.rfind(NEWLINE, 0, end - 1) + 1
        open_quotes ^= text.count(QUOTE, before, end) % 2
        end = before
    return end or last


def part_of(block: bytes) -> int:
    """Return how many bytes of a block are parsed at once: many lines, however wide they are."""
    return _size(block, PART_BYTES)


def _size(text: bytes, size: int) -> int:
    line = text.find(NEWLINE) + 1 or len(text)
    return min(max(size, LINES_MIN * line), BLOCK_BYTES_MAX)


def encoding_of(start: bytes) -> str | None:
    """Return the name of the encoding that the first bytes tell, if it is not UTF-8."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    return None

"""Length-delimited messages: a varint with the length, then the message, then the next.

This is the journal's format because the engine reads it as it is. A zero length is never
written, so a run of zeros at the end of a file is a tail that a crash left behind.
"""

from collections.abc import Callable, Iterator

NUMBER_DIGITS = 20  # Of a segment's name; what `splitting` adds comes behind them.
VARINT_BYTES_MAX = 5  # 35 bits; a body is far smaller.


def frame(message: bytes) -> bytes:
    r"""Return `message` with its length in front.

    >>> frame(b"abc")
    b'\x03abc'
    """
    length = len(message)
    prefix = bytearray()
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + message


def messages(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield each whole message and the offset at which it ends; stop at the first torn one."""
    at = 0
    while (found := _length(data, at)) is not None:
        length, start = found
        if length == 0 or start + length > len(data):
            return
        at = start + length
        yield data[start:at], at


def whole_bytes(data: bytes, parses: Callable[[bytes], bool]) -> int:
    """Return how many bytes from the start are whole messages that parse."""
    end = 0
    for message, offset in messages(data):
        if not parses(message):
            break
        end = offset
    return end


def _length(data: bytes, at: int) -> tuple[int, int] | None:
    length = 0
    for position in range(at, min(at + VARINT_BYTES_MAX, len(data))):
        byte = data[position]
        length |= (byte & 0x7F) << 7 * (position - at)
        if byte < 0x80:
            return length, position + 1
    return None

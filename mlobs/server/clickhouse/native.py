r"""The format Native as newer clients want it, which say so with client_protocol_version.

The engine writes it for clients that say nothing. For the others a block has a head, and each column a
byte that says how it is written; clickhouse-go, which Grafana uses, reads nothing else. To find where a
column ends its values are stepped over, by type.

>>> with_heads(b"\x01\x01\x01a\x05UInt8\x07")
b'\x01\x00\x02\xff\xff\xff\xff\x00\x01\x01\x01a\x05UInt8\x00\x07'
"""

import re
from functools import cache
from typing import NamedTuple

from mlobs.server.clickhouse.refusal import NOT_IMPLEMENTED, ClickHouseError

VERSION_MIN = 54_454  # Of the protocol, since when columns have that byte.
HEAD = b"\x01\x00\x02\xff\xff\xff\xff\x00"  # No overflow row, no bucket.
AS_USUAL = b"\x00"
SIZES = {
    "Bool": 1, "Int8": 1, "UInt8": 1, "Nothing": 1, "Enum8": 1,
    "Int16": 2, "UInt16": 2, "Date": 2, "Enum16": 2, "BFloat16": 2,
    "Int32": 4, "UInt32": 4, "Float32": 4, "DateTime": 4, "Date32": 4, "IPv4": 4, "Decimal32": 4, "Time": 4,
    "Int64": 8, "UInt64": 8, "Float64": 8, "DateTime64": 8, "Decimal64": 8, "Time64": 8,
    "Int128": 16, "UInt128": 16, "UUID": 16, "IPv6": 16, "Decimal128": 16,
    "Int256": 32, "UInt256": 32, "Decimal256": 32,
}  # fmt: skip
INTERVAL = "Interval"
DIGITS = ((9, 4), (18, 8), (38, 16), (76, 32))  # Of a Decimal, and the bytes it takes.
DICTIONARY_VERSION_BYTES = 8
QUOTED = {"'", "`", '"'}
NAMED = re.compile(r"(?:\w+|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\")\s+(?=[A-Z])")


class Kind(NamedTuple):
    """A type: its name, and those within it."""

    name: str
    inner: tuple["Kind", ...] = ()
    bytes: int = 0


def with_heads(data: bytes) -> bytes:
    """Return blocks in Native with what newer clients expect.

    Raises:
        ClickHouseError: A column has a type whose values cannot be stepped over.
    """
    found: list[bytes] = []
    at = 0
    while at < len(data):
        begun = at
        columns, at = _number(data, at)
        rows, at = _number(data, at)
        found += (HEAD, data[begun:at])
        for _ in range(columns):
            begun = at
            at = _text(data, at)
            length, name_at = _number(data, at)
            at = name_at + length
            kind = parsed(data[name_at:at].decode())
            found += (data[begun:at], AS_USUAL)
            begun = at
            if rows:
                at = _column(data, _prefix(kind, at), kind, rows)
            found.append(data[begun:at])
    return b"".join(found)


@cache
def parsed(text: str) -> Kind:
    """Return a type from its name.

    >>> parsed("Array(Nullable(Decimal(18, 4)))").inner[0].inner[0].bytes
    8

    Raises:
        ClickHouseError: Nobody here knows it.
    """
    name, _, rest = text.partition("(")
    given = _arguments(rest.removesuffix(")")) if rest else []
    if name in SIZES:
        return Kind(name, bytes=SIZES[name])
    if name.startswith(INTERVAL):
        return Kind(name, bytes=8)
    if name == "Decimal":
        digits = int(given[0])
        return Kind(name, bytes=next(size for most, size in DIGITS if digits <= most))
    if name == "FixedString":
        return Kind(name, bytes=int(given[0]))
    if name == "String":
        return Kind(name)
    if name in {"Array", "Nullable", "LowCardinality"}:
        return Kind(name, (parsed(given[0]),))
    if name == "Map":
        return Kind("Array", (Kind("Tuple", (parsed(given[0]), parsed(given[1]))),))
    if name == "SimpleAggregateFunction":
        return parsed(given[1])
    if name in {"Tuple", "Nested"}:
        fields = Kind(
            "Tuple", tuple(parsed(NAMED.sub("", one, count=1) if NAMED.match(one) else one) for one in given)
        )
        return fields if name == "Tuple" else Kind("Array", (fields,))
    raise ClickHouseError(
        NOT_IMPLEMENTED,
        f"A column of type {text[:60]} came, which is not written for this client. Ask for toString() of it, "
        f"or for another format than Native.",
    )


def _arguments(text: str) -> list[str]:
    """Return what stands between the commas that are in no brackets and quotes."""
    found, depth, quote, begun, at = [], 0, "", 0, 0
    while at < len(text):
        sign = text[at]
        if quote:
            if sign == "\\":
                at += 1
            elif sign == quote:
                quote = ""
        elif sign in QUOTED:
            quote = sign
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == "," and depth == 0:
            found.append(text[begun:at].strip())
            begun = at + 1
        at += 1
    return [*found, text[begun:].strip()]


def _prefix(kind: Kind, at: int) -> int:
    """Return where a column's values begin: the versions of all dictionaries in it stand before."""
    if kind.name == "LowCardinality":
        return at + DICTIONARY_VERSION_BYTES
    for inner in kind.inner:
        at = _prefix(inner, at)
    return at


def _column(data: bytes, at: int, kind: Kind, rows: int) -> int:
    """Return where the values of a column end."""
    if kind.bytes:
        return at + kind.bytes * rows
    if kind.name == "String":
        for _ in range(rows):
            at = _text(data, at)
        return at
    if kind.name == "Nullable":
        return _column(data, at + rows, kind.inner[0], rows)
    if kind.name == "Array":
        if not rows:
            return at
        at += 8 * rows
        return _column(data, at, kind.inner[0], _fixed(data, at - 8))
    if kind.name == "LowCardinality":
        return _dictionary(data, at, kind.inner[0], rows)
    if not kind.inner:  # An empty tuple takes a byte.
        return at + rows
    for inner in kind.inner:
        at = _column(data, at, inner, rows)
    return at


def _dictionary(data: bytes, at: int, kind: Kind, rows: int) -> int:
    if not rows:
        return at
    width = 1 << (data[at] & 0xF)
    keys = _fixed(data, at + 8)
    at = _column(data, at + 16, kind.inner[0] if kind.name == "Nullable" else kind, keys)
    return at + 8 + width * _fixed(data, at)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable length, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _text(data: bytes, at: int) -> int:
    length = data[at]
    if length < 0x80:
        return at + 1 + length
    length, at = _number(data, at)
    return at + length


def _fixed(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")

"""Values whose text the engine cannot make: nested ones, long ones, and some numbers.

Nested values become JSON, at any depth that the protobuf parser lets through. Numbers keep their
text, bytes become hexadecimal, values that are not set become null. Of keys that are there twice the
last one stays. What JSON has no number for becomes the text NaN, Infinity or -Infinity, as OTLP's
own JSON has it.
"""

import json
import math
import struct
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValueList

from mlobs.server.wire import ITEMS, REAL, TEXT

MARK = "…"

_SHOWN = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def text(kind: int, raw: bytes, text_bytes_max: int) -> str:
    r"""Return the text of a value from its bytes.

    Args:
        kind: ITEMS or PAIRS for the bytes of an ArrayValue or a KeyValueList, REAL for eight of a double,
            TEXT for text.
        raw: The bytes.
        text_bytes_max: Longer texts are cut, and end in a mark.

    Raises:
        DecodeError: They are not what `kind` says.

    >>> text(ITEMS, b"\n\x06\n\x04stop", 64)
    '["stop"]'
    """
    if kind == REAL:
        number: float = struct.unpack("<d", raw.ljust(8, b"\0"))[0]  # the engine drops zeros at the end
        return repr(number)
    if kind == TEXT:
        return _cut(raw, text_bytes_max)
    if kind == ITEMS:
        shown = _json([_plain(value) for value in ArrayValue.FromString(raw).values])
    else:
        shown = _json({pair.key: _plain(pair.value) for pair in KeyValueList.FromString(raw).values})
    return shown if len(shown) <= text_bytes_max else _cut(shown.encode(), text_bytes_max)


def _cut(raw: bytes, text_bytes_max: int) -> str:
    if len(raw) <= text_bytes_max:
        return raw.decode(errors="replace")
    return raw[:text_bytes_max].decode(errors="ignore") + MARK


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    held = getattr(value, kind)
    if kind == "array_value":
        return [_plain(item) for item in held.values]
    if kind == "kvlist_value":
        return {pair.key: _plain(pair.value) for pair in held.values}
    if kind == "bytes_value":
        return held.hex()
    if kind == "double_value" and not math.isfinite(held):
        return _SHOWN[repr(held)]
    return held

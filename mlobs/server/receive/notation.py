"""OTLP in JSON, turned into the protobuf that the journal holds.

As the specification has it: identifiers are hexadecimal, other bytes base64, 64-bit numbers
may be texts, enumerations are numbers (names are understood), field names are camelCase
(snake_case is understood), and fields nobody knows are skipped.

The fields are those of the protobuf package. JSON's tree is walked once, into keyword arguments
for the generated classes, which are filled in C.
"""

import json
import math
import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NoReturn

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from mlobs.errors import PayloadError

DEPTH_MAX = 100  # Messages inside each other; the protobuf parser has the same limit.
SHOWN_MAX = 60
IDENTIFIERS = ("trace_id", "span_id", "parent_span_id")
RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, (1 << 32) - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, (1 << 64) - 1),
    FieldDescriptor.CPPTYPE_ENUM: (-(1 << 31), (1 << 31) - 1),
}
NOT_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
WHOLE = re.compile(r"-?[0-9]{1,20}")
URL_SAFE = str.maketrans("-_", "+/")

Read = Callable[[Any, int], Any]
Fields = Mapping[str, tuple[str, Read]]


class _WrongError(ValueError):
    """A value that is not what its field holds; `path` grows from the inside out."""

    def __init__(self, came: object, wanted: str) -> None:
        super().__init__(f"{_shown(came)} came, {wanted} was expected")
        self.path: list[str] = []


def from_json(kind: type[Message], body: bytes) -> bytes:
    """Return the protobuf of a request that was sent as JSON.

    Args:
        kind: The request's class.
        body: UTF-8.

    Raises:
        PayloadError: It is not JSON, or not JSON of this request.
    """
    name = kind.__name__
    try:
        tree = json.loads(body.decode(), parse_constant=_constant)
        fields = _fields(kind.DESCRIPTOR)
        if isinstance(tree, dict) and tree and not fields.keys() & tree.keys():
            raise PayloadError(f"The body ({len(body)} bytes) has no field of an {name}.")
        return kind(**_message(fields, tree, 0)).SerializeToString()
    except _WrongError as wrong:
        where = ".".join(reversed(wrong.path)) or "the body"
        raise PayloadError(f"The body ({len(body)} bytes) is not an {name}: at {where}, {wrong}.") from None
    except RecursionError:
        deep = "its values lie too deep inside each other"
        raise PayloadError(f"The body ({len(body)} bytes) is not an {name}: {deep}.") from None
    except ValueError as error:  # JSON's own, UTF-8's, and numbers of too many digits
        if isinstance(error, PayloadError):
            raise
        raise PayloadError(f"The body ({len(body)} bytes) is not JSON: {str(error)[:200]}.") from None


def weight(body: bytes) -> int:
    """Return about how many bytes of memory it takes to turn a body into protobuf.

    JSON of small values grows most when it becomes a tree: an object of three bytes takes two
    hundred. The count includes what stands in texts, so it is rather too high.
    """
    return 3 * len(body) + 450 * body.count(b"{") + 100 * (body.count(b",") + body.count(b"["))


def _constant(text: str) -> NoReturn:
    raise ValueError(f'{text} is not a number of JSON; "{text}" in quotes is understood')


def _shown(value: object) -> str:
    kinds: dict[type, str] = {dict: "an object", list: "an array", type(None): "null"}
    found = kinds.get(type(value))
    if found is None:
        text = ascii(value) if isinstance(value, str) else str(value).lower()
        found = text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."
    return found


def _message(fields: Fields, node: Any, depth: int) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise _WrongError(node, "an object")
    if depth > DEPTH_MAX:
        raise RecursionError
    made = {}
    for key, value in node.items():
        row = fields.get(key)
        if row is None or value is None:
            continue
        name, read = row
        try:
            made[name] = read(value, depth)
        except _WrongError as wrong:
            wrong.path.append(key)
            raise
    return made


@cache
def _fields(descriptor: Descriptor) -> Fields:
    """Return the fields of a message by both of their names."""
    found: dict[str, tuple[str, Read]] = {}
    for field in descriptor.fields:
        read = _reader(field)
        row = (field.name, _several(read) if field.is_repeated else read)
        found[field.name] = found[field.json_name] = row
    return found


def _reader(field: FieldDescriptor) -> Read:
    if field.message_type is not None:
        return _nested(field.message_type)
    if field.enum_type is not None:
        return _choice(field.enum_type)
    if field.cpp_type in RANGES:
        return _whole(*RANGES[field.cpp_type])
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _identifier if field.name in IDENTIFIERS else _bytes
    return {
        FieldDescriptor.CPPTYPE_STRING: _text,
        FieldDescriptor.CPPTYPE_BOOL: _flag,
        FieldDescriptor.CPPTYPE_DOUBLE: _real,
    }[field.cpp_type]


def _nested(descriptor: Descriptor) -> Read:
    def read(value: Any, depth: int) -> dict[str, Any]:
        # Found when it is needed: values hold values, without end.
        return _message(_fields(descriptor), value, depth + 1)

    return read


def _several(read: Read) -> Read:
    def items(value: Any, depth: int) -> list[Any]:
        if not isinstance(value, list):
            raise _WrongError(value, "an array")
        return [read(item, depth) for item in value]

    return items


def _choice(enum: EnumDescriptor) -> Read:
    numbers = {value.name: value.number for value in enum.values}
    whole = _whole(*RANGES[FieldDescriptor.CPPTYPE_ENUM])
    return lambda value, depth: numbers[value] if value in numbers else whole(value, depth)


def _whole(low: int, high: int) -> Read:
    wanted = f"a whole number from {low} to {high}"

    def read(value: Any, _depth: int) -> int:
        written = isinstance(value, str) and WHOLE.fullmatch(value)
        if written or (isinstance(value, float) and value.is_integer()):
            number = int(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            number = value
        else:
            raise _WrongError(value, wanted)
        if not low <= number <= high:
            raise _WrongError(value, wanted)
        return number

    return read


def _real(value: Any, _depth: int) -> float:
    if isinstance(value, str) and value in NOT_NUMBERS:
        return NOT_NUMBERS[value]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _WrongError(value, "a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _WrongError(value, "a number") from None
    if not math.isfinite(number):
        raise _WrongError(value, "a number that fits 64 bits")
    return number


def _text(value: Any, _depth: int) -> str:
    if not isinstance(value, str):
        raise _WrongError(value, "a text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _WrongError(value, "a text without halves of characters") from None
    return value


def _flag(value: Any, _depth: int) -> bool:
    if not isinstance(value, bool):
        raise _WrongError(value, "true or false")
    return value


def _identifier(value: Any, _depth: int) -> bytes:
    try:
        found = bytes.fromhex(value)
    except (TypeError, ValueError):
        raise _WrongError(value, "a hexadecimal identifier") from None
    if len(found) * 2 != len(value):  # Python allows blanks between the digits.
        raise _WrongError(value, "a hexadecimal identifier")
    return found


def _bytes(value: Any, _depth: int) -> bytes:
    if not isinstance(value, str):
        raise _WrongError(value, "a text of base64")
    plain = value.translate(URL_SAFE).rstrip("=")
    try:
        return a2b_base64(plain + "=" * (-len(plain) % 4), strict_mode=True)
    except (Base64Error, ValueError):
        raise _WrongError(value, "a text of base64") from None

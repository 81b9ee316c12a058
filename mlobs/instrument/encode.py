"""Writes finished calls as an OTLP trace request.

Field numbers are those of opentelemetry/proto/trace/v1/trace.proto. Building the message with
protobuf's Python classes costs ten times as much, attribute by attribute; a test parses what is
written here with those classes.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlobs.instrument.content.redaction import redact_secrets
from mlobs.instrument.describe import dynamic, exception, is_error, status_message, without_secrets
from mlobs.instrument.values import as_text, freeze
from mlobs.semconv.events import EXCEPTION

if TYPE_CHECKING:
    from mlobs.instrument.calls import Call
    from mlobs.instrument.sites import Value

KINDS = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
SAMPLED, HAS_IS_REMOTE, IS_REMOTE = 0x001, 0x100, 0x200

_fixed64 = struct.Struct("<Q").pack
_fixed32 = struct.Struct("<I").pack
_double = struct.Struct("<d").pack
_ids = struct.Struct(">BB16sBBQ").pack  # trace_id (1) and span_id (2)
_parent = struct.Struct(">BBQ").pack  # parent_span_id (4)
_times = struct.Struct("<BQBQ").pack  # start_time_unix_nano (7) and end_time_unix_nano (8)
_STATUS_CODE_ERROR = b"\x18\x02"
_DROPPED = {"attributes": b"\x50", "events": b"\x60", "links": b"\x70"}  # dropped_*_count (10, 12, 14)
_FLAGS = b"\x85\x01" + _fixed32(SAMPLED | HAS_IS_REMOTE)
_FLAGS_REMOTE = b"\x85\x01" + _fixed32(SAMPLED | HAS_IS_REMOTE | IS_REMOTE)
SHORT = 65  # characters; longer texts are not the same again and again


def request(spans: Iterable[bytes], resource: Mapping[str, object], scope: str, version: str) -> bytes:
    """Return an ExportTraceServiceRequest with one resource and one scope."""
    scope_body = _text(1, scope) + _text(2, version)
    scope_spans = _block(1, scope_body) + b"".join(_block(2, span) for span in spans)
    resource_body = _block(1, attributes(1, resource))
    return _block(1, resource_body + _block(2, scope_spans))


def span(call: "Call", epoch_ns: int, day: date) -> bytes:
    """Return one Span message.

    Args:
        call: A finished call.
        epoch_ns: What to add to the call's times to get nanoseconds since 1970.
        day: The day whose prices hold.
    """
    site = call.site
    if site.encoded is None:
        kind = b"\x30" + bytes((KINDS[site.row.kind],))
        site.encoded = (kind + _text(5, site.name), attributes(9, site.attributes))
    named, static = site.encoded
    found = dynamic(call, day)
    if found and not found.keys().isdisjoint(site.attributes):
        # An attribute set during the call replaces the one given at decoration.
        static = attributes(9, {key: value for key, value in site.attributes.items() if key not in found})
    parts = [
        _ids(0x0A, 16, call.trace_id.to_bytes(16, "big"), 0x12, 8, call.span_id),
        _times(0x39, call.started_ns + epoch_ns, 0x41, call.ended_ns + epoch_ns),
        named,
        static,
        _FLAGS_REMOTE if call.remote_parent else _FLAGS,
    ]
    if call.parent_id:
        parts.append(_parent(0x22, 8, call.parent_id))
    if found:
        parts.append(attributes(9, found))
    if call.name is not None:
        parts.append(_text(5, redact_secrets(call.name)))  # of a field that comes twice, the last counts
    if call.trace_state:
        parts.append(_text(3, call.trace_state.to_header()))
    if call.events is not None or call.failure is not None:
        parts.append(_events(call, epoch_ns))
    if call.links is not None:
        parts += [_link(*link) for link in call.links]
    if call.dropped is not None:
        parts += [_DROPPED[what] + varint(count) for what, count in call.dropped.items()]
    if is_error(call):
        parts.append(_block(15, _text(2, status_message(call)) + _STATUS_CODE_ERROR))
    return b"".join(parts)


def attributes(field: int, values: Mapping[str, object]) -> bytes:
    """Return repeated KeyValue messages under `field`."""
    out = []
    for key, value in values.items():
        if value.__class__ is str and len(value) < SHORT:
            out.append(_short(field, key, value))
        else:
            out.append(_block(field, _key(key) + _block(2, any_value(value))))
    return b"".join(out)


def any_value(value: object) -> bytes:
    """Return an AnyValue message. Values are frozen when they are set; others are frozen here."""
    if isinstance(value, str):
        return _text(1, value)
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            return _text(1, as_text(value))  # which may have too many digits for a text
        return b"\x18" + varint(value & 0xFFFFFFFFFFFFFFFF)
    if isinstance(value, float):
        return b"\x21" + _double(value)
    if isinstance(value, bytes):
        return _block(7, value)
    if isinstance(value, Sequence):
        return _block(5, b"".join(_block(1, any_value(item)) for item in value))
    return any_value(freeze(value))


def varint(number: int) -> bytes:
    """Return `number`, 0 or more, as protobuf writes it."""
    if number < 128:
        return _ONE_BYTE[number]
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


_ONE_BYTE = [bytes((n,)) for n in range(128)]


def _link(to: Any, about: "Mapping[str, Value]") -> bytes:
    """Return a link to another span."""
    ids = _ids(0x0A, 16, to.trace_id.to_bytes(16, "big"), 0x12, 8, to.span_id)
    state = to.trace_state.to_header()
    told = _text(3, state) if state else b""
    flags = int(to.trace_flags) | HAS_IS_REMOTE | (IS_REMOTE if to.is_remote else 0)
    return _block(13, ids + told + attributes(4, without_secrets(about)) + b"\x35" + _fixed32(flags))


def _events(call: "Call", epoch_ns: int) -> bytes:
    """Return the call's events, and its exception as one."""
    events = list(call.events or ())
    if call.failure is not None and call.state is None:
        events.append((EXCEPTION.name, call.ended_ns + epoch_ns, exception(call.failure)))
    return b"".join(
        _block(
            11,
            b"\x09" + _fixed64(when) + _text(2, redact_secrets(name)) + attributes(3, without_secrets(about)),
        )
        for name, when, about in events
    )


@lru_cache(maxsize=4096)  # agents, models, sessions: the same few again and again
def _short(field: int, key: str, value: str) -> bytes:
    return _block(field, _text(1, key) + _block(2, _text(1, value)))


@lru_cache(maxsize=4096)  # keys may be made from user input
def _key(key: str) -> bytes:
    return _text(1, key)


def _text(field: int, text: str) -> bytes:
    return _block(field, text.encode("utf-8", "replace"))


def _block(field: int, body: bytes) -> bytes:
    tag = bytes(((field << 3) | 2,))
    return tag + varint(len(body)) + body

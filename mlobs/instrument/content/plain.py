"""Snapshots as plain structures: dicts with text keys, lists, text, finite numbers, booleans, None."""

import math
from collections.abc import Callable
from datetime import date, datetime, time
from enum import Enum
from typing import Any

from mlobs.instrument.content.fitting import shortened
from mlobs.instrument.content.media import decoded, mime_type_of, of_url
from mlobs.instrument.content.snapshots import Cut, Fields, Medium

_FORMATS = {"wav", "mp3", "flac", "opus", "aac", "ogg", "pcm16"}
ToPart = Callable[[Medium], dict[str, object]]


def plain(value: Any, to_part: ToPart, characters_max: int = 1 << 30) -> Any:
    """Return a snapshot as JSON can hold it.

    Args:
        value: What `Snapshots.take` gave.
        to_part: Returns what stands for a medium.
        characters_max: Longer texts are cut: nothing of the rest would be shown, but all of it would
            be searched for what must not be.
    """
    kind = type(value)
    if kind is str:
        if value.startswith("data:") and not isinstance(medium := of_url(value), str):
            return to_part(medium)
        return value if len(value) <= characters_max else shortened(value, characters_max)[0]
    if value is None or kind is bool or kind is int:
        return value
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if kind is dict:
        inline = _inline(value)
        if inline is not None:
            return to_part(inline)
        return {str(key): plain(one, to_part, characters_max) for key, one in value.items()}
    if kind is list:
        return [plain(one, to_part, characters_max) for one in value]
    if kind is Fields:
        return {
            key: plain(one, to_part, characters_max) for key, one in value.fields.items() if one is not None
        }
    if kind is Cut:
        return f"<{value.why}>"
    if kind is Medium:
        return to_part(value)
    if isinstance(value, bytes):
        return to_part(Medium(mime_type_of(value), value, {}))
    return _fixed(value, to_part)


def _inline(value: dict[Any, Any]) -> Medium | None:
    """Return the medium that providers write as base64 beside its type, or None."""
    data = value.get("data")
    told = value.get("media_type") or value.get("mime_type") or value.get("mimeType")
    form = value.get("format")
    if told is None and isinstance(form, str) and form in _FORMATS:
        told = f"audio/{form}"
    if not isinstance(data, str | bytes) or not isinstance(told, str):
        return None
    return Medium(told, decoded(data) if isinstance(data, str) else data, {})


def _fixed(value: Any, to_part: ToPart) -> Any:
    """Return what stands for an object that cannot change."""
    if isinstance(value, Enum):
        return plain(value.value, to_part) if not isinstance(value.value, Enum) else str(value.value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bool | int | float):
        return plain(float(value), to_part) if isinstance(value, float) else int(value)
    return str.__str__(value) if isinstance(value, str) else str(value)

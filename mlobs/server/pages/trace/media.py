"""Pictures and sound in messages: those that came with the span are shown, others are told of.

Only types that a browser shows as a picture or plays, and that run nothing: no SVG, no HTML, whatever the
message says of itself.
"""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

BYTES_MAX = 32 << 20
SHOWN: Mapping[str, str] = {
    **dict.fromkeys(
        ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"), "image"
    ),
    **dict.fromkeys(
        (
            "audio/wav",
            "audio/x-wav",
            "audio/wave",
            "audio/mpeg",
            "audio/mp3",
            "audio/mp4",
            "audio/ogg",
            "audio/flac",
            "audio/webm",
            "audio/aac",
            "audio/opus",
        ),
        "audio",
    ),
}
_FORMATS = {"png", "jpeg", "jpg", "gif", "webp", "wav", "mp3", "ogg", "flac", "opus"}
_HOLDERS = ("image_url", "source", "input_audio", "inline_data", "inlineData", "file")


@dataclass(frozen=True, slots=True)
class Medium:
    """A picture, sound or document in a message.

    Attributes:
        type: Its type, as the message says, in small letters.
        data: In base64, if it came with the span.
        link: Where it is otherwise.
        number: Which medium of its span it is.
    """

    type: str
    data: str = ""
    link: str = ""
    number: int = -1

    @property
    def shown(self) -> str:
        """How it is shown: image or audio; empty for what is not."""
        return SHOWN.get(self.type, "") if self.data else ""

    @property
    def size(self) -> int:
        """How large it is, about."""
        return len(self.data) * 3 // 4

    @property
    def about(self) -> str:
        """What it is, in a word."""
        return self.type or "a medium"

    @property
    def outside(self) -> str:
        """The link, if it is one that a reader may follow."""
        try:
            parts = urlsplit(self.link)
        except ValueError:
            return ""
        return self.link if parts.scheme in {"http", "https"} and parts.hostname else ""

    def numbered(self, number: int) -> "Medium":
        """Return it with its place among those of the span."""
        return replace(self, number=number)

    def decoded(self) -> bytes | None:
        """Return its bytes; None if they are not there, too many, or no base64."""
        if not self.data or len(self.data) > BYTES_MAX * 4 // 3:
            return None
        try:
            return b64decode(self.data, validate=False)
        except (binascii.Error, ValueError):
            return None


def medium_of(part: Mapping[str, Any]) -> Medium | None:
    """Return the medium that a part of a message is, None if it is none.

    >>> medium_of({"type": "blob", "mime_type": "image/png", "content": "aaaa"}).shown
    'image'
    >>> medium_of({"type": "text", "content": "aaaa"}) is None
    True
    """
    kind = str(part.get("type", ""))
    if kind == "blob":
        return Medium(_type(part), _text(part.get("content", part.get("data"))))
    if kind in {"uri", "file"}:
        return _linked(_text(part.get("uri", part.get("file_id", part.get("file")))), _type(part))
    for name in _HOLDERS:
        held = part.get(name)
        if isinstance(held, str) and name == "image_url":
            return _linked(held, _type(part))
        if isinstance(held, Mapping):
            data = _text(held.get("data", held.get("file_data")))
            if data and not data.startswith("data:"):
                return Medium(_type(held) or _type(part), data)
            return _linked(
                data or _text(held.get("url", held.get("uri", held.get("file_uri")))),
                _type(held) or _type(part),
            )
    return None


def _linked(link: str, kind: str) -> Medium:
    if link.startswith("data:"):
        head, _, data = link.partition(",")
        told = head.removeprefix("data:").partition(";")[0].lower()
        return Medium(told, data if head.endswith(";base64") else "")
    return Medium(kind, link=link)


def _type(held: Mapping[str, Any]) -> str:
    told = next(
        (held[name] for name in ("mime_type", "media_type", "mimeType") if isinstance(held.get(name), str)),
        "",
    )
    if not told:
        form = held.get("format")
        if isinstance(form, str) and form in _FORMATS:
            told = f"{'image' if form in {'png', 'jpeg', 'jpg', 'gif', 'webp'} else 'audio'}/{form}"
        elif isinstance(held.get("modality"), str):
            told = f"{held['modality']}/*"
    return told.partition(";")[0].strip().lower()[:80]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

"""What becomes of a message at each sink."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Told = dict[str, Any]  # A message, "mlobs/1".
Kind = Literal["page", "demoted", "muted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What becomes of a message at one sink.

    Args:
        sink: Whose; "" where no route wanted the message.
        kind: page: it is sent. demoted or muted: it is not, and this is the receipt.
        not_before_s: When it may be sent.
        why: For the receipt.
        message: What is sent, or would have been.
    """

    sink: str
    kind: Kind
    not_before_s: float
    why: str
    message: Told


def pages(sinks: Iterable[str], message: Told, not_before_s: float, why: str = "") -> list[Planned]:
    """Return a message for each sink."""
    return [
        Planned(sink=sink, kind="page", not_before_s=not_before_s, why=why, message=message) for sink in sinks
    ]


def receipt(sink: str, kind: Kind, why: str, message: Told, now_s: float) -> Planned:
    """Return what is kept in place of a message that a sink is spared."""
    return Planned(sink=sink, kind=kind, not_before_s=now_s, why=why, message=message)


def alert_mark(message: Mapping[str, Any]) -> str:
    """Return what names an alert among those of every source."""
    return f"{message['source']}:{message['fingerprint']}"

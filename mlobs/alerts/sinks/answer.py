"""How an attempt to tell a sink ended, and what an HTTP answer means for it."""

import math
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal, Protocol
from urllib.parse import urljoin, urlsplit

from mlobs.alerts.sinks.escaping import line

RETRY_AFTER_SECONDS_MAX = 3600.0
ANSWER_CHARACTERS_MAX = 500
HOST_CHARACTERS_MAX = 100
MAY_PASS = (408, 425, 429)

Outcome = Literal["delivered", "failed", "dead"]


@dataclass(frozen=True, slots=True)
class Answer:
    """How one attempt ended.

    Args:
        outcome: delivered; failed, which may pass; or dead: it would fail again.
        text: What came back, for the receipt. Never an address or a secret.
        retry_after_s: What the sink asked for.
    """

    outcome: Outcome
    text: str
    retry_after_s: float | None = None


class Sink(Protocol):
    """Somebody to be told.

    Args:
        kind: webhook, slack and so on.
        address: Where it is, without what may be secret.
        gap_s: The least time between two messages, in seconds.
    """

    kind: str
    address: str
    gap_s: float

    def send(self, delivery_id: str, body: bytes, *, now_s: float) -> Answer:
        """Send one message and say how it went, within a bounded time.

        Raises:
            LookupError, TypeError, ValueError: The message cannot be laid out; it never will.
            RuntimeError: No thread could be started, and the like; it may pass.
        """
        ...


def judge(status: int, retry_after: str | None, now_s: float, said: str = "") -> Answer:
    """Return what an HTTP status means for a message.

    >>> judge(204, None, 0).outcome, judge(503, "7", 0), judge(404, None, 0).outcome
    ('delivered', Answer(outcome='failed', text='503', retry_after_s=7.0), 'dead')
    """
    text = f"{status} {said}".strip()
    if 200 <= status < 300:
        return Answer("delivered", text)
    if status in MAY_PASS or status >= 500:
        return Answer("failed", text, _seconds(retry_after, now_s))
    said = f" ({said})" if said else ""
    return Answer("dead", f"{status}: the sink refused the message{said}; sending it again would not help")


def redirected(status: int, location: str | None, url: str) -> Answer:
    """Return what an answer means that points elsewhere: none is followed, for it may lead anywhere.

    Said is where it points, without the path: that of a webhook is often its secret.

    >>> redirected(308, "https://hooks.example/T0K3N", "http://hooks.example/T0K3N").text[:82]
    '308: redirects are not followed, and it points to https://hooks.example with the s'

    Args:
        status: The answer's.
        location: Where it points to, as it says.
        url: What was asked.
    """
    came, path = _place(url)
    try:
        where, to = _place(urljoin(url, location or ""))
    except ValueError:
        where, to = "", ""
    if not location or not where.startswith(("http://", "https://")):
        said = "it does not say where to. Ask whoever runs the sink for its final address, set that"
    elif to != path:
        said = (
            f"it points to {where} with another path, which is not shown, for it may be a secret. "
            "curl -si -X POST with the sink's address shows it as Location. Unless it is a page for a login, "
            "set it as the sink's address"
        )
    elif where != came:
        said = f"it points to {where} with the same path. Set that as the sink's address"
    else:
        said = "it points to itself, as what wants a login does. Set an address that takes messages without"
    return Answer(
        "dead",
        f"{status}: redirects are not followed, and {said}, then put this back with mlobs alerts redrive",
    )


def _place(url: str) -> tuple[str, str]:
    """Return where an address leads, without what may be secret, and the rest of it.

    Raises:
        ValueError: It is none.
    """
    parts = urlsplit(url)
    host = line(parts.hostname or "", HOST_CHARACTERS_MAX)
    shown = f"[{host}]" if ":" in host else host
    where = f"{line(parts.scheme)}://{shown}{f':{parts.port}' if parts.port else ''}"
    return (where if host else ""), (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _seconds(retry_after: str | None, now_s: float) -> float | None:
    """Return what Retry-After asks for, which is seconds or a date; None if it says nothing usable.

    Some send parts of a second, which the standard does not know; a date without a zone is in UTC.
    """
    text = (retry_after or "").strip()
    try:
        asked_s = float(text) if text[:1].isdigit() else _moment(text) - now_s
    except (ValueError, OverflowError):
        return None
    return min(max(asked_s, 0.0), RETRY_AFTER_SECONDS_MAX) if math.isfinite(asked_s) else None


def _moment(text: str) -> float:
    found = parsedate_to_datetime(text)
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()

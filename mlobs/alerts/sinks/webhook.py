"""The generic webhook: the message as it is, signed as `signature` says."""

from collections.abc import Callable

from mlobs.alerts.signature import DELIVERY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from mlobs.alerts.sinks.answer import Answer
from mlobs.alerts.sinks.posting import Post

JSON = {"Content-Type": "application/json"}
Render = Callable[[str, bytes], bytes]


class Webhook:
    """Whoever takes signed JSON.

    Args:
        post: Where.
        secret: Shared with whoever listens.
    """

    kind = "webhook"
    gap_s = 0.0

    def __init__(self, post: Post, secret: bytes) -> None:
        self.address = post.address
        self._post = post
        self._secret = secret

    def send(self, delivery_id: str, body: bytes, *, now_s: float) -> Answer:
        """Send one message and say how it went."""
        timestamp_s = int(now_s)
        headers = {
            **JSON,
            SIGNATURE_HEADER: sign(self._secret, timestamp_s, body),
            TIMESTAMP_HEADER: str(timestamp_s),
            DELIVERY_HEADER: delivery_id,
        }
        return self._post.send(body, headers, now_s=now_s)


class Rendered:
    """Whoever takes JSON of their own.

    Args:
        kind: Which of them.
        post: Where.
        render: Makes their JSON of a delivery's id and a message.
        gap_s: The least time between two messages.
    """

    def __init__(self, kind: str, post: Post, render: Render, *, gap_s: float = 0.0) -> None:
        self.kind = kind
        self.gap_s = gap_s
        self.address = post.address
        self._post = post
        self._render = render

    def send(self, delivery_id: str, body: bytes, *, now_s: float) -> Answer:
        """Send one message and say how it went."""
        return self._post.send(
            self._render(delivery_id, body), {**JSON, DELIVERY_HEADER: delivery_id}, now_s=now_s
        )

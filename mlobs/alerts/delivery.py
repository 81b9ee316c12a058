"""Takes messages from the outbox to a webhook.

Edge: this is the network. A message is posted as JSON, signed as `signature` says, under the
id it will keep. 2xx is a receipt. Anything that may pass (no connection, 408, 429, 5xx) is
tried again, later each time, or when Retry-After says; whatever would fail again (any other
4xx, a redirect) is a dead letter at once, and so is a message after `attempts_max` attempts.

At least once: a sink that took a message and was not heard gets it again under the same id.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import urlsplit

import requests

from mlobs.alerts.outbox import Outbox
from mlobs.alerts.signature import DELIVERY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign

CONNECT_SECONDS_MAX = 3.0
SECONDS_MAX = 10.0
PAUSE_SECONDS_FIRST = 2.0
PAUSE_SECONDS_MAX = 900.0
RETRY_AFTER_SECONDS_MAX = 3600.0
ANSWER_CHARACTERS_MAX = 200
MAY_PASS = (408, 429)

Outcome = Literal["delivered", "failed", "dead"]


@dataclass(frozen=True, slots=True)
class Answer:
    """How one attempt ended; `retry_after_s` is what the sink asked for."""

    outcome: Outcome
    text: str
    retry_after_s: float | None = None


class Webhook:
    """One address that takes signed JSON.

    Args:
        url: Where to post. It may hold a secret, so it is never shown whole.
        secret: Shared with whoever listens.
    """

    def __init__(self, url: str, secret: bytes) -> None:
        parts = urlsplit(url)
        self.name = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
        self._url = url
        self._secret = secret

    def post(self, delivery_id: str, body: bytes, *, now_s: float) -> Answer:
        """Send one message and say how it went. Takes at most about `SECONDS_MAX` seconds."""
        timestamp_s = int(now_s)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "mlobs",
            SIGNATURE_HEADER: sign(self._secret, timestamp_s, body),
            TIMESTAMP_HEADER: str(timestamp_s),
            DELIVERY_HEADER: delivery_id,
        }
        answers: list[Answer] = []
        # A sink that sends one byte every few seconds never runs into a socket's timeout, so
        # the whole of it is waited for from outside.
        worker = threading.Thread(
            target=lambda: answers.append(self._exchange(headers, body, now_s)),
            name="mlobs-webhook",
            daemon=True,
        )
        worker.start()
        worker.join(SECONDS_MAX)
        return answers[0] if answers else Answer("failed", f"no answer within {SECONDS_MAX:.0f} s")

    def _exchange(self, headers: dict[str, str], body: bytes, now_s: float) -> Answer:
        try:
            with requests.Session() as session:
                session.trust_env = False  # no .netrc: its passwords are not for this address
                answered = session.post(
                    self._url,
                    data=body,
                    headers=headers,
                    timeout=(CONNECT_SECONDS_MAX, SECONDS_MAX),
                    allow_redirects=False,
                    stream=True,
                )
                return judge(answered.status_code, answered.headers.get("Retry-After"), now_s)
        except requests.RequestException as error:
            # The error's text would show the address.
            return Answer("failed", f"no answer: {type(error).__name__}")


def judge(status: int, retry_after: str | None, now_s: float) -> Answer:
    """Return what an HTTP status means for a message.

    >>> judge(204, None, 0).outcome, judge(503, "7", 0), judge(404, None, 0).outcome
    ('delivered', Answer(outcome='failed', text='503', retry_after_s=7.0), 'dead')
    """
    if 200 <= status < 300:
        return Answer("delivered", str(status))
    if status in MAY_PASS or status >= 500:
        return Answer("failed", str(status), _seconds(retry_after, now_s))
    if 300 <= status < 400:
        return Answer("dead", f"{status}: redirects are not followed; configure the address it points to")
    return Answer("dead", f"{status}: the sink refused the message; sending it again would not help")


class Courier:
    """Delivers what is due, one after the other, on a thread of its own or when told to.

    Args:
        outbox: Where messages wait.
        webhook: Where they go.
        attempts_max: After so many a message is a dead letter.
        clock: Seconds since 1970.
        jitter: A number between 0 and 1; spreads the attempts of many servers.
    """

    def __init__(
        self,
        outbox: Outbox,
        webhook: Webhook,
        *,
        attempts_max: int,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.outbox = outbox
        self.webhook = webhook
        self._attempts_max = attempts_max
        self._clock = clock
        self._jitter = jitter

    def deliver(self, stopped: Callable[[], bool] = lambda: False) -> int:
        """Attempt every message that is due; return how many were delivered."""
        delivered = 0
        for delivery in self.outbox.due(self._clock()):
            if stopped():
                break
            now_s = self._clock()
            answer = self.webhook.post(delivery.id, delivery.body, now_s=now_s)
            attempts = delivery.attempts + 1
            outcome, text = answer.outcome, answer.text
            if outcome == "failed" and attempts >= self._attempts_max:
                outcome, text = "dead", f"{text}; given up after {attempts} attempts"
            pause_s = (
                answer.retry_after_s if answer.retry_after_s is not None else pause(attempts, self._jitter())
            )
            self.outbox.settle(
                delivery.id,
                outcome=outcome,
                answer=text[:ANSWER_CHARACTERS_MAX],
                now_s=self._clock(),
                again_s=self._clock() + pause_s if outcome == "failed" else None,
            )
            delivered += outcome == "delivered"
        return delivered


def pause(attempts: int, jitter: float) -> float:
    """Return the seconds to wait after so many attempts: doubled each time, the upper half at random.

    >>> pause(1, 1.0), pause(1, 0.0), pause(4, 1.0), pause(50, 1.0)
    (2.0, 1.0, 16.0, 900.0)
    """
    longest = min(PAUSE_SECONDS_FIRST * 2.0 ** min(attempts - 1, 30), PAUSE_SECONDS_MAX)
    return longest * (0.5 + 0.5 * jitter)


def _seconds(retry_after: str | None, now_s: float) -> float | None:
    """Return what Retry-After asks for, which is seconds or a date; None if it says nothing usable."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(float(text), RETRY_AFTER_SECONDS_MAX)
    try:
        asked_s = float(parsedate_to_datetime(text).timestamp()) - now_s
    except (ValueError, OverflowError):
        return None
    return min(max(asked_s, 0.0), RETRY_AFTER_SECONDS_MAX)

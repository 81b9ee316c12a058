"""What an endpoint says to a request, and how long to wait before the next try."""

import random
from dataclasses import dataclass
from typing import Literal, Protocol

Outcome = Literal["accepted", "retry", "split", "rejected", "unreachable"]

PAUSE_S_MIN = 0.5
PAUSE_S_MAX = 30.0
TOLD_S_MAX = 300.0  # of Retry-After; who asks for more is asked again after this
WORDS_MAX = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request.

    Args:
        outcome: "accepted"; "retry" later; "split" it, it is too large; "rejected" for good;
            "unreachable": nobody answered.
        refused: Of an accepted request: spans the endpoint did not take.
        retry_after_s: Seconds the endpoint asked to wait, if it did.
        words: What to tell the user about it.
        remedy: A sentence that says what to do about it, where that is known.
    """

    outcome: Outcome
    refused: int = 0
    retry_after_s: float | None = None
    words: str = ""
    remedy: str = ""


class Transport(Protocol):
    """Posts encoded ExportTraceServiceRequests to `address`."""

    address: str

    def post(self, body: bytes, timeout_s: float) -> Answer:
        """Post once, within about `timeout_s`. Does not raise."""

    def renew(self) -> None:
        """Forget every connection, as a forked child must."""


class Backoff:
    """Growing pauses between tries, with jitter so that many processes do not come at once."""

    def __init__(self) -> None:
        self._next_s = PAUSE_S_MIN

    def pause_s(self, told_s: float | None = None) -> float:
        """Return the seconds to wait after another failure; no less than the endpoint asked for."""
        pause_s = self._next_s * random.uniform(0.8, 1.2)  # noqa: S311 # jitter
        self._next_s = min(self._next_s * 2, PAUSE_S_MAX)
        return max(pause_s, min(told_s or 0.0, TOLD_S_MAX))

    def reset(self) -> None:
        """Begin with short pauses again, after a success."""
        self._next_s = PAUSE_S_MIN

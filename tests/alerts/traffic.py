"""A program of a user's whose calls fail, or not, in known ways; until its stdin closes.

`python -m tests.alerts.traffic ENDPOINT`
"""

import contextlib
import sys
import threading
from collections.abc import Callable

import numpy as np

import mlobs
from tests.workload import SHIFT, churn_model

ROUND_S = 0.3
CALLS = 20  # A round.


class BadRequestError(Exception):
    """What a provider answers to what a user typed."""


BadRequestError.__module__ = "openai"


def model(name: str) -> Callable[[Exception | None], None]:
    """Return a call of a model that fails if it is told to."""

    @mlobs.llm(model=name, provider="openai")
    def call(error: Exception | None) -> None:
        mlobs.usage({"prompt_tokens": 10, "completion_tokens": 5})
        if error is not None:
            raise error

    def quietly(error: Exception | None) -> None:
        with contextlib.suppress(TimeoutError, BadRequestError):
            call(error)

    return quietly


@mlobs.tool
def search(fails: bool) -> None:
    """Fail if told to."""
    if fails:
        raise LookupError("nothing found")


@mlobs.tool
def look_up() -> None:
    """Never fail."""


def run(endpoint: str) -> None:
    """Make calls until stdin closes."""
    mlobs.init("shop", endpoint=endpoint)
    broken, fine, refused, rare = (model(name) for name in ("broken", "fine", "refused", "rare"))
    rng = np.random.default_rng(7)
    churn, monitor = churn_model(rng)
    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closed.set()), daemon=True).start()
    for _ in range(4):  # Four of four fail, which is too few to say anything.
        rare(TimeoutError("away"))
    number = 0
    while not closed.is_set():
        for _ in range(CALLS):
            number += 1
            broken(TimeoutError("away") if number % 2 else None)
            fine(TimeoutError("away") if number % 200 == 0 else None)
            refused(BadRequestError("too long"))
            with contextlib.suppress(LookupError):
                search(number % 2 == 0)
            look_up()
            churn({"tenure": float(rng.normal(SHIFT)), "plan": str(rng.choice(["free", "paid"]))})
        closed.wait(ROUND_S)
    monitor.flush()
    mlobs.flush()
    mlobs.shutdown()


if __name__ == "__main__":
    run(sys.argv[1])

"""A program of a user's, as real as a test can have it: every noun, failures, streams and drift.

`python -m tests.workload ENDPOINT SECONDS` runs it as a process of its own, because a process
is switched on once. It goes on in rounds for so long, so that a scraper sees counters grow.
`python -m tests.workload ENDPOINT SECONDS PORT` runs one that is scraped itself, at that port.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

import mlobs

ROUND_S = 0.25
QUEUE_SPANS_MAX = 500
BURST_SPANS = 2_000  # More than the queue holds: spans are dropped, and counted.
LOOP_CALLS = 70
MODEL = "gpt-4o-mini"
SHIFT = 2.0  # Standard deviations.


def run_workload(endpoint: str, seconds: float = 8.0) -> None:
    """Make calls of every noun against `endpoint` for `seconds`, then hand in what is left."""
    os.environ.setdefault("MLOBS_METRICS_INTERVAL_S", "0.5")
    os.environ.setdefault("MLOBS_QUEUE_SPANS_MAX", str(QUEUE_SPANS_MAX))
    mlobs.init("support-bot", endpoint=endpoint)
    rng = np.random.default_rng(7)
    churn, monitor = churn_model(rng)
    until = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until:
        for _ in range(100):
            row = {"tenure": float(rng.normal(SHIFT)), "plan": str(rng.choice(["free", "paid"]))}
            with contextlib.suppress(ArithmeticError):
                chance = churn({**row, "tenure": float("inf")} if number % 50 == 49 else row)
                monitor.label(number, bool(rng.random() < chance), prediction=chance)
            number += 1
        with contextlib.suppress(TimeoutError):
            support(f"where is order {number}?", number)
        for _ in range(BURST_SPANS):
            tick()
        time.sleep(ROUND_S)
    monitor.flush()
    mlobs.flush()
    mlobs.shutdown()


def churn_model(rng: np.random.Generator) -> tuple[Any, mlobs.Monitor]:
    """Return a model and the monitor of its input, profiled on data without the shift."""
    rows = 20_000
    data = {"tenure": rng.normal(size=rows), "plan": rng.choice(["free", "paid"], rows)}
    monitor = mlobs.Monitor(mlobs.Profile.of(data, model="churn@7"))

    @mlobs.predict(model="churn@7", monitor=monitor)
    def churn(row: dict[str, Any]) -> float:
        if row["tenure"] == float("inf"):
            raise ArithmeticError("tenure has no end")
        return 1 / (1 + float(np.exp(row["tenure"])))

    return churn, monitor


@mlobs.agent
def support(question: str, number: int) -> str:
    """Search, look the order up, answer."""
    search(question)
    with contextlib.suppress(LookupError):
        look_up(number)
    polite(question)
    plan(question)
    mlobs.score("helpful", number % 2)
    mlobs.score("grounded", number % 2 == 0, by="rule")
    mlobs.feedback(True)  # a thumb
    return "".join(answer(question, number))


@mlobs.retrieval(model="text-embedding-3-small", provider="openai")
def search(question: str) -> list[str]:
    """Find documents."""
    embed(question)
    return [question]


@mlobs.embedding(model="text-embedding-3-small", provider="openai")
def embed(question: str) -> list[float]:
    """Turn a text into numbers."""
    mlobs.usage({"prompt_tokens": len(question), "completion_tokens": 0})
    return [0.0]


@mlobs.tool
def look_up(number: int) -> str:
    """Look up an order; some are unknown."""
    if number % 200 == 0:
        raise LookupError(f"no order {number}")
    return "on its way"


@mlobs.llm(model=MODEL, provider="openai")
def plan(question: str) -> str:
    """Answer at once, with reasoning and from a cache."""
    mlobs.usage(
        {
            "prompt_tokens": 900,
            "completion_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 100},
            "completion_tokens_details": {"reasoning_tokens": 80},
        }
    )
    return question


@mlobs.llm(model=MODEL, provider="openai")
def answer(question: str, number: int) -> Iterator[str]:
    """Answer as a stream; every third run fails half-way."""
    yield "it "
    if number % 300 == 0:
        raise TimeoutError("the provider went away")
    yield f"is {question}"
    mlobs.usage({"prompt_tokens": 400, "completion_tokens": 40})


@mlobs.guardrail
def polite(question: str) -> bool:
    """Let nearly everything pass."""
    return not question.endswith("7")


@mlobs.step
def tick() -> None:
    """Happen often."""


def run_alone(endpoint: str, seconds: float, port: str) -> None:
    """Be scraped at `port`, as a service whose traces go to no mlobs server: it counts its runs' calls."""
    os.environ["MLOBS_METRICS_PORT"] = port
    mlobs.init("alone", endpoint=endpoint, metrics="process")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        circle()
        time.sleep(ROUND_S)


@mlobs.agent
def circle() -> None:
    """Ask and look up, again and again: a loop."""
    for number in range(1, LOOP_CALLS + 1):
        look_up(number)
    plan("again?")


if __name__ == "__main__":
    run: Any = run_alone if len(sys.argv) > 3 else run_workload
    run(sys.argv[1], float(sys.argv[2]), *sys.argv[3:])

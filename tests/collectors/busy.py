"""A program to test the ledger with: `python -m tests.collectors.busy ENDPOINT SECONDS PER_SECOND`.

It makes short traces at a pace, hands everything in and prints how many spans it made. On a machine with
other work to do it takes longer, and makes as many.
"""

import os
import sys
import time

import mlobs

PAUSE_S = 0.02
TEXT = "x" * int(os.environ.get("BUSY_CHARACTERS", "0"))  # What each tool call carries besides.


@mlobs.tool
def look_up() -> int:
    """Look something up."""
    if TEXT:
        mlobs.set({"text": TEXT})
    return 1


@mlobs.agent
def support() -> None:
    """One run."""
    look_up()


def main(endpoint: str, seconds: float, per_second: int) -> None:
    """Make as many as belong to so many seconds; then wait until everything was taken."""
    os.environ.setdefault("MLOBS_METRICS_INTERVAL_S", "1")
    mlobs.init("busy", endpoint=endpoint)
    made = 0
    for _ in range(round(seconds / PAUSE_S)):
        for _ in range(max(1, round(per_second * PAUSE_S / 2))):
            support()
            made += 2
        time.sleep(PAUSE_S)
    tries = time.monotonic() + 120
    while not mlobs.flush() and time.monotonic() < tries:
        time.sleep(0.5)
    mlobs.score("helpful", 0.5)
    mlobs.shutdown()
    print(made)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))

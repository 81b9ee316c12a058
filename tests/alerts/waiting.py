"""Waits for what another thread or process does."""

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], object], *, seconds: float = 60.0) -> None:
    """Return once something is true."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)

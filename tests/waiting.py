"""Waits for what others do in their own time: programs, threads, pages."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def until(
    found: Callable[[], Found], within_s: float = 120.0, told: Callable[[], object] = lambda: "it never came"
) -> Found:
    """Return what `found` returns once it is true; else fail with what is `told`."""
    end = time.monotonic() + within_s
    while not (value := found()):
        assert time.monotonic() < end, told()
        time.sleep(0.1)
    return value

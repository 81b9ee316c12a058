"""Runs something that may hang, and stops waiting for it in time.

Edge: this starts threads. A socket's timeout is for one read: a server that sends one byte every
few seconds never runs into it, and looking up a name has no timeout at all. So the whole of
an attempt is waited for from outside. What hangs on a socket ends when that is closed.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T], *, name: str) -> tuple[threading.Thread, list[T]]:
    """Run `work` on a thread and wait; return the thread and a list of the one result.

    The list is empty if there is none yet. The thread may go on; `work` has to handle its
    own errors.

    Args:
        seconds: How long to wait.
        work: What to run.
        name: The thread's.
    """
    results: list[T] = []
    thread = threading.Thread(target=lambda: results.append(work()), name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    return thread, results

"""How a process ends, and what is delivered before it does. Edge: signals, atexit, multiprocessing.

* A program that ends: `atexit`.
* A child of multiprocessing: it ends without `atexit`, but runs the finalizers that are registered
  after the fork.
* SIGTERM, where nobody handles it: the default action would end the process at once. Ours
  delivers, then lets the default action end it, so that the exit status is that of the signal.
* A function that is frozen between two invocations (AWS Lambda): its export thread is frozen too,
  so what it recorded must be out when its outermost call returns (`frozen_between_calls`).
"""

import atexit
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing import util
from types import FrameType


def at_the_end(deliver: Callable[[], object], *, owner: object) -> None:
    """Call `deliver` when this process, or a child of it, ends.

    Args:
        deliver: Must return within a few seconds. It may be called twice.
        owner: An object that lives as long as the process.
    """
    atexit.register(deliver)

    def finalize(_: object = None) -> None:
        util.Finalize(None, deliver, exitpriority=0)

    finalize()
    util.register_after_fork(owner, finalize)
    _on_sigterm(deliver)


def frozen_between_calls() -> bool:
    """Return whether the process may be frozen as soon as its outermost call has returned."""
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


def _on_sigterm(deliver: Callable[[], object]) -> None:
    """Deliver before SIGTERM ends the process, if nobody else handles it."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return

    def deliver_and_end(number: int, frame: FrameType | None) -> None:
        deliver()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, deliver_and_end)

"""When monitors count.

A few times a second as long as somebody holds them, at the end of the process, and anew in forked
children, whose parent goes on counting what it had.
"""

import os
import threading
import weakref
from functools import cache
from typing import Protocol

from mlobs._endings import at_the_end
from mlobs.drift import meter

FLUSH_S = 0.25
CLOSE_S_MAX = 3.0  # what counting and saving may take where SIGTERM ends the process


class Counting(Protocol):
    """What a monitor does when it is time."""

    def flush(self) -> None:
        """Count what waits."""

    def page(self) -> None:
        """Call back for alarms, which may take long."""

    def close(self) -> None:
        """Count what waits and stop."""

    def begin_anew(self) -> None:
        """Forget what was counted."""


_monitors: "weakref.WeakSet[Counting]" = weakref.WeakSet()


def keep(monitor: Counting) -> None:
    """Have a monitor closed at the end and begun anew in forked children, as long as somebody holds it."""
    _hooks()
    _monitors.add(monitor)


def count(monitor: Counting, wake: threading.Event, name: str) -> None:
    """Start the thread that flushes a monitor until `wake` is set or nobody holds it any more."""
    threading.Thread(target=_run, args=(weakref.ref(monitor), wake), name=name, daemon=True).start()


def _run(reference: "weakref.ref[Counting]", wake: threading.Event) -> None:
    while not wake.wait(FLUSH_S):
        monitor = reference()
        if monitor is None:
            return
        monitor.flush()
        monitor.page()
        del monitor


def _close_all() -> None:
    for monitor in list(_monitors):
        monitor.close()


def _restart_all() -> None:
    meter.begin_anew()
    for monitor in list(_monitors):
        monitor.begin_anew()


@cache
def _hooks() -> None:
    """Once in a process."""
    os.register_at_fork(after_in_child=_restart_all)
    at_the_end(_close_all, within_s=CLOSE_S_MAX)

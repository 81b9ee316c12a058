"""Asks beside a collector where it sends to, and says what is answered until all is well.

A process of its own does so, because `mlobs collector run` becomes the collector: it ends when all is
well, when the collector ends, or after an hour. It is there before anything speaks gRPC, which would
not survive the fork.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn

from mlobs.cli.collector.destinations import Configured, Destination, destinations, renewed
from mlobs.cli.collector.verdicts import doubt, well

FIRST_S, MOST_S = 1.0, 30.0
WHOLE_S = 3600.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Doubted:
    """A destination that is not well, and what was said of it last."""

    destination: Destination
    said: str


def watch(configured: Configured) -> None:
    """Ask everybody once, then let another process go on asking those that are not well.

    Raises:
        OSError: There can be no more processes.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        _beside(theirs, configured)
    theirs.close()
    os.waitpid(child, 0)  # It forks and ends at once, so that the collector has no child to bury.
    ours.recv(1)  # Everybody has been asked.
    ours.set_inheritable(True)  # Open for as long as the collector is there.
    ours.detach()


def ask_all(asked: Iterable[Destination], say: Say) -> list[Doubted]:
    """Ask each once, say what is answered, and return those that may be asked again."""
    found = []
    told: set[str] = set()
    for one in asked:
        answered = one.ask()
        doubted = doubt(one, answered)
        line = doubted or well(one, answered)
        if line and line not in told:
            say(line)
        told.add(line)
        if doubted and answered != "not tried":
            found.append(Doubted(one, doubted))
    return found


def ask_on(waiting: list[Doubted], configured: Configured, say: Say, pause: Callable[[float], bool]) -> None:
    """Ask those again, ever less often, until all are well; say what has changed.

    Args:
        waiting: Those that were not well.
        configured: Says which token is sent now.
        say: Takes each line.
        pause: Waits for so many seconds, and returns whether there is no collector any more.
    """
    next_s, spent_s = FIRST_S, 0.0
    while waiting and spent_s < WHOLE_S:
        if pause(next_s):
            return
        spent_s += next_s
        next_s = min(next_s * 2, MOST_S)
        waiting = [still for one in waiting if (still := _asked_again(one, configured, say))]
    for one in waiting:
        say(
            f"{one.destination.place} was asked for an hour, and is not asked again. What waits for it and "
            f"what was dropped says: mlobs doctor --loss"
        )


def _asked_again(one: Doubted, configured: Configured, say: Say) -> Doubted | None:
    asked = renewed(one.destination, configured)
    if asked is None:
        return one
    answered = asked.ask()
    doubted = doubt(asked, answered)
    line = doubted or well(asked, answered, now=True)
    if line != one.said:
        say(line)
    return Doubted(one.destination, doubted) if doubted and answered != "not tried" else None


def _beside(theirs: socket.socket, configured: Configured) -> NoReturn:
    """Ask from a process that belongs to nobody."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        if os.fork() == 0:
            waiting = ask_all(destinations(configured), _say)
            with contextlib.suppress(BrokenPipeError):  # Nobody waits any more; the first pause says so.
                theirs.send(b".")
            ask_on(
                waiting, configured, _say, lambda seconds: bool(select.select([theirs], [], [], seconds)[0])
            )
    except BaseException:  # noqa: BLE001  there is nobody above it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


def _say(line: str) -> None:
    sys.stderr.write(f"mlobs: {line}\n")
    sys.stderr.flush()

"""How a process ends, and what is delivered before it does. Edge: signals, atexit, multiprocessing.

* A program that ends: `atexit`.
* A child of multiprocessing: it ends without `atexit`, but runs the finalizers that are registered
  after the fork.
* SIGTERM, where nobody handles it: the default action would end the process at once. Ours
  delivers, then lets the default action end it, so that the exit status is that of the signal.
  The first process of a container has no default action: SIGTERM does nothing to it, and neither do we.
  Servers handle it and end by themselves; of uvicorn see `_uvicorn`.
* A function that is frozen between two invocations (AWS Lambda): its export thread is frozen too,
  so what it recorded must be out when its outermost call returns (`frozen_between_calls`).

A handler of signals runs between any two instructions of the main thread, which may hold any lock
then. So it delivers in another thread, waits for that one no longer than each delivery may take, and
ends the process whatever came of it. Three moments are special:

* A child that was forked this instant: Python forgets the signals that came before it was set up, which
  the default action would not have. So SIGTERM is blocked around a fork, and comes when it is over.
* A forked child whose hooks are still at work has recorded nothing, and what it inherited is its
  parent's: SIGTERM ends it at once.
* A process that delivers already, because it ends anyway: SIGTERM ends it when that is done.
  `Pool.terminate()` does this to most of its workers.

Nor does Python run a handler while its main thread waits in C, if the signal came just before: nothing
interrupts the wait then. It happens to workers of a pool, which wait for more when they have answered, and
are terminated for that. So children of multiprocessing have a thread that wakes the main one (`_Waker`).

Processes are told apart by their numbers, because a child inherits what its parent was about to do.
"""

import _thread
import atexit
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process, util
from types import FrameType

from mlobs import _guard
from mlobs._uvicorn import after_sigterm

LOOK_S = 0.1
PATIENCE_S = 10.0  # after which another SIGTERM waits for nothing any more
FIRST = 1  # the process that a container begins with


class _Delivery:
    """Something to deliver, by the process whose it is."""

    def __init__(self, deliver: Callable[[], object], within_s: float, *, last: bool) -> None:
        self._deliver = deliver
        self.within_s = within_s
        self.last = last
        self.process = os.getpid()
        os.register_at_fork(after_in_child=self._adopt)

    def _adopt(self) -> None:
        """Become the child's: the hooks before this one have set up what it delivers."""
        self.process = os.getpid()

    def run(self) -> None:
        """Deliver; the others must have their turn whatever comes of it."""
        try:
            self._deliver()
        except Exception:  # noqa: BLE001 # a process that ends must end
            _guard.failed("delivering at the end of the process", "The process ends all the same.")


class _Ends:
    """What is known about the end of this process."""

    def __init__(self) -> None:
        self.deliveries: list[_Delivery] = []
        self.busy = 0  # the process whose main thread must not be ended now
        self.told = 0  # the process that was told to end
        self.told_s = 0.0  # and when
        self.put_off = 0  # the process whose end our handler has put off until what keeps it busy is done

    def mine(self) -> list[_Delivery]:
        """Return what this process has to deliver."""
        here = os.getpid()
        return [one for one in self.deliveries if one.process == here]


_ends = _Ends()


def at_the_end(deliver: Callable[[], object], *, within_s: float, last: bool = False) -> None:
    """Call `deliver` when this process, or a child of it, ends.

    Call this after the hooks are registered that set up in a forked child what `deliver` needs.

    Args:
        deliver: It may be called twice, and in any thread.
        within_s: After so many seconds a process that was told to end goes on without it.
        last: After all that are not last.
    """
    first = not _ends.deliveries
    if first:
        atexit.register(_deliver_all)
        _finalize()
        util.register_after_fork(_ends, _begin_child)
    more = [*_ends.deliveries, _Delivery(deliver, within_s, last=last)]
    _ends.deliveries = sorted(more, key=lambda one: one.last)
    if threading.current_thread() is not threading.main_thread():
        return
    handler = signal.getsignal(signal.SIGTERM)
    if handler is signal.SIG_DFL and os.getpid() != FIRST:
        signal.signal(signal.SIGTERM, _terminate)
        if parent_process() is not None:
            _waker.start()
    elif first:
        after_sigterm(handler, _deliver_told)


@contextmanager
def unbroken() -> Iterator[None]:
    """Have a SIGTERM that comes while the main thread is inside end the process when it leaves."""
    here = os.getpid()
    if _ends.busy == here or threading.current_thread() is not threading.main_thread():
        yield
        return
    _ends.busy = here
    try:
        yield
    finally:
        _ends.busy = 0
        if _ends.put_off == here:
            _terminate(signal.SIGTERM, None)


def frozen_between_calls() -> bool:
    """Return whether the process may be frozen as soon as its outermost call has returned."""
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


class _Fork(threading.local):
    """Blocks SIGTERM in the thread that forks, if the handler is ours and it is not blocked anyway."""

    blocked = False

    def begin(self) -> None:
        if signal.getsignal(signal.SIGTERM) is _terminate:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            self.blocked = signal.SIGTERM not in before

    def end(self) -> None:
        if self.blocked:
            self.blocked = False
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


class _Waker:
    """Sends SIGTERM to the main thread again as long as the handler has not run."""

    ends: tuple[int, int] | None = None  # of the pipe that Python tells of signals

    def start(self) -> None:
        """Begin in this process, unless somebody else is told of signals."""
        if signal.getsignal(signal.SIGTERM) is not _terminate or self.ends is not None:
            return
        read, write = os.pipe()
        os.set_blocking(write, False)
        before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        if before != -1:
            signal.set_wakeup_fd(before)
            os.close(read)
            os.close(write)
            return
        self.ends = read, write
        _thread.start_new_thread(self._watch, (read, os.getpid(), threading.get_ident()))

    def leave(self) -> None:
        """Leave the pipe to the parent, in a child that was forked; the child's signals are not for it."""
        if self.ends is None:
            return
        read, write = self.ends
        self.ends = None
        now = signal.set_wakeup_fd(-1)
        if now != write:
            signal.set_wakeup_fd(now)
        os.close(read)
        os.close(write)

    def _watch(self, read: int, here: int, main: int) -> None:
        while came := os.read(read, 64):
            if signal.SIGTERM not in came:
                continue
            time.sleep(LOOK_S)
            while _ends.told != here and signal.getsignal(signal.SIGTERM) is _terminate:
                signal.pthread_kill(main, signal.SIGTERM)
                time.sleep(LOOK_S)


_waker = _Waker()
os.register_at_fork(after_in_child=_waker.leave)  # SIGTERM is still blocked then
_fork = _Fork()
# Before other hooks are registered: threads that they start in a child must not inherit the blocking.
os.register_at_fork(before=_fork.begin, after_in_parent=_fork.end, after_in_child=_fork.end)


def _finalize() -> None:
    util.Finalize(None, _deliver_all, exitpriority=0)


def _begin_child(_: object) -> None:
    """Begin in a child of multiprocessing."""
    _finalize()
    _waker.start()


def _deliver_all() -> None:
    with unbroken():
        for one in _ends.mine():
            _beside(one)


def _deliver_told() -> None:
    _tell()
    for one in _ends.mine():
        _beside(one)


def _tell() -> None:
    """Note when this process was told to end, unless it was before."""
    here = os.getpid()
    if _ends.told != here:
        _ends.told, _ends.told_s = here, time.monotonic()


def _terminate(number: int, _: FrameType | None) -> None:
    """Deliver, then end as SIGTERM would have ended the process; it is the handler."""
    here = os.getpid()
    _tell()
    busy = _ends.busy == here
    if busy and time.monotonic() - _ends.told_s < PATIENCE_S:
        _ends.put_off = here
        return  # to the one that delivers, which comes here when it is done
    _ends.busy = here
    try:
        for one in () if busy else _ends.mine():
            _beside(one)
    finally:
        signal.signal(number, signal.SIG_DFL)
        os.kill(here, number)


def _beside(one: _Delivery) -> None:
    """Have something delivered by a thread of its own, and wait for it; not for ever, if we were told to end.

    Why not `threading.Thread`: it waits for locks that the main thread may hold.
    """
    done = _thread.allocate_lock()
    done.acquire()

    def run() -> None:
        try:
            one.run()
        finally:
            done.release()

    began_s = time.monotonic()
    try:
        _thread.start_new_thread(run, ())
    except RuntimeError:  # from Python 3.12 on no thread starts once the interpreter is ending
        one.run()
        return
    while not done.acquire(timeout=LOOK_S):
        told = _ends.told == os.getpid()
        if told and time.monotonic() - max(began_s, _ends.told_s) > one.within_s:
            return

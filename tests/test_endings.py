"""What a process does before it ends, whatever it is doing and whatever hangs."""

import signal
import subprocess
import sys

import pytest

BEGIN = """
import os, signal, sys, threading, time
from mlobs._endings import at_the_end, unbroken

def tell(word):
    os.write(1, (word + "\\n").encode())
"""


def ended(code, *, told=0, begin=BEGIN):
    """Return how a program ended and what it said; it is told to end as often, when it says so."""
    program = subprocess.Popen([sys.executable, "-c", begin + code], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    said = []
    for line in program.stdout:
        said.append(line.strip())
        if told and line == "now\n":
            program.send_signal(signal.SIGTERM)
            told -= 1
    return program.wait(60), said


def test_all_is_delivered_those_that_tell_of_the_others_last():
    """Metrics say what a monitor counts when it is closed, in whatever order the two were made."""
    code = """
at_the_end(lambda: tell("last"), within_s=9, last=True)
at_the_end(lambda: tell("first"), within_s=9)
"""
    assert ended(code) == (
        0,
        ["first", "last", "first", "last"],
    )  # of multiprocessing's end, and of the program's
    assert ended(f"{code}tell('now'); time.sleep(60)", told=1) == (-signal.SIGTERM, ["now", "first", "last"])


def test_a_lock_of_the_main_thread_does_not_keep_the_process():
    """A handler of signals comes between any two instructions, also inside a `with lock:`."""
    code = """
lock = threading.Lock()
def deliver():
    with lock: tell("never")
at_the_end(deliver, within_s=0.5)
at_the_end(lambda: tell("others"), within_s=9, last=True)
with lock:
    tell("now")
    time.sleep(60)
"""
    assert ended(code, told=1) == (-signal.SIGTERM, ["now", "others"])


def test_a_delivery_that_fails_does_not_keep_the_process():
    """It would go on for ever with everything switched off."""
    code = """
at_the_end(lambda: 1 / 0, within_s=9)
at_the_end(lambda: tell("others"), within_s=9, last=True)
tell("now")
time.sleep(60)
"""
    assert ended(code, told=1) == (-signal.SIGTERM, ["now", "others"])


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["pass", "with unbroken(): deliver()"])
def test_a_process_that_delivers_already_finishes_that_first(ending):
    """Pools terminate workers that are about to end, and operators are impatient."""
    code = f"""
def deliver():
    tell("now")
    time.sleep(0.5)
    tell("done")
at_the_end(deliver, within_s=9)
{ending}
"""
    status, said = ended(code, told=1)
    assert status == -signal.SIGTERM
    assert said[:2] == ["now", "done"]


def test_a_second_signal_does_not_cut_what_the_first_began():
    """Whoever asks twice need not lose anything by it."""
    code = """
def deliver():
    tell("now")
    time.sleep(0.5)
    tell("done")
at_the_end(deliver, within_s=9)
tell("now")
time.sleep(60)
"""
    assert ended(code, told=2) == (-signal.SIGTERM, ["now", "now", "done"])


def test_an_end_that_hangs_ends_when_it_is_told_to():
    """The callback of a monitor may take for ever; nobody would find out why."""
    code = """
def deliver():
    tell("now")
    time.sleep(60)
at_the_end(deliver, within_s=0.2)
"""
    assert ended(code, told=1) == (-signal.SIGTERM, ["now", "now"])


def test_a_signal_in_the_middle_of_a_fork_ends_the_child_at_once():
    """It has recorded nothing yet, what it inherited is its parent's, and its locks are old."""
    code = """
def kill():
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(1000): time.sleep(0.01)
    tell("alive")
os.register_at_fork(after_in_child=kill)
at_the_end(lambda: tell("delivered"), within_s=9)
child = os.fork()
tell(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
os._exit(0)
"""
    assert ended(code) == (0, ["-15"])


def test_a_signal_that_comes_before_python_is_ready_in_the_child_is_not_forgotten():
    """Python clears what came before its own hooks ran, which the default action would not have done."""
    code = (
        """
import os, signal, sys
def note(): tell(str(signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())))
os.register_at_fork(before=note)  # hooks before a fork run in the reverse order: after those of what follows
"""
        + BEGIN
    )
    forks = "child = os.fork()\nnote()\nif not child: os._exit(0)\nos.waitpid(child, 0)\nos._exit(0)\n"
    assert ended(f"{code}{forks}", begin="") == (0, ["False"] * 3)  # the handler is not ours
    status, said = ended(f"{code}at_the_end(lambda: None, within_s=9)\n{forks}", begin="")
    assert (status, said) == (0, ["True", "False", "False"])


def test_the_first_process_of_a_container_goes_on_as_it_would():
    """The kernel keeps the default action from it; switched off, it would go on without telemetry."""
    code = """
import mlobs._endings
mlobs._endings.FIRST = os.getpid()
at_the_end(lambda: None, within_s=9)
tell(repr(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL))
"""
    assert ended(code) == (0, ["True"])


@pytest.mark.slow
def test_a_program_that_handles_the_signal_itself_ends_by_itself():
    """A server of uvicorn hands the signal back to who handled it before, whose it is then."""
    code = """
import uvicorn
signal.signal(signal.SIGTERM, lambda *_: tell("handled"))
async def app(scope, receive, send):
    await receive()
    at_the_end(lambda: tell("delivered"), within_s=9)
    await send({"type": "lifespan.startup.complete"})
    os.kill(os.getpid(), signal.SIGTERM)
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
uvicorn.run(app, port=0, log_level="error")
with unbroken(): tell("cleaned up")
sys.exit(7)
"""
    said = ["delivered", "handled", "cleaned up", "delivered", "delivered"]  # the last two as ever at the end
    assert ended(code) == (7, said)


@pytest.mark.parametrize("forks", [0, 1])
def test_a_signal_does_not_wait_for_what_a_child_of_multiprocessing_waits_for(forks):
    """It may come right before the main thread begins to wait in C, and then nothing interrupts it.

    Here another thread takes the signal, so that nothing does either. A child of that child is on its own.
    """
    code = f"""
import multiprocessing
context = multiprocessing.get_context("fork")
at_the_end(lambda: tell("delivered"), within_s=9)
def signal_here():
    time.sleep(0.5)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
def wait(forks):
    if forks:
        child = context.Process(target=wait, args=(forks - 1,))
        child.start()
        child.join(30)
        tell(str(child.exitcode))
        return child.kill()
    threading.Thread(target=signal_here, daemon=True).start()
    context.Semaphore(0).acquire()
wait({forks} + 1)
os._exit(0)
"""
    said = ["delivered", "-15"] + ["delivered", "0"] * forks
    assert ended(code) == (0, said)

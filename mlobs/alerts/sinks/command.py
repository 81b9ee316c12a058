"""Starts a program with a message on its standard input: to roll back, to retrain, to open an issue.

Edge: this starts processes. No shell: nothing in a message becomes part of the command line. The
program gets PATH, HOME, LANG and TZ of our environment, what the user lists, and the delivery's id
in MLOBS_DELIVERY; it must expect to be started twice with the same one. 0 is a receipt, 65
(EX_DATAERR) a refusal for good, anything else may pass and is tried again. After its time,
and also after its end, whatever is left of its process group is killed.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from mlobs.alerts.sinks.answer import Answer
from mlobs.alerts.sinks.escaping import line

PASSED_ON = ("PATH", "HOME", "LANG", "TZ")
OUTPUT_BYTES_MAX = 4096
SAID_CHARACTERS_MAX = 400
REFUSED = 65
LOOK_SECONDS = 0.02
MERCY_SECONDS = 2.0  # Between SIGTERM and SIGKILL.


class Command:
    """One program.

    Args:
        argv: The program and its arguments.
        timeout_s: After so long it is told to end, and killed soon after.
        env: More variables for it.
        folder: Where it runs.
    """

    kind = "command"
    gap_s = 0.0

    def __init__(
        self, argv: Sequence[str], *, timeout_s: float, env: Mapping[str, str], folder: Path
    ) -> None:
        self.address = Path(argv[0]).name
        self._argv = list(argv)
        self._timeout_s = timeout_s
        self._env = dict(env)
        self._folder = folder

    def send(self, delivery_id: str, body: bytes, *, now_s: float) -> Answer:  # of Sink
        """Run the program once and say how it went."""
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        try:
            with tempfile.TemporaryFile() as given:  # a pipe would fill up if nobody reads it
                given.write(body)
                given.seek(0)
                process = subprocess.Popen(
                    self._argv,
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    cwd=self._folder,
                    env={**passed_on, **self._env, "MLOBS_DELIVERY": delivery_id},
                    start_new_session=True,
                )
        except OSError as error:
            return Answer("failed", f"{self.address} cannot be started: {error.strerror}")
        return self._answer(process)

    def _answer(self, process: "subprocess.Popen[bytes]") -> Answer:
        output: list[bytes] = []
        assert process.stdout is not None
        reader = threading.Thread(
            target=_keep, args=(process.stdout, output), name="mlobs-command", daemon=True
        )
        try:
            reader.start()
        except RuntimeError:  # no more threads; nobody would read what it says
            _signal(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()
            return Answer("failed", f"{self.address} was killed at once: this machine has no more threads")
        ended = _ended(process.pid, self._timeout_s)
        if not ended:
            _signal(process.pid, signal.SIGTERM)
            _ended(process.pid, MERCY_SECONDS)
        # Its process is not reaped yet, so its number is still its own.
        _signal(process.pid, signal.SIGKILL)
        status = process.wait()
        reader.join(MERCY_SECONDS)
        said = _end(b"".join(output))
        said = f": {said}" if said else ""
        if not ended:
            return Answer("failed", f"killed after {self._timeout_s:.4g} s{said}")
        if status == 0:
            return Answer("delivered", f"exit 0{said}")
        how = f"exit {status}" if status > 0 else f"ended by signal {-status}"
        if status == REFUSED:
            return Answer("dead", f"{how}, which says that trying again would not help{said}")
        return Answer("failed", f"{how}{said}")


def _ended(pid: int, seconds: float) -> bool:
    """Return whether a process ended in time, without reaping it."""
    until = time.monotonic() + seconds
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        if time.monotonic() >= until:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def _end(output: bytes) -> str:
    """Return the end of what a program wrote, where the error is."""
    said = line(output.decode("utf-8", "replace"), OUTPUT_BYTES_MAX)
    return said if len(said) <= SAID_CHARACTERS_MAX else "…" + said[1 - SAID_CHARACTERS_MAX :]


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left, or only a zombie
        os.killpg(group, number)


def _keep(stream: IO[bytes], output: list[bytes]) -> None:
    """Read all that is written, so that the program goes on, and keep the end of it."""
    with contextlib.closing(stream):
        while some := stream.read1(OUTPUT_BYTES_MAX):  # type: ignore[attr-defined] # a buffered reader
            output[:] = [b"".join((*output, some))[-OUTPUT_BYTES_MAX:]]

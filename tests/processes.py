"""Starts real programs for tests, on free ports, and stops them: `mlobs up` and others."""

import collections
import contextlib
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MLOBS = [sys.executable, "-m", "mlobs"]
# Below those that the kernel gives to whoever asks for any, and to every connection.
PORTS = range(20_000, 32_000)
PORTS_HELD_MAX = 300
START_S_MAX = 150  # Of a program; machines with other work to do take ten times as long as others.
_held: collections.deque[socket.socket] = collections.deque()


def free_port() -> int:
    """Return a free port, for programs that cannot say which one 0 became.

    Nobody else gets it from here, also in another process, though it is bound late, or a second time after a
    kill: a socket of UDP with the same number holds it.
    """
    for _ in range(10_000):
        port = secrets.choice(PORTS)
        holder = socket.socket(type=socket.SOCK_DGRAM)
        try:
            holder.bind(("127.0.0.1", port))
            with socket.socket() as tried:
                tried.bind(("127.0.0.1", port))
        except OSError:
            holder.close()
            continue
        _held.append(holder)
        if len(_held) > PORTS_HELD_MAX:  # Each is an open file.
            _held.popleft().close()
        return port
    pytest.fail(f"no port from {PORTS.start} to {PORTS.stop} is free")


@contextlib.contextmanager
def process(*command: str, log: Path, **given: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program until the block ends."""
    with log.open("wb") as output:
        started = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **given)
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(60)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def wait_for(address: str, log: Path) -> None:
    until = time.monotonic() + START_S_MAX
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(address, timeout=10):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"nothing answered at {address} within {START_S_MAX} s:\n{log.read_text()}")


@contextlib.contextmanager
def up(
    folder: Path, *, log: str = "server.log", probe: str = "readyz", **given: Any
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Run `mlobs up` on a free port and folder/data; yield its address and its process.

    Args:
        folder: Where it works.
        log: The name of the file of its output in there.
        probe: What answers once it is up.
        given: Of `subprocess.Popen`.
    """
    output = folder / log
    command = (*MLOBS, "up", "--port", "0", "--data", str(folder / "data"))
    with process(*command, log=output, cwd=folder, **given) as started:
        until = time.monotonic() + START_S_MAX
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", output.read_text())):
            assert started.poll() is None, output.read_text()
            assert time.monotonic() < until, output.read_text()
            time.sleep(0.1)
        wait_for(f"{found[0]}/{probe}", output)
        yield found[0], started


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run `mlobs up`; yield its address."""
    with up(folder) as (url, _):
        yield url

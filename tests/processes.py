"""Starts real programs for tests, on free ports, and stops them: `mlobs up` and others."""

import contextlib
import re
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


def free_port() -> int:
    """Return a port that is free now, for programs that cannot say which one 0 became."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


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
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def wait_for(address: str, log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"nothing answered at {address} within a minute:\n{log.read_text()}")


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run `mlobs up` on a free port and return its address."""
    log = folder / "server.log"
    with process(*MLOBS, "up", "--port", "0", "--data", str(folder / "data"), log=log, cwd=folder) as started:
        until = time.monotonic() + 60
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
            assert started.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        wait_for(f"{found[0]}/readyz", log)
        yield found[0]

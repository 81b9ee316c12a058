"""The whole story, in a process of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest

from mlobs.cli import main
from mlobs.cli.demo.stage import Stage
from tests.processes import MLOBS


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_tells_the_truth(tmp_path):
    """Each claim is checked against server, monitor and webhook; without a terminal it ends by itself."""
    done = subprocess.run(
        [*MLOBS, "demo"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=850,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout
    assert done.stdout.count("✓") >= 12
    for seen in (
        r"invoke_agent flight-desk",
        r"execute_tool gate_of .*HTTPError",
        r"chat gpt-4o-mini answer .*first chunk .* tokens  \$",
        r"temp +yes +\d\d:\d\d:\d\d",
        r'"rule": "MlobsFeatureDrift"',
        r'"trace_url": "http://127.0.0.1:\d+/traces/\w{32}"',
        r"A server listens at http://127.0.0.1:\d+",
    ):
        assert re.search(seen, done.stdout), f"{seen} is not in:\n{done.stdout}"
    assert list(tmp_path.iterdir()) == []


def follow(process):
    """Return a running program's first address."""
    for line in process.stdout:
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        if found:
            return found[0]
    pytest.fail("it ended without an address")


def nothing_listens(address):
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.socket() as asking:
        return asking.connect_ex((host, int(port))) != 0


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_however_the_demo_is_told_to_end_it_clears_away(tmp_path, number):
    """A closed terminal must not leave a server and a folder behind."""
    started = subprocess.Popen(
        [*MLOBS, "demo", "--stay"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    try:
        address = follow(started)
        started.send_signal(number)
        started.communicate(timeout=300)
    finally:
        started.kill()
    assert started.returncode == 130
    assert nothing_listens(address)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_server_that_watches_a_pipe_ends_with_whoever_holds_it(tmp_path):
    """Not even kill -9 of the demo leaves its server running."""
    started = subprocess.Popen(
        [*MLOBS, "up", "--port", "0", "--data", str(tmp_path / "data"), "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    address = follow(started)
    assert started.stdin is not None
    assert started.stdout is not None
    started.stdin.close()
    out = started.stdout.read()  # not `communicate`, which forgets what `follow` has read ahead
    assert started.wait(120) == 0
    assert nothing_listens(address)
    assert f"\nexport OTEL_EXPORTER_OTLP_ENDPOINT={address} MLOBS_SERVER={address}\n" in out


def test_a_stage_whose_server_cannot_be_started_clears_away(tmp_path, monkeypatch):
    """The first error is the one that is told, and nothing is left listening."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(FileNotFoundError), Stage(tmp_path / "data"):
        pytest.fail("it started")
    names = {thread.name for thread in threading.enumerate()}
    assert not {name for name in names if name.startswith("demo-")}


def test_a_wrong_flag_is_named_as_it_was_typed(capsys):
    """Nobody who types --port knows of a variable."""
    assert main(["up", "--port", "99999"]) == 2
    assert capsys.readouterr().err.startswith("mlobs: --port 99999 cannot be used: ")

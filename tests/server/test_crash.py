"""Real servers that are killed, stopped and started twice: what was acknowledged is there, once."""

import collections
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.processes import MLOBS, up
from tests.server.otlp import wait_until
from tests.server.senders import Sent, counters, sending, tool_calls

ROUNDS = int(os.environ.get("MLOBS_TEST_KILLS", "6"))  # 100 take a quarter of an hour
SPANS_MIN = 1_000  # That all rounds together have sent: there was a load.
COUNT_STORED = """
import json, sys
from pathlib import Path
from mlobs.server.store import Store
store = Store(Path(sys.argv[1]), memory_bytes_max=1 << 30, query_seconds_max=60)
rows = store.connection().run("SELECT SpanId AS id, count() AS times FROM mlobs.otel_traces GROUP BY id")
print(json.dumps({row["id"]: int(row["times"]) for row in rows}))
store.close()
"""


def stored(folder: Path) -> dict[str, int]:
    """Return how often each span is stored. In a process of its own, which can hold any store."""
    command = [sys.executable, "-c", COUNT_STORED, str(folder / "data" / "store")]
    found: dict[str, int] = json.loads(
        subprocess.run(command, capture_output=True, check=True, text=True).stdout
    )
    return found


def check_stored(folder: Path, sent: Sent) -> dict[str, int]:
    found = stored(folder)
    assert sent.odd == []
    assert sent.acknowledged - found.keys() == set(), "acknowledged and lost"
    assert found.keys() - sent.acknowledged - sent.unknown == set(), "stored and never sent"
    assert collections.Counter(found.values()).keys() == {1}, "stored more than once"
    return found


@pytest.mark.slow
@pytest.mark.timeout(600 + 60 * ROUNDS)
def test_kill_9_under_load_loses_nothing_and_doubles_nothing(tmp_path):
    """The promise of the acknowledgement, and of counters that never go backwards."""
    sent, chance, before = Sent(), random.Random(), dict[str, float]()
    backwards: list[str] = []

    def look(url: str) -> None:
        now = counters(url)
        backwards.extend(
            f"{name}: {was} became {now.get(name)}" for name, was in before.items() if now.get(name, 0) < was
        )
        before.update(now)

    with contextlib.ExitStack() as stack:
        for number in range(ROUNDS):
            with up(tmp_path, log=f"server-{number}.log") as (url, server):
                sent.url = url
                if number == 0:
                    stack.enter_context(sending(sent))
                enough = len(sent.acknowledged) + SPANS_MIN / ROUNDS
                until = time.monotonic() + chance.uniform(0.5, 3.5)
                while time.monotonic() < until or len(sent.acknowledged) <= enough:
                    look(url)
                    time.sleep(chance.uniform(0, 0.3))
                server.send_signal(signal.SIGKILL)
                server.wait()
    assert len(sent.acknowledged) > SPANS_MIN
    journal = tmp_path / "data" / "journal"
    with up(tmp_path, log=f"server-{ROUNDS}.log") as (url, server):
        until = time.monotonic() + 240
        # What nobody was told of is loaded as well, and a stop waits only so long for it.
        while tool_calls(before) < len(sent.acknowledged) or any(journal.iterdir()):
            assert time.monotonic() < until, (tmp_path / f"server-{ROUNDS}.log").read_text()
            look(url)
            time.sleep(0.1)
        server.send_signal(signal.SIGTERM)
        assert server.wait(120) == 0
    assert list(journal.iterdir()) == []
    found = check_stored(tmp_path, sent)
    with up(tmp_path, log=f"server-{ROUNDS + 1}.log") as (url, _):
        look(url)
    assert tool_calls(before) == len(found)
    assert backwards == []
    print(f"{len(sent.acknowledged)} spans acknowledged, {len(found)} stored, {ROUNDS} kills")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sigterm_under_load_exits_0_and_loses_nothing(tmp_path):
    """Every rollout does it; a sender's request in that instant is answered or refused, not cut."""
    sent = Sent()
    with up(tmp_path, log="server-0.log") as (url, server):
        sent.url = url
        with sending(sent):
            time.sleep(2)
            assert wait_until(lambda: len(sent.acknowledged) > 0)
            server.send_signal(signal.SIGTERM)
            assert server.wait(120) == 0
    # Left in the journal is what took too long to load; the next start loads it.
    if list((tmp_path / "data" / "journal").iterdir()):
        with up(tmp_path, log="server-1.log") as (url, _):
            assert wait_until(lambda: tool_calls(counters(url)) >= len(sent.acknowledged))
    check_stored(tmp_path, sent)


def refused(folder: Path, *arguments: str) -> str:
    """Start a server that cannot start; return its one sentence."""
    ended = subprocess.run(
        [*MLOBS, "up", *arguments], capture_output=True, text=True, timeout=150, cwd=folder
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("mlobs: ")
    assert ended.stderr.count("\n") == 1
    return ended.stderr


@pytest.mark.slow
def test_a_second_server_on_the_folder_is_told_who_has_it(tmp_path):
    """Two would load the same segments. The first must not notice."""
    with up(tmp_path, log="server-0.log") as (url, _):
        sentence = refused(tmp_path, "--port", "0", "--data", str(tmp_path / "data"))
        assert f"Another server holds the folder {tmp_path / 'data'}. Stop it, or choose another" in sentence
        assert requests.get(f"{url}/readyz", timeout=60).status_code == 200


@pytest.mark.slow
def test_a_port_that_is_taken_is_one_sentence(tmp_path):
    """The commonest reason not to start."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sentence = refused(tmp_path, "--port", str(port), "--data", str(tmp_path / "data"))
    assert (
        f"Port {port} on 127.0.0.1 cannot be listened on: Address already in use. Choose another" in sentence
    )


@pytest.mark.slow
def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    """Its parent is a file."""
    (tmp_path / "file").write_text("not a folder")
    sentence = refused(tmp_path, "--port", "0", "--data", str(tmp_path / "file" / "data"))
    assert (
        f"The folder {tmp_path / 'file' / 'data'} cannot be written: Not a directory. Choose another"
        in sentence
    )

"""However a process ends, its monitors save what they know; several processes share a folder."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from mlobs.drift.monitor import Monitor
from mlobs.drift.profile import Profile
from tests.processes import free_port

ROOT = Path(__file__).parents[2]
WATCHING = """
import os, signal, sys, time, mlobs
def watch():
    monitor = mlobs.Monitor("p.json", block_rows=5, state=sys.argv[1])
    for _ in range(10): monitor.observe({"x": 0.0})
    return monitor
"""
SERVED = f"""
{WATCHING.replace("sys.argv[1]", "'states'")}
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (kind := (await receive())["type"]) != "lifespan.shutdown":
            await send({{"type": f"{{kind}}.complete"}})
        return await send({{"type": f"{{kind}}.complete"}})
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": str(os.getpid()).encode()}})
def wsgi(environ, start):
    start("200 OK", [])
    return [str(os.getpid()).encode()]
monitor = watch()
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a profile and an empty folder for states."""
    Profile.of({"x": np.random.default_rng(1).normal(0, 1, 1_000)}, model="m@1").write(tmp_path / "p.json")
    (tmp_path / "states").mkdir()
    return tmp_path


def run(folder, code, state):
    """Start a program in the folder."""
    (folder / "program.py").write_text(WATCHING + code)
    return subprocess.Popen(
        [sys.executable, "program.py", state],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows(path):
    """Return how many rows a state has judged."""
    return 5 * json.loads(path.read_text())["streams"][""]["detector"]["blocks"]


@pytest.mark.slow
@pytest.mark.parametrize("switched_on", ["", "mlobs.init('m', endpoint='http://127.0.0.1:9')"])
def test_a_state_is_saved_at_sigterm(folder, switched_on):
    """Every deployment ends services this way, with or without telemetry."""
    program = run(folder, f"{switched_on}\nm = watch()\nos.kill(os.getpid(), signal.SIGTERM)\n", "m.state")
    assert program.wait(60) == -signal.SIGTERM
    assert rows(folder / "m.state") == 10


@pytest.mark.slow
def test_a_state_is_saved_where_the_program_closes_its_monitor_already(folder):
    """Pools and servers clean up when they are told to end, and are told twice."""
    code = """
from mlobs.drift.streams import statefile
replace = statefile.replace
def told_meanwhile(*given):
    os.kill(os.getpid(), signal.SIGTERM)
    replace(*given)
statefile.replace = told_meanwhile
watch().close()
"""
    assert run(folder, code, "m.state").wait(60) == -signal.SIGTERM
    assert rows(folder / "m.state") == 10


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["spawn", "fork"])
def test_a_state_is_saved_when_a_child_of_multiprocessing_ends(folder, kind):
    """It ends without `atexit`."""
    code = f"""
import multiprocessing
if __name__ == "__main__":
    child = multiprocessing.get_context("{kind}").Process(target=watch)
    child.start()
    child.join()
"""
    assert run(folder, code, "m.state").wait(60) == 0
    assert rows(folder / "m.state") == 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("server", "states"),
    [
        (["uvicorn", "program:app", "--port", "{port}"], 1),
        (["uvicorn", "program:app", "--port", "{port}", "--workers", "2"], 2),
        (["gunicorn", "program:wsgi", "-b", "127.0.0.1:{port}", "-w", "2"], 2),
    ],
)
def test_a_state_is_saved_by_each_worker_of_a_server(folder, server, states):
    """They handle SIGTERM themselves, and some end by it again."""
    (folder / "program.py").write_text(SERVED)
    port = free_port()
    command = [sys.executable, "-m", *(part.format(port=port) for part in server)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"}
    program = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 120
    seen = set()
    while len(seen) < states and time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
                seen.add(answer.read())
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    program.send_signal(signal.SIGTERM)
    program.wait(60)
    assert sorted(path.name for path in (folder / "states").glob("*.state")) == [
        f"{number}.state" for number in range(1, states + 1)
    ]
    assert {rows(path) for path in (folder / "states").glob("*.state")} == {10}


@pytest.mark.slow
def test_each_process_has_a_file_of_a_folder_and_the_next_goes_on_from_it(folder):
    """Process numbers change with every restart; places do not."""
    for already in (0, 10):
        both = [run(folder, "m = watch(); print('ready', flush=True); input()", "states") for _ in range(2)]
        assert [program.stdout.readline() for program in both] == ["ready\n"] * 2
        for program in both:
            program.send_signal(signal.SIGTERM)
        assert [program.wait(60) for program in both] == [-signal.SIGTERM] * 2
        found = sorted((folder / "states").glob("*.state"))
        assert [path.name for path in found] == ["1.state", "2.state"]
        assert [rows(path) for path in found] == [already + 10] * 2


def test_monitors_of_one_process_have_a_file_each_until_they_are_closed(folder):
    """A notebook makes its monitor again and again."""
    one, two = (Monitor(folder / "p.json", block_rows=5, state=folder / "states") for _ in range(2))
    for _ in range(10):
        one.observe({"x": 0.0})
    two.close()
    one.close()
    again = Monitor(folder / "p.json", block_rows=5, state=folder / "states")
    assert again.state()[0].rows == 10  # the one that was written last
    again.close()
    assert sorted(path.name for path in (folder / "states").glob("*.state")) == ["1.state", "2.state"]

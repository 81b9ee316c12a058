"""Three processes too small to be sure alone, a server that adds them up, and what may happen to both."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from mlobs.drift.profile import Profile
from tests.processes import MLOBS, free_port, process, wait_for
from tests.server.otlp import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


class Pod:
    """A process of the service."""

    def __init__(self, profile: Path, url: str, seed: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.server.fleet.pod", str(profile), url, str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def see(self, rows: int, share: float = 0.0) -> tuple[int, int]:
        """Have it observe rows; return how many it has by now, and how many alarms of its own stand."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{rows} {share}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        assert answer, "the process ended"
        return int(answer[1]), int(answer[3])

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def up(folder: Path, port: int) -> Iterator[str]:
    """Run `mlobs up` on a folder that outlives it."""
    command = [*MLOBS, "up", "--port", str(port), "--grpc-port", "0", "--data", str(folder / "data")]
    often = {"MLOBS_DRIFT_INTERVAL_S": "0.3", "MLOBS_ALERT_INTERVAL_S": "0.3"}
    environment = {**os.environ, **often}
    log = folder / "server.log"
    with process(*command, log=log, cwd=folder, env=environment):
        wait_for(f"http://127.0.0.1:{port}/readyz", log)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def pods() -> Iterator[list[Pod]]:
    made: list[Pod] = []
    yield made
    for pod in made:
        pod.kill()


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("profile") / "churn.json"
    rows = 100_000
    data = {"age": rng.normal(40, 10, rows), "plan": rng.choice(["a", "b", "c"], rows)}
    Profile.of(data, model="churn@7").write(path)
    return path


def watches(url: str) -> dict[str, dict[str, Any]]:
    answer = requests.get(f"{url}/api/drift", timeout=120).json()
    assert answer["failure"] is None
    return {watch["feature"]: watch for watch in answer["watches"]}


def counted(url: str, rows: int) -> bool:
    """Say whether the detector has seen exactly so many rows, of each feature."""
    found = watches(url)
    return bool(found) and {watch["rows"] for watch in found.values()} == {rows}


def test_what_no_process_can_tell_alone_all_together_do(tmp_path, profile, pods):
    """Each row is counted once over a restart of the server and of a process; the alarm reaches alerts."""
    port, rows = free_port(), 0
    with up(tmp_path, port) as url:
        pods += [Pod(profile, url, seed) for seed in range(3)]
        for _ in range(3):
            for pod, more in zip(pods, (60, 60, 200), strict=True):  # only the last makes a block of them
                pod.see(more)
                rows += more
            assert wait_until(partial(counted, url, rows)), watches(url)
        assert not any(watch["alarm"] for watch in watches(url).values())
        assert watches(url)["age"]["processes"] == 3
        pods.pop().kill()
        pods.append(Pod(profile, url, 7))  # its counters begin at 0
        pods[-1].see(70)
        pods[0].see(200)
        rows += 270
        assert wait_until(partial(counted, url, rows)), watches(url)
        pods[1].see(150)  # too few for a block: they wait while the server is down
    with up(tmp_path, port) as url:
        assert wait_until(partial(counted, url, rows)), watches(
            url
        )  # remembered, and shown when heard of again
        pods[1].see(60)
        rows += 210
        assert wait_until(partial(counted, url, rows)), watches(url)
        for _ in range(3):  # too few for a process, whose first block is only what it learns from
            alone = [pod.see(70, share=0.25)[1] for pod in pods]
            rows += 210
            assert wait_until(partial(counted, url, rows)), watches(url)
        found = watches(url)
        assert (alone, found["age"]["alarm"], found["plan"]["alarm"]) == ([0, 0, 0], True, False)
        assert wait_until(lambda: "MlobsFleetDrift" in firing(url))
        assert watched(url) == (1, [True, False])
        assert watched(url, "--model", "churn@6") == (0, [])
        table = mlobs("drift", "watch", "--once", "--server", url)
        assert "ALARM" in table.stdout
        assert "1 alarm stands." in table.stderr
        lines = requests.get(f"{url}/metrics", timeout=30).text.splitlines()
        ours = [line for line in lines if line.startswith("mlobs_drift_")]
        assert any(line.startswith("mlobs_drift_fleet_alarm{") and line.endswith(" 1.0") for line in ours)
        assert not any("instance" in line for line in ours)
        exported = sum(
            float(line.rsplit(" ", 1)[1])
            for line in ours
            if line.startswith("mlobs_drift_observations_total{") and 'mlobs_feature="age"' in line
        )
        assert exported == rows


def mlobs(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*MLOBS, *command], capture_output=True, text=True, check=False, timeout=300)


def watched(url: str, *more: str) -> tuple[int, list[bool]]:
    """Return the exit status of `mlobs drift watch --json`, and which alarms it shows."""
    done = mlobs("drift", "watch", "--json", "--server", url, *more)
    return done.returncode, [watch["alarm"] for watch in json.loads(done.stdout)["watches"]]


def firing(url: str) -> set[str]:
    return {alert["rule"] for alert in requests.get(f"{url}/api/alerts", timeout=30).json()["firing"]}

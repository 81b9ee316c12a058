"""Runs the built collector with the sidecar's configuration, for tests."""

import functools
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlobs.cli.collector.binary import binary
from tests.parts import require
from tests.processes import MLOBS, free_port, process, wait_for


@dataclass
class Sidecar:
    """One running collector and its addresses."""

    process: "subprocess.Popen[bytes]"
    http: str
    grpc: str
    metrics: str = ""

    def own(self, name: str) -> float:
        """Return the sum of a family of its own metrics, 0 where it has none."""
        lines = fetched(self.metrics)
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}[ {{]", line))

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()


def fetched(address: str) -> list[str]:
    """Return the lines of a page."""
    with urllib.request.urlopen(address, timeout=60) as answer:
        return answer.read().decode().splitlines()


@functools.cache
def build() -> None:
    """Build the collector, or skip where it cannot be built; minutes the first time."""
    if not binary().exists():
        require("go")
        done = subprocess.run([*MLOBS, "collector", "build"], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(done.stderr)


@contextmanager
def running(folder: Path, endpoint: str, **more: str) -> Iterator[Sidecar]:
    """Run `mlobs collector run` until the block ends; its queue is in `folder`."""
    build()
    http, grpc, health, metrics = (free_port() for _ in range(4))
    environment = {
        **os.environ,
        "MLOBS_ENDPOINT": endpoint,
        "MLOBS_SIDECAR_HTTP": f"127.0.0.1:{http}",
        "MLOBS_SIDECAR_GRPC": f"127.0.0.1:{grpc}",
        "MLOBS_SIDECAR_HEALTH": f"127.0.0.1:{health}",
        "MLOBS_SIDECAR_QUEUE": str(folder / "queue"),
        "MLOBS_SIDECAR_METRICS_PORT": str(metrics),
        **more,
    }
    log = folder / "collector.log"
    with process(*MLOBS, "collector", "run", log=log, env=environment) as started:
        wait_for(f"http://127.0.0.1:{health}/", log)
        yield Sidecar(
            started,
            f"http://{environment['MLOBS_SIDECAR_HTTP']}",
            f"http://127.0.0.1:{grpc}",
            f"http://127.0.0.1:{metrics}/metrics",
        )

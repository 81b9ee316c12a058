"""mlobs is switched on once a process: these tests share one sink and read their own spans from it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mlobs
from tests import sink as sinks


@pytest.fixture(scope="session")
def telemetry() -> Iterator[sinks.Sink]:
    """A sink that mlobs exports to."""
    sink = sinks.start()
    mlobs.init("tests", endpoint=sink.url)
    yield sink
    assert mlobs.flush()


@pytest.fixture
def sink(telemetry: sinks.Sink) -> sinks.Sink:
    """The sink, emptied before the test."""
    assert mlobs.flush()
    telemetry.bodies.clear()
    return telemetry


@pytest.fixture
def run_program(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program of its own, for what can happen only once a process."""

    def run(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
        program = tmp_path / "program.py"
        program.write_text(code)
        return subprocess.run(
            [sys.executable, str(program)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **variables},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run

"""What many tests share: a process has one store, one provider of metrics, and is switched on once."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import mlobs
from mlobs.server.serve import Server
from mlobs.settings import ServerSettings, load
from tests import sink as sinks
from tests.terminal import terminal as terminal

# These machines are shared: how long one example takes says nothing about the code.
settings.register_profile("mlobs", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mlobs")


@pytest.fixture(scope="session", autouse=True)
def reader() -> InMemoryMetricReader:
    """Reads the metrics of this process, which can have one provider only and keeps the first."""
    found = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([found]))
    return found


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

    def run(code: str, timeout_s: float = 60, **variables: str) -> subprocess.CompletedProcess[str]:
        program = tmp_path / "program.py"
        program.write_text(code)
        return subprocess.run(
            [sys.executable, str(program)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **variables},
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )

    return run


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A started server on a folder of its own."""
    settings = load(
        ServerSettings,
        port=0,
        data=tmp_path_factory.mktemp("served"),
        body_bytes_max=200_000,
        segment_seconds_max=0.05,
    )
    with Server(settings) as server:
        yield server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that share a server late: until it stops, no other store can be opened here.

    Those with a browser are last: what drives it leaves an event loop running in its process.
    Several processes that share the work keep a file's tests together, and those of the server in one place.
    """
    items.sort(key=lambda item: (_in_a_browser(item), _needs_the_server(item)))
    for item in items:
        item.add_marker(pytest.mark.xdist_group("served" if _needs_the_server(item) else str(item.path)))


def _needs_the_server(item: pytest.Item) -> bool:
    return "served" in getattr(item, "fixturenames", ())


def _in_a_browser(item: pytest.Item) -> bool:
    return item.path.parent.name == "pages" and item.path.parent.parent.name == "tests"

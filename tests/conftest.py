"""What many tests share: a process has one store, one provider of metrics, and is switched on once."""

import gc
import os
import re
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import mlobs
from mlobs.server.serve import Server
from mlobs.settings import ServerSettings, load
from tests import sink as sinks
from tests.examples import choose
from tests.terminal import terminal as terminal

# What somebody asks for who waits for the fast tests.
FAST = "not slow"
# What a file says whose every test is slow: in one line, or in a list over several.
SLOW_FILE = re.compile(r"^pytestmark = .*(?:\n .*)*\bpytest\.mark\.slow\b", re.MULTILINE)


@pytest.fixture(scope="session", autouse=True)
def reader() -> InMemoryMetricReader:
    """Reads the metrics of this process, which can have one provider only and keeps the first."""
    found = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([found]))
    return found


@pytest.fixture(scope="module", autouse=True)
def _settled() -> None:
    """Keep what is there when a file begins out of the sight of the garbage collector.

    Else each of the tests that collect garbage looks through everything that all the others imported.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def telemetry() -> Iterator[sinks.Sink]:
    """A sink that mlobs exports to."""
    sink = sinks.start()
    mlobs.init("tests", endpoint=sink.url)
    yield sink
    assert mlobs.flush(60)


@pytest.fixture
def sink(telemetry: sinks.Sink) -> sinks.Sink:
    """The sink, emptied before the test."""
    assert mlobs.flush(60)
    telemetry.bodies.clear()
    return telemetry


@pytest.fixture
def run_program(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program of its own, for what can happen only once a process."""

    def run(code: str, timeout_s: float = 350, **variables: str) -> subprocess.CompletedProcess[str]:
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
        query_seconds_max=60,  # a busy machine's seconds are no claim of the tests that ask it
    )
    with Server(settings) as server:
        yield server


def pytest_configure(config: pytest.Config) -> None:
    """Fewer examples for the fast tests alone; several processes take the files in their order here."""
    choose(fast=config.option.markexpr == FAST)
    config.option.loadscopereorder = False  # Of pytest-xdist; else the largest are first.


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among all that is imported now: it stays, and looking takes two seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files that have slow tests alone where none is wanted: what they import takes seconds."""
    if config.option.markexpr != FAST or collection_path.suffix != ".py":
        return None
    return True if SLOW_FILE.search(collection_path.read_text()) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that share a server late: until it stops, no other store can be opened here.

    Those with a browser are last: what drives it leaves an event loop running in its process.
    """
    serving = {item.path for item in items if _needs_the_server(item)}
    items.sort(key=lambda item: (_in_a_browser(item), item.path in serving))


def _needs_the_server(item: pytest.Item) -> bool:
    return "served" in getattr(item, "fixturenames", ())


def _in_a_browser(item: pytest.Item) -> bool:
    return item.path.parent.name == "pages" and item.path.parent.parent.name == "tests"

"""What every test has, and the server that many share: a process can hold one store at a time."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from mlobs.server.serve import Server
from mlobs.settings import ServerSettings, load
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
    """Put the tests that share a server last: until it stops, no other store can be opened here."""
    items.sort(key=lambda item: "served" in getattr(item, "fixturenames", ()))

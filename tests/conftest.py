"""What every test has."""

import pytest
from hypothesis import HealthCheck, settings
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

# These machines are shared: how long one example takes says nothing about the code.
settings.register_profile("mlobs", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mlobs")


@pytest.fixture(scope="session", autouse=True)
def reader() -> InMemoryMetricReader:
    """Reads the metrics of this process, which can have one provider only and keeps the first."""
    found = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([found]))
    return found

"""A process of a service with a monitor: observes rows when it is told, and exports what it counted.

    python -m tests.server.fleet.pod PROFILE URL SEED

reads lines `ROWS SHARE` and answers each with `counted TOTAL` when the server has acknowledged it. SHARE of
the rows have an age as nobody had in training.
"""

import sys

import numpy as np
from opentelemetry import metrics
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from mlobs.drift.monitor import Monitor


def main(profile: str, url: str, seed: int) -> None:
    """Do what the lines of the standard input say."""
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(f"{url}/v1/metrics", timeout=60), export_interval_millis=3_600_000
    )
    provider = MeterProvider([reader], resource=Resource.create({"service.name": "shop"}))
    metrics.set_meter_provider(provider)
    monitor = Monitor(profile)
    rng, total = np.random.default_rng(seed), 0
    for line in sys.stdin:
        rows, share = int(line.split()[0]), float(line.split()[1])
        for _ in range(rows):
            age = rng.normal(90, 1) if rng.random() < share else rng.normal(40, 10)
            monitor.observe({"age": age, "plan": rng.choice(["a", "b", "c"])})
        monitor.flush()
        total += rows
        assert provider.force_flush(120_000)
        alarms = sum(watch.alarm for watch in monitor.state())
        print(f"counted {total} alarms {alarms}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

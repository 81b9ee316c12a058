"""A server without the packages for drift: it says what is missing, once there is something to judge."""

import json

import pytest

from mlobs._extras import pip_install

PROGRAM = """
import json, logging, sys, time, urllib.request
from pathlib import Path

sys.modules["numpy"] = None  # as where it is not installed
logging.basicConfig(level=logging.WARNING, format="%(message)s")

from mlobs.cli.serving import server_with_alerts
from mlobs.semconv import attributes as a, metrics as m
from mlobs.server.points import Point, gauges
from mlobs.settings import AlertSettings, ServerSettings, load
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from tests.server.otlp import wait_until

def answer():
    with urllib.request.urlopen(f"{server.url}/api/drift", timeout=30) as found:
        return json.load(found)

with server_with_alerts(load(ServerSettings, port=0, grpc_port=0, data=Path(sys.argv[0]).parent / "data"),
                        load(AlertSettings)) as server:
    before = answer()["failure"]
    request = ExportMetricsServiceRequest()
    counted = Point("shop", m.DRIFT_OBSERVATIONS, {a.MODEL_NAME.name: "churn"}, 1.0)
    request.ParseFromString(gauges([counted], time.time()))
    row = request.resource_metrics[0].scope_metrics[0].metrics[0]
    [point] = row.gauge.data_points
    row.sum.data_points.add().CopyFrom(point)
    row.sum.aggregation_temporality, row.sum.is_monotonic = 2, True
    server.put("metrics", request.SerializeToString())
    assert wait_until(lambda: answer()["failure"] is not None)
    print(json.dumps([before, answer()]))
"""


@pytest.mark.slow
def test_without_numpy_fleets_are_not_judged_and_it_is_said(run_program):
    """Everything else goes on; the sentence says what to install, and the log has it once."""
    done = run_program(PROGRAM, MLOBS_DRIFT_INTERVAL_S="0.2")
    assert done.returncode == 0, done.stderr
    before, answer = json.loads(done.stdout)
    wanted = (
        "Judging the drift of a fleet needs the 'numpy' package, which is not installed. "
        f"Install it with: {pip_install('drift')}"
    )
    assert (before, answer["failure"], answer["watches"]) == (None, wanted, [])
    assert done.stderr.count(wanted) == 1

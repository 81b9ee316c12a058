"""Processes that send points of drift's counters, as the exporter of an SDK does."""

import itertools
import time

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric
from tests.server.otlp import post

MODELS = (f"model-{number}" for number in itertools.count())
RANGES = {"__below__": "< 18", "00": "[18, 40)", "01": "[40, 67]", "__above__": "> 67"}
BINS = {"__below__": 0.1, "00": 0.4, "01": 0.3, "__above__": 0.1, "__null__": 0.1, "__other__": 0.0}
CUMULATIVE, DELTA = 2, 1


def labels(model: str, **given: str) -> dict[str, str]:
    return {
        a.MODEL_NAME.name: model, a.MODEL_VERSION.name: "7", a.FEATURE.name: "age", a.PROFILE_REF.name: "p1",
        **{getattr(a, name).name: text for name, text in given.items()},
    }  # fmt: skip


class Pod:
    """A process that sends points; `start_s` is when it began."""

    def __init__(self, server, model: str, instance: str = "", start_s: int = 100) -> None:
        self.server, self.model, self.instance, self.start_s = server, model, instance, start_s

    def send(
        self, counts: dict[str, float], temporality: int = CUMULATIVE, *, now_s: float | None = None, **more
    ):
        """Send counts by bin, as the counter of `temporality`, and the reference."""
        request = ExportMetricsServiceRequest()
        resource = request.resource_metrics.add()
        for key, text in (("service.name", "shop"), ("service.instance.id", self.instance)):
            if text:
                resource.resource.attributes.add(key=key).value.string_value = text
        scope = resource.scope_metrics.add()
        now_ns = round((now_s or time.time()) * 1e9)

        def point(row: Metric, value: float, given: dict[str, str]) -> None:
            metric = scope.metrics.add(name=row.name)
            if row.kind == "counter":
                metric.sum.aggregation_temporality, metric.sum.is_monotonic = temporality, True
                made = metric.sum.data_points.add(as_double=value, start_time_unix_nano=self.start_s * 10**9)
            else:
                made = metric.gauge.data_points.add(as_double=value)
            made.time_unix_nano = now_ns
            for key, text in given.items():
                made.attributes.add(key=key).value.string_value = text

        for name, count in counts.items():
            point(m.DRIFT_OBSERVATIONS, count, labels(self.model, BIN=name, **more))
        for name, ratio in BINS.items():
            held = {"BIN_RANGE": RANGES[name]} if name in RANGES else {}
            point(m.DRIFT_REFERENCE_RATIO, ratio, labels(self.model, BIN=name, **held, **more))
        point(m.DRIFT_REFERENCE_ROWS, 1000, labels(self.model, **more))
        point(m.DRIFT_DESIGN_EFFECT, 2.5, labels(self.model, **more))
        assert post(self.server.url, request.SerializeToString(), "metrics").status_code == 200

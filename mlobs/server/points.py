"""Points of gauges as a request of OTLP: what the server finds out is stored like what it is sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from mlobs.semconv import attributes as a
from mlobs.semconv.rows import Metric

INSTANCE = "mlobs-server"  # Tells what the server says of a service from what its processes say.


@dataclass(frozen=True, slots=True)
class Point:
    """The value of one series.

    Args:
        service: The service that it is about.
        metric: A gauge.
        labels: By name of the attribute; empty ones are left out.
        value: A number.
    """

    service: str
    metric: Metric
    labels: Mapping[str, str]
    value: float


def gauges(points: Iterable[Point], now_s: float) -> bytes:
    """Return the body of a request for the metrics signal.

    Args:
        points: In any order.
        now_s: When they were found out, in seconds since 1970.
    """
    request = ExportMetricsServiceRequest()
    by_service: dict[str, dict[Metric, list[Point]]] = {}
    for point in points:
        by_service.setdefault(point.service, {}).setdefault(point.metric, []).append(point)
    for service, by_metric in by_service.items():
        resource = request.resource_metrics.add()
        for key, text in ((a.SERVICE_NAME.name, service), (a.SERVICE_INSTANCE_ID.name, INSTANCE)):
            resource.resource.attributes.add(key=key).value.string_value = text
        scope = resource.scope_metrics.add()
        scope.scope.name = "mlobs"
        for metric, found in by_metric.items():
            row = scope.metrics.add(name=metric.name, unit=metric.unit, description=metric.about)
            for point in found:
                data = row.gauge.data_points.add(as_double=point.value, time_unix_nano=round(now_s * 1e9))
                for key, text in point.labels.items():
                    if text:
                        data.attributes.add(key=key).value.string_value = text
    return request.SerializeToString()

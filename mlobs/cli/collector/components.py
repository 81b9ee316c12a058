"""The components of mlobs' collector by section, and the names some of them had before."""

from collections.abc import Mapping

COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "receivers": ("otlp", "prometheus"),
    "processors": (
        "batch",
        "delta_to_cumulative",
        "filter",
        "memory_limiter",
        "redaction",
        "resource_detection",
        "tail_sampling",
        "transform",
    ),
    "connectors": ("forward", "signal_to_metrics", "span_metrics"),
    "exporters": (
        "clickhouse",
        "debug",
        "file",
        "kafka",
        "load_balancing",
        "otlp_grpc",
        "otlp_http",
        "prometheus",
        "prometheus_remote_write",
    ),
    "extensions": ("bearertokenauth", "file_storage", "health_check"),
}
# The collector still takes them, with a line in its log at each start.
FORMER: Mapping[str, Mapping[str, str]] = {
    "processors": {"deltatocumulative": "delta_to_cumulative", "resourcedetection": "resource_detection"},
    "connectors": {"signaltometrics": "signal_to_metrics", "spanmetrics": "span_metrics"},
    "exporters": {
        "loadbalancing": "load_balancing",
        "otlp": "otlp_grpc",
        "otlphttp": "otlp_http",
        "prometheusremotewrite": "prometheus_remote_write",
    },
}
# Exporters that send nothing over a network: what they take is where it stays, or is fetched.
LOCAL = ("debug", "file", "prometheus")
# Keeps a log of its own on disk in place of a queue.
LOGGED = "prometheus_remote_write"

"""The connectors that derive metrics from spans in the collector, from the rows of the vocabulary.

The same metrics as the server derives: names, units, labels and bucket bounds. `span_metrics`
makes those of durations, with exemplars; it has one name for all it measures, so its one metric
is copied for each of ours and the series of other operations are taken out of each copy.
`signal_to_metrics` makes those that add up an attribute, and those of scores, which are log records. Spans
count as often as their tracestate says that they stand for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from mlobs.semconv import attributes as a
from mlobs.semconv.metrics import DERIVED, JUDGED, METRICS
from mlobs.semconv.rows import Attribute, Metric
from mlobs.semconv.spans import PREDICT

ATTRIBUTES = {row.column: row for row in a.ATTRIBUTES if row.column}
# Labels that no span has, with what a derived metric says for them.
CONSTANT_LABELS = {a.TOKEN_MODALITY: "unknown"}
PREDICTED = f'span.attributes["{a.KIND.name}"] == "{PREDICT.noun}"'
SERIES_MAX = 2000
SUFFIX = ".duration"


@dataclass(frozen=True, slots=True)
class Group:
    """Metrics of durations that share labels and bounds, and the connector that measures them."""

    namespace: str
    metrics: tuple[Metric, ...]

    @property
    def connector(self) -> str:
        """Return the connector's name."""
        return "span_metrics/" + self.namespace.rpartition(".")[2]

    @property
    def labels(self) -> tuple[Attribute, ...]:
        """Return what its series are told apart by: the labels, and what says the operation."""
        deciding = a.KIND if self.is_predictions else a.OPERATION_NAME
        return tuple(dict.fromkeys((deciding, *self.metrics[0].labels)))

    @property
    def is_predictions(self) -> bool:
        """Return whether it measures predictions, which are no operation of the conventions."""
        return self.metrics[0].operations == (PREDICT.noun,)


def measures_part() -> dict[str, Any]:
    """Return the part of a configuration that holds connectors, processors and pipelines."""
    made = _groups()
    connectors = {group.connector: _span_metrics(group) for group in made}
    return {
        "connectors": {
            "forward/measured": None,
            **connectors,
            "signal_to_metrics/amounts": {"error_mode": "silent", "spans": list(_amounts())},
            "signal_to_metrics/scores": {"error_mode": "silent", "logs": _scores()},
        },
        "processors": {
            "filter/measured": _measured_only(),
            "transform/measured": _stripped(),
            "filter/judged": _judged_only(),
            "batch/measured": {"send_batch_size": 8192, "send_batch_max_size": 8192, "timeout": "1s"},
            "transform/copies": {"error_mode": "ignore", "metric_statements": list(_copies(made))},
            "filter/series": {
                "error_mode": "ignore",
                "metrics": {"metric": list(_unwanted(made)), "datapoint": list(_other_series(made))},
            },
            "transform/labels": {"error_mode": "ignore", "metric_statements": list(_labels(made))},
            # Streams beyond the limit are dropped; after two hours without a call one makes room again.
            "delta_to_cumulative": {"max_stale": "2h", "max_streams": 100_000},
        },
        "exporters": {"prometheus/derived": _pulled()},
        "service": {
            "pipelines": {
                "traces/measured": {
                    "receivers": ["forward/measured"],
                    # No limiter where connectors feed: what comes was limited at the front, and who is
                    # refused behind a fork sends again what the other branch has taken already.
                    "processors": ["filter/measured", "transform/measured", "batch/measured"],
                    "exporters": [*connectors, "signal_to_metrics/amounts"],
                },
                "logs/judged": {
                    "receivers": ["otlp"],
                    "processors": ["memory_limiter", "filter/judged", "redaction/secrets", "batch/measured"],
                    "exporters": ["signal_to_metrics/scores"],
                },
                "metrics/derived": {
                    "receivers": [*connectors, "signal_to_metrics/amounts", "signal_to_metrics/scores"],
                    "processors": [
                        "transform/copies",
                        "filter/series",
                        "transform/labels",
                        "delta_to_cumulative",
                    ],
                    "exporters": "${env:MLOBS_DERIVED_TO:-[prometheus/derived]}",
                },
            }
        },
    }


def _groups() -> tuple[Group, ...]:
    """Return the metrics of durations by what they share."""
    durations = sorted(
        (metric for metric in DERIVED if not metric.measures),
        key=lambda metric: (metric.buckets, tuple(label.name for label in metric.labels)),
    )
    found = []
    for _, shared in groupby(durations, lambda metric: (metric.buckets, metric.labels)):
        metrics = tuple(shared)
        stem = metrics[0].name.removesuffix(SUFFIX)
        # Several metrics have no name of their own in common: theirs without the last word.
        namespace = stem if len(metrics) == 1 else stem.rpartition(".")[0]
        found.append(Group(namespace, metrics))
    return tuple(found)


def _span_metrics(group: Group) -> dict[str, Any]:
    return {
        "namespace": group.namespace,
        "exclude_dimensions": ["span.name", "span.kind", "status.code", "collector.instance.id"],
        "dimensions": [{"name": label.name} for label in group.labels],
        "histogram": {
            "unit": "s",
            "explicit": {"buckets": [_duration(bound) for bound in group.metrics[0].buckets]},
        },
        "exemplars": {"enabled": True, "max_per_data_point": 5},
        "aggregation_temporality": "AGGREGATION_TEMPORALITY_CUMULATIVE",
        "aggregation_cardinality_limit": SERIES_MAX,
        "resource_metrics_key_attributes": [a.SERVICE_NAME.name],
        "add_resource_attributes": True,
        "metrics_flush_interval": "${env:MLOBS_DERIVED_EVERY:-15s}",
        "metrics_expiration": "24h",
    }


def _amounts() -> Iterator[dict[str, Any]]:
    """The metrics that add up an attribute, or show how it is spread."""
    for metric in DERIVED:
        if not metric.measures:
            continue
        held = f'span.attributes["{ATTRIBUTES[metric.measures].name}"]'
        operations = " or ".join(_operation_is(name) for name in metric.operations)
        number = "IsInt" if metric.unit == "{token}" else "IsDouble"
        usable = f"({number}({held}) or IsInt({held}))" if number == "IsDouble" else f"IsInt({held})"
        made: dict[str, Any] = {
            "name": metric.name,
            "description": metric.about,
            "unit": metric.unit,
            "include_resource_attributes": [{"key": a.SERVICE_NAME.name}],
            "attributes": [_label(label) for label in metric.labels],
            "conditions": [f"{usable} and {held} >= 0 and ({operations})"],
        }
        if metric.buckets:
            made["histogram"] = {
                "buckets": list(metric.buckets),
                "count": "Int(AdjustedCount())",
                "value": f"Double({held})",
            }
        elif metric.unit == "{token}":
            made["sum"] = {"value": f"Int(Double({held}) * AdjustedCount())", "monotonic": True}
        else:
            made["sum"] = {"value": f"Double({held}) * AdjustedCount()", "monotonic": True}
        yield made


def _scores() -> list[dict[str, Any]]:
    """The metrics of scores: how numbers are spread, and how many there are by their word."""
    score = f'log.attributes["{a.EVALUATION_SCORE.name}"]'
    made = []
    for metric in JUDGED:
        one: dict[str, Any] = {
            "name": metric.name,
            "description": metric.about,
            "unit": metric.unit,
            "include_resource_attributes": [{"key": a.SERVICE_NAME.name}],
            "attributes": [_label(label) for label in metric.labels],
        }
        if metric.buckets:
            one["conditions"] = [f"(IsDouble({score}) or IsInt({score})) and {score} >= 0"]
            one["histogram"] = {"buckets": list(metric.buckets), "value": f"Double({score})"}
        else:
            one["sum"] = {"value": "1", "monotonic": True}
        made.append(one)
    return made


def _judged_only() -> dict[str, Any]:
    """Other log records say nothing of scores."""
    [event] = {metric.event for metric in JUDGED}
    return {"error_mode": "ignore", "logs": {"log_record": [f'not (log.event_name == "{event}")']}}


def _label(label: Attribute) -> dict[str, Any]:
    if label in CONSTANT_LABELS:
        return {"key": label.name, "default_value": CONSTANT_LABELS[label]}
    return {"key": label.name, "optional": True}


def _measured_only() -> dict[str, Any]:
    """Other spans and all events need not be carried on; what they hold is not looked at."""
    operations = dict.fromkeys(name for metric in DERIVED for name in metric.operations)
    measured = " or ".join(PREDICTED if name == PREDICT.noun else _operation_is(name) for name in operations)
    return {"error_mode": "ignore", "traces": {"span": [f"not ({measured})"]}}


def _stripped() -> dict[str, Any]:
    """Only what is measured and what becomes a label; the error's type as the server has it."""
    kept = dict.fromkeys(label.name for metric in DERIVED for label in metric.labels)
    kept |= dict.fromkeys(ATTRIBUTES[metric.measures].name for metric in DERIVED if metric.measures)
    names = ", ".join(f'"{name}"' for name in (a.KIND.name, *kept) if name != a.TOKEN_MODALITY.name)
    failed, error = "span.status.code == STATUS_CODE_ERROR", f'span.attributes["{a.ERROR_TYPE.name}"]'
    exception = f'spanevent.attributes["{a.EXCEPTION_TYPE.name}"]'
    operation = f'"{a.OPERATION_NAME.name}"'
    service = f'resource.attributes["{a.SERVICE_NAME.name}"]'
    return {
        "error_mode": "ignore",
        # In lists of their own: with one that reads events among them, all would run once for each event, and
        # for spans without events not at all.
        "trace_statements": [
            {
                "statements": [
                    f'set({service}, "") where {service} == nil',
                    f'keep_keys(resource.attributes, ["{a.SERVICE_NAME.name}"])',
                ]
            },
            {
                "statements": [
                    f"set({error}, {exception}) where {failed} and {error} == nil and {exception} != nil"
                ]
            },
            {
                "statements": [
                    f'set({error}, "_OTHER") where {failed} and {error} == nil',
                    f"delete_key(span.attributes, {operation}) where {PREDICTED}",
                    f"keep_keys(span.attributes, [{names}])",
                ]
            },
        ],
    }


def _copies(groups: tuple[Group, ...]) -> Iterator[str]:
    for group in groups:
        shared = f"{group.namespace}{SUFFIX}"
        for metric in group.metrics:
            if metric.name != shared:
                yield f'copy_metric(name="{metric.name}") where metric.name == "{shared}"'
    for group in groups:
        for metric in group.metrics:
            yield f'set(metric.description, "{metric.about}") where metric.name == "{metric.name}"'


def _unwanted(groups: tuple[Group, ...]) -> Iterator[str]:
    """Counts of calls, which every histogram has as well, and what was copied."""
    names = {metric.name for metric in METRICS}
    for group in groups:
        yield f'name == "{group.namespace}.calls"'
        if f"{group.namespace}{SUFFIX}" not in names:
            yield f'name == "{group.namespace}{SUFFIX}"'


def _other_series(groups: tuple[Group, ...]) -> Iterator[str]:
    for group in groups:
        deciding = a.KIND.name if group.is_predictions else a.OPERATION_NAME.name
        for number, metric in enumerate(group.metrics):
            mine = " or ".join(f'attributes["{deciding}"] == "{name}"' for name in metric.operations)
            # Series beyond the limit are one without labels, of which nobody knows the operation: it stays
            # in the first metric only, or each call would be counted in every one.
            whole = "" if number else ' and attributes["otel.metric.overflow"] == nil'
            yield f'metric.name == "{metric.name}" and not ({mine}){whole}'


def _labels(groups: tuple[Group, ...]) -> Iterator[str]:
    service = f'"{a.SERVICE_NAME.name}"'
    yield f"set(datapoint.attributes[{service}], resource.attributes[{service}])"
    for group in groups:
        for metric in group.metrics:
            for label in group.labels:
                if label not in metric.labels:
                    yield (
                        f'delete_key(datapoint.attributes, "{label.name}") '
                        f'where metric.name == "{metric.name}"'
                    )


def _pulled() -> dict[str, Any]:
    """Prometheus fetches them here, exemplars included."""
    return {
        "endpoint": "${env:MLOBS_DERIVED_METRICS:-127.0.0.1:8892}",
        "enable_open_metrics": True,
        "add_metric_suffixes": True,
        "without_scope_info": True,
        "metric_expiration": "24h",
    }


def _operation_is(name: str) -> str:
    return f'span.attributes["{a.OPERATION_NAME.name}"] == "{name}"'


def _duration(seconds: float) -> str:
    """Return a bound as the collector reads durations: 100us, 10ms, 20480ms."""
    micros = round(seconds * 1_000_000)
    return f"{micros // 1000}ms" if micros % 1000 == 0 else f"{micros}us"

"""The metrics of /metrics that come from the tables: SQL made from the rows of the vocabulary.

`totals_view` adds every stored span into `metric_totals`, one row for each metric, service and
set of labels; `latest_views` keep the last point of every series that programs send. Buckets
are cumulative, as Prometheus has them.

Totals are whole numbers: so many units and so many billionths of one.
"""

import json

from mlobs.semconv import attributes as a
from mlobs.semconv.metrics import DERIVED, METRICS
from mlobs.semconv.rows import Attribute, Metric
from mlobs.semconv.spans import PREDICT

SERVERS_OWN = ("mlobs.server.", "mlobs.alert.")
EMITTED = tuple(m for m in METRICS if not m.operations and not m.name.startswith(SERVERS_OWN))
OPERATION = "operation_or_noun"
PARTS = 10**9  # To one unit.
UNITS_MAX = 10**6  # Of one call: 11 days, a million dollars.
TOKENS_MAX = 10**9  # Of one call.
_WITHOUT_COLUMN = {a.TOKEN_MODALITY.name: "unknown"}


def totals_view() -> str:
    """Return the statement that creates the view from spans to totals."""
    labels = [label for metric in DERIVED for label in metric.labels if label.name not in _WITHOUT_COLUMN]
    keys = ["ServiceName", *dict.fromkeys(_column(label) for label in labels)]
    if OPERATION not in keys:
        keys.append(OPERATION)
    operations = sorted({operation for metric in DERIVED for operation in metric.operations})
    entries = ",\n        ".join(_entry(number, metric) for number, metric in enumerate(DERIVED))
    sums = ",\n            ".join(_sums(number, metric) for number, metric in enumerate(DERIVED))
    measured = sorted({metric.measures or "Duration" for metric in DERIVED})
    columns = ", ".join([*(key for key in keys if key != OPERATION), *measured])
    noun = f"if(Kind = {_text(PREDICT.noun)}, {_text(PREDICT.noun)}, toString(Operation)) AS {OPERATION}"
    return f"""CREATE MATERIALIZED VIEW metric_totals_view TO metric_totals AS
SELECT
    entry.1 AS MetricName, ServiceName, entry.2 AS Labels, entry.3 AS Bounds, now64(9, 'UTC') AS FirstSeen,
    sum(entry.4) AS Count, sum(entry.5) AS Whole, sum(entry.6) AS Part,
    sumForEachState(entry.7) AS Buckets
FROM (
    SELECT ServiceName, arrayJoin(arrayFilter(e -> e.4 > 0, [
        {entries}
    ])) AS entry
    FROM (
        SELECT {", ".join(keys)},
            {sums}
        FROM (SELECT {columns}, {noun} FROM otel_traces)
        WHERE {OPERATION} IN ({", ".join(map(_text, operations))})
        GROUP BY {", ".join(keys)}
    )
)
GROUP BY MetricName, ServiceName, Labels, Bounds"""


def latest_views() -> dict[str, str]:
    """Return name and statement of the views that keep the last point of each emitted series."""
    allowed = dict.fromkeys(label for metric in EMITTED for label in metric.labels)
    labels = ", ".join(f"{_text(label.label)}, Attributes[{_text(label.name)}]" for label in allowed)
    views = {}
    for kind, table, condition in (
        ("counter", "otel_metrics_sum", "AggregationTemporality = 2 AND IsMonotonic"),
        ("gauge", "otel_metrics_gauge", "1"),
    ):
        names = ", ".join(_text(metric.name) for metric in EMITTED if metric.kind == kind)
        start = "StartTimeUnix" if kind == "counter" else "toDateTime64(0, 9, 'UTC') AS StartTimeUnix"
        views[f"metric_latest_{kind}_view"] = (
            f"CREATE MATERIALIZED VIEW metric_latest_{kind}_view TO metric_latest AS "
            f"SELECT MetricName, ServiceName, "
            f"ResourceAttributes[{_text(a.SERVICE_INSTANCE_ID.name)}] AS Instance, "
            f"CAST(map({labels}), 'Map(LowCardinality(String), String)') AS Labels, "
            f"{start}, TimeUnix, Value FROM {table} WHERE MetricName IN ({names}) AND {condition}"
        )
    return views


def _sums(number: int, metric: Metric) -> str:
    """Return how often, how much and, for histograms, how many calls were within each bound."""
    value = _value(metric)
    chosen = f"{OPERATION} IN ({', '.join(map(_text, metric.operations))}) AND isNotNull({value})"
    buckets = "CAST([], 'Array(UInt64)')"
    if metric.buckets:
        # x <= bound in the metric's unit, compared as whole numbers so that bounds are exact.
        bounds = ", ".join(str(round(bound * PARTS)) for bound in metric.buckets)
        within = f"arrayMap(b -> toUInt64(assumeNotNull({value}) <= b), [{bounds}])"
        buckets = f"sumForEachIf({within}, {chosen})"
    whole, part = f"assumeNotNull({value})", "toUInt64(0)"
    if metric.unit != "{token}":
        whole, part = f"intDiv(assumeNotNull({value}), {PARTS})", f"assumeNotNull({value}) % {PARTS}"
    return (
        f"countIf({chosen}) AS count_{number}, sumIf({whole}, {chosen}) AS whole_{number}, "
        f"sumIf({part}, {chosen}) AS part_{number}, {buckets} AS buckets_{number}"
    )


def _value(metric: Metric) -> str:
    """Return what one span adds: tokens, or billionths of the metric's unit."""
    if not metric.measures:
        return f"least(Duration, {UNITS_MAX * PARTS})"
    if metric.unit == "{token}":
        # least() skips NULL, so it must not see any.
        least = f"least(assumeNotNull({metric.measures}), {TOKENS_MAX})"
        return f"if(isNull({metric.measures}), NULL, {least})"
    usable = f"isFinite({metric.measures}) AND {metric.measures} >= 0"
    whole = f"toUInt64(round(least(assumeNotNull({metric.measures}), {UNITS_MAX}) * {PARTS}))"
    return f"if(ifNull({usable}, 0), {whole}, NULL)"


def _entry(number: int, metric: Metric) -> str:
    labels = ", ".join(f"{_text(label.label)}, {_label_value(label)}" for label in metric.labels)
    bounds = ", ".join(map(str, metric.buckets))
    return (
        f"({_text(metric.name)}, CAST(map({labels}), 'Map(LowCardinality(String), String)'), "
        f"CAST([{bounds}], 'Array(Float64)'), "
        f"count_{number}, whole_{number}, part_{number}, buckets_{number})"
    )


def _column(label: Attribute) -> str:
    if label == a.OPERATION_NAME:
        return OPERATION
    if not label.column:
        raise ValueError(f"{label.name} labels a derived metric and has no column in otel_traces.")
    return label.column


def _label_value(label: Attribute) -> str:
    if label.name in _WITHOUT_COLUMN:
        return _text(_WITHOUT_COLUMN[label.name])
    return f"toString({_column(label)})"


def _text(value: str) -> str:
    return "'" + json.dumps(value)[1:-1].replace("'", "\\'") + "'"

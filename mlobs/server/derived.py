"""The metrics of /metrics that come from the tables: SQL made from the rows of the vocabulary.

`totals_view` adds every stored span into `metric_totals`: for its operation, each column that
some metric measures, with the values of every label a metric of that kind may have.
`exposition` picks from these what each metric shows. `latest_views` keep the last point of
every series that programs send. Buckets are cumulative, as Prometheus has them.

Totals are whole numbers: so many units and so many billionths of one. A span that a sampler kept counts as
often as it stands for (`weights`).
"""

import json

from mlobs.semconv import attributes as a
from mlobs.semconv.events import EVALUATION_RESULT
from mlobs.semconv.metrics import DERIVED, METRICS, PROCESS
from mlobs.semconv.rows import Attribute, Metric
from mlobs.semconv.spans import PREDICT
from mlobs.semconv.weights import WEIGHT
from mlobs.server.wire import DAYS_AHEAD, DAYS_BACK, expand

SERVERS_OWN = ("mlobs.server.", "mlobs.alert.")
EMITTED = tuple(
    metric
    for metric in METRICS
    if not metric.operations
    and not metric.event
    and metric not in PROCESS
    and not metric.name.startswith(SERVERS_OWN)
)
EXPORTED = (
    "Timestamp", "TraceId", "SpanId", "ParentSpanId", "TraceState", "SpanName", "SpanKind", "ServiceName",
    "ResourceAttributes", "ScopeName", "ScopeVersion", "Duration", "StatusCode", "StatusMessage",
    *(f"Events.{name}" for name in ("Timestamp", "Name", "Attributes")),
    *(f"Links.{name}" for name in ("TraceId", "SpanId", "TraceState", "Attributes")),
)  # fmt: skip
SCORED = ("Timestamp", "TraceId", "SpanId", "ServiceName")
SCORE_TEXTS = {
    "Name": a.EVALUATION_NAME,
    "Label": a.EVALUATION_LABEL,
    "JudgedBy": a.EVALUATION_BY,
    "Explanation": a.EVALUATION_EXPLANATION,
    "ResponseId": a.RESPONSE_ID,
}
DURATION = "Duration"
SCORE, RESULTS = "Value", "Results"
# What a span is counted as: its operation, or the noun of ours that is none of the conventions.
OPERATION = f"if(Kind = '{PREDICT.noun}', '{PREDICT.noun}', toString(Operation))"
OPERATIONS = tuple(sorted({operation for metric in DERIVED for operation in metric.operations}))
PARTS = 10**9  # To one unit.
UNITS_MAX = 10**6  # Of one call: 11 days, a million dollars.
TOKENS_MAX = 10**9  # Of one call.
# Labels that no span has, with what a derived metric says for them.
CONSTANT_LABELS = {a.TOKEN_MODALITY: "unknown"}


def measure(metric: Metric) -> str:
    """Return the column of otel_traces that `metric` adds up, or of scores."""
    if metric.event:
        return SCORE if metric.buckets else RESULTS
    return metric.measures or DURATION


def label_columns() -> dict[Attribute, str]:
    """Return every label that is read from a column; the operation is a key of its own."""
    found = {}
    for metric in DERIVED:
        for label in metric.labels:
            if label in CONSTANT_LABELS or label == a.OPERATION_NAME:
                continue
            if not label.column:
                raise ValueError(f"{label.name} labels {metric.name} and has no column in otel_traces.")
            found[label] = label.column
    return found


def label_map() -> str:
    """Return the map of every label a span may have, which a series is told apart by."""
    labels = ", ".join(
        f"{_text(label.label)}, toString({column})" for label, column in label_columns().items()
    )
    return f"CAST(map({labels}), 'Map(LowCardinality(String), String)')"


def totals_view() -> str:
    """Return the statement that creates the view from spans to totals.

    What spans are measured as is worked out by a question of its own, and rows are made of lists side by
    side: in one question with a list of rows it took the engine twice as long to plan, which every segment
    pays.
    """
    columns = ", ".join(label_columns().values())
    metrics = {measure(metric): metric for metric in DERIVED}
    rows = {
        "Measure": [_text(column) for column in metrics],
        "Bounds": [bounds(column, 1) for column in metrics],
        **{
            name: [f"{name}_{column}" for column in metrics] for name in ("Count", "Whole", "Part", "Buckets")
        },
    }
    return f"""CREATE MATERIALIZED VIEW metric_totals_view TO metric_totals AS
SELECT
    operation AS Operation, Measure, ServiceName, {label_map()} AS Labels, Bounds,
    now64(9, 'UTC') AS FirstSeen, Count, Whole, Part, Buckets
FROM (
    SELECT operation, ServiceName, {columns},
        {", ".join(map(_sums, metrics.values()))}
    FROM (
        SELECT {OPERATION} AS operation, ServiceName, {columns}, {WEIGHT},
            {", ".join(map(_values, metrics.values()))}
        FROM otel_traces
        WHERE operation IN ({", ".join(map(_text, OPERATIONS))})
    )
    GROUP BY operation, ServiceName, {columns}
)
ARRAY JOIN {", ".join(f"[{', '.join(of_each)}] AS {name}" for name, of_each in rows.items())}
WHERE Count > 0"""


def latest_views() -> dict[str, str]:
    """Return name and statement of the views that keep what each emitted series says by now.

    That is its last point; of counters of delta temporality it is what their points add up to.
    """
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
    counters = ", ".join(_text(metric.name) for metric in EMITTED if metric.kind == "counter")
    views["metric_added_view"] = (
        "CREATE MATERIALIZED VIEW metric_added_view TO metric_added AS "
        "SELECT MetricName, ServiceName, Labels, "
        "min(began) AS FirstSeen, max(ended) AS Sent, sum(more) AS Value "
        "FROM (SELECT MetricName, ServiceName, "
        f"CAST(map({labels}), 'Map(LowCardinality(String), String)') AS Labels, "
        "StartTimeUnix AS began, TimeUnix AS ended, Value AS more FROM otel_metrics_sum "
        f"WHERE MetricName IN ({counters}) AND AggregationTemporality = 1 "
        "AND IsMonotonic AND isFinite(Value)) "
        "GROUP BY MetricName, ServiceName, Labels"
    )
    return views


def scores_view() -> str:
    """Return the statement that creates the view from log events to scores."""
    return f"CREATE MATERIALIZED VIEW scores_view TO scores AS {_scores()}"


def scores_so_far() -> str:
    """Return the columns and the question that fill an empty table of scores from the log records."""
    return (
        f"({', '.join((*SCORED, *SCORE_TEXTS, 'Value', 'Attributes', 'ClockKnown'))}) "
        f"{_scores()} AND (SELECT count() FROM scores) = 0"
    )


def _scores() -> str:
    """Return the question for scores."""
    texts = ", ".join(f"LogAttributes[{_text(row.name)}] AS {column}" for column, row in SCORE_TEXTS.items())
    return (
        f"SELECT {', '.join(SCORED)}, "
        f"{texts}, toFloat64OrNull(LogAttributes[{_text(a.EVALUATION_SCORE.name)}]) AS Value, "
        "LogAttributes AS Attributes, ClockKnown FROM otel_logs "
        f"WHERE EventName = {_text(EVALUATION_RESULT.name)}"
    )


def predictions_view() -> str:
    """Return the statement that creates the view of spans that are predictions."""
    return (
        "CREATE VIEW predictions AS SELECT Timestamp, TraceId, SpanId, ServiceName, ModelName, ModelVersion, "
        f"Content[{_text(a.INPUT.name)}] AS Input, Content[{_text(a.OUTPUT.name)}] AS Output, Duration, "
        "StatusCode, ErrorType, CallState, SpanAttributes, ResourceAttributes "
        f"FROM otel_traces WHERE Kind = {_text(PREDICT.noun)}"
    )


def events_view() -> str:
    """Return the statement that creates the view of events: those of spans, and log records with a name."""
    return (
        "CREATE VIEW events AS SELECT event.Timestamp AS Timestamp, event.Name AS Name, TraceId, SpanId, "
        "ServiceName, event.Attributes AS Attributes, '' AS Body FROM otel_traces "
        "ARRAY JOIN Events AS event WHERE notEmpty(Events.Name) UNION ALL "
        "SELECT Timestamp, EventName AS Name, TraceId, SpanId, ServiceName, "
        "LogAttributes AS Attributes, Body FROM otel_logs WHERE EventName != ''"
    )


def exporter_view() -> str:
    """Return the statement that creates the view from what the Collector's exporter writes to spans."""
    kept = ", ".join(EXPORTED)
    return expand(f"""CREATE MATERIALIZED VIEW otel_traces_exporter_view TO otel_traces AS
SELECT {kept}, SpanAttributes, Content, facts() AS Facts,
    Timestamp BETWEEN now() - INTERVAL {DAYS_BACK} DAY AND now() + INTERVAL {DAYS_AHEAD} DAY AS ClockKnown
FROM (
    SELECT {kept}, picked(all_attributes, NOT is_content) AS SpanAttributes,
        picked(all_attributes, is_content) AS Content, dialect() AS Dialect
    FROM (
        SELECT *, content(all_attributes) AS is_content
        FROM (SELECT {kept}, SpanAttributes AS all_attributes FROM otel_traces_exporter)
    )
)""")


def _values(metric: Metric) -> str:
    """Return whether a span counts and what it is measured as, and of histograms the bounds of buckets."""
    column = measure(metric)
    found = (
        f"{span_value(metric)} AS value_{column}, isNotNull(value_{column}) AS known_{column}, "
        f"assumeNotNull(value_{column}) AS number_{column}"
    )
    return f"{found}, {bounds(column, PARTS)} AS bounds_{column}" if metric.buckets else found


def _sums(metric: Metric) -> str:
    """Return how often, how much and, for histograms, how many calls were within each bound."""
    column = measure(metric)
    known, number = f"known_{column}", f"number_{column}"
    # All the parts of spans that one stands for may be more than one unit.
    parts, buckets = f"({number} % {PARTS}) * {WEIGHT}", "sumForEachState(CAST([], 'Array(UInt64)'))"
    whole = f"intDiv({number}, {PARTS}) * {WEIGHT} + intDiv({parts}, {PARTS})"
    part = f"sumIf({parts} % {PARTS}, {known})"
    if metric.unit == "{token}":
        whole, part = f"{number} * {WEIGHT}", "toUInt64(0)"
    if metric.buckets:
        within = f"arrayMap(b -> toUInt64({number} <= b) * {WEIGHT}, bounds_{column})"
        buckets = f"sumForEachStateIf({within}, {known})"
    return (
        f"sumIf({WEIGHT}, {known}) AS Count_{column}, sumIf({whole}, {known}) AS Whole_{column}, "
        f"{part} AS Part_{column}, {buckets} AS Buckets_{column}"
    )


def bounds(column: str, parts: int) -> str:
    """Return the bucket bounds of the metrics that measure `column`, by the span's operation.

    Args:
        column: Of otel_traces.
        parts: PARTS for whole numbers of billionths, or 1.
    """
    kind = "UInt64" if parts == PARTS else "Float64"
    chosen: dict[str, list[str]] = {}
    for metric in DERIVED:
        if measure(metric) == column and metric.buckets:
            # Compared as whole numbers, so that a value on a bound is within it.
            ends = (round(bound * PARTS) if parts == PARTS else bound for bound in metric.buckets)
            chosen.setdefault(", ".join(map(str, ends)), []).extend(metric.operations)
    cases = (
        f"operation IN ({', '.join(map(_text, operations))}), CAST([{ends}], 'Array({kind})')"
        for ends, operations in chosen.items()
    )
    none = f"CAST([], 'Array({kind})')"
    return f"multiIf({', '.join(cases)}, {none})" if chosen else none


def span_value(metric: Metric) -> str:
    """Return what one span is measured as, or NULL: tokens, or billionths of the metric's unit."""
    column = measure(metric)
    if column == DURATION:
        return f"least({DURATION}, {UNITS_MAX * PARTS})"
    if metric.unit == "{token}":
        # least() skips NULL, so it must not see any.
        return f"if(isNull({column}), NULL, least(assumeNotNull({column}), {TOKENS_MAX}))"
    usable = f"isFinite({column}) AND {column} >= 0"
    whole = f"toUInt64(round(least(assumeNotNull({column}), {UNITS_MAX}) * {PARTS}))"
    return f"if(ifNull({usable}, 0), {whole}, NULL)"


def _text(value: str) -> str:
    return "'" + json.dumps(value)[1:-1].replace("'", "\\'") + "'"

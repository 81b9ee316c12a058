"""What may be behind a symptom: inputs that moved, telemetry that got lost.

Drift is read from the monitors' own gauges, the largest over the processes that report.
"""

from mlobs.dashboards.layout import Row
from mlobs.dashboards.panels import Column, Json, Query, lines, table, timeseries
from mlobs.dashboards.queries import (
    FEATURE,
    equals,
    failed_share,
    largest,
    latest,
    legend,
    or_zero,
    per_second,
    quantile,
)
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m

FEATURE_SHORT = (a.MODEL_NAME, a.FEATURE)


def distance(title: str, method: str, meaning: str) -> Json:
    """Return a panel of one distance between the live data and the profile, by feature."""
    vector = latest(m.DRIFT_DISTANCE, *FEATURE, matchers=[equals(a.DRIFT_METHOD, method)])
    return timeseries(title, [lines(vector, *FEATURE_SHORT)], unit="short", meaning=meaning)


PREDICTIONS = Row(
    "Predictions and drift",
    [
        timeseries(
            "Predictions",
            [
                lines(
                    per_second(m.PREDICT_DURATION, a.MODEL_NAME, a.MODEL_VERSION),
                    a.MODEL_NAME,
                    a.MODEL_VERSION,
                )
            ],
            unit="reqps",
            meaning="Predictions of classical models, by version.",
        ),
        timeseries(
            "Failed predictions",
            [
                lines(
                    failed_share(m.PREDICT_DURATION, a.MODEL_NAME, a.MODEL_VERSION),
                    a.MODEL_NAME,
                    a.MODEL_VERSION,
                )
            ],
            unit="percentunit",
            meaning="Share of each model's predictions that failed. Up is bad.",
        ),
        timeseries(
            "Predictions, p95",
            [
                lines(
                    quantile(0.95, m.PREDICT_DURATION, a.MODEL_NAME, a.MODEL_VERSION),
                    a.MODEL_NAME,
                    a.MODEL_VERSION,
                    exemplars=True,
                )
            ],
            unit="s",
            meaning="Up is bad. A new version that is slower shows as its own line.",
        ),
        timeseries(
            "Evidence of drift",
            [
                lines(latest(m.DRIFT_LOG_E, *FEATURE), *FEATURE_SHORT),
                Query(
                    latest(m.DRIFT_THRESHOLD, a.MODEL_NAME), f"alarm at {legend(a.MODEL_NAME)}", limit=True
                ),
            ],
            unit="short",
            meaning="Evidence, in nats, that a feature no longer looks like the training data. The alarm "
            "is raised where it crosses its model's dashed line.",
        ),
        distance(
            "Population stability index",
            "psi",
            "Distance of the live data from the profile, in nats. By custom over 0.1 is a look, over 0.25 "
            "a shift; it grows with fewer rows, so the alarm does not rest on it.",
        ),
        distance(
            "Total variation",
            "tv",
            "The share of live values that would have to move to another bin to match the profile, 0 to 1.",
        ),
        timeseries(
            "Quality by labels",
            [
                lines(
                    latest(
                        m.DRIFT_QUALITY,
                        a.MODEL_NAME,
                        a.QUALITY_MEASURE,
                        matchers=[equals(a.QUALITY_WINDOW, "recent")],
                    ),
                    a.MODEL_NAME,
                    a.QUALITY_MEASURE,
                )
            ],
            unit="short",
            meaning="How good predictions were, over the last thousand labels of a process. Empty until the "
            "service gives labels to its monitor.",
        ),
        timeseries(
            "Labels",
            [lines(per_second(m.DRIFT_LABELS, a.MODEL_NAME, a.LABEL_OUTCOME), a.MODEL_NAME, a.LABEL_OUTCOME)],
            unit="short",
            meaning="Labels a second by what became of them. Many unknown ones: the ids of predictions and "
            "labels do not fit. Expired: predictions whose label never came.",
        ),
        timeseries(
            "Changes of schema",
            [
                lines(
                    per_second(m.DRIFT_SCHEMA, a.MODEL_NAME, a.FEATURE, a.SCHEMA_FINDING),
                    *FEATURE_SHORT,
                    a.SCHEMA_FINDING,
                )
            ],
            unit="short",
            meaning="Rows a second without a column of the profile, with a value of another type, or with "
            "columns the profile does not have. Above 0, the code that makes the rows has changed.",
        ),
    ],
)
DRIFTING = Row(
    "",
    [
        table(
            "What drifts",
            [
                Column("Since", f"time() - ({latest(m.DRIFT_CHANGE_START, *FEATURE)} > 0)", "s"),
                Column("Evidence", latest(m.DRIFT_LOG_E, *FEATURE), "short"),
                Column("At least this share moved", latest(m.DRIFT_TV_LOWER_BOUND, *FEATURE), "percentunit"),
            ],
            labels={
                a.SERVICE_NAME.label: "Service",
                a.MODEL_NAME.label: "Model",
                a.MODEL_VERSION.label: "Version",
                a.FEATURE.label: "Feature",
            },
            meaning="Every watched feature; how long ago its change began, where there is one. Sort by "
            "evidence and look at the first.",
        ),
        table(
            "What drifts, all processes together",
            [
                Column("Since", f"time() - ({latest(m.DRIFT_FLEET_CHANGE_START, *FEATURE)} > 0)", "s"),
                Column("Alarm", latest(m.DRIFT_FLEET_ALARM, *FEATURE), "short"),
                Column("Evidence", latest(m.DRIFT_FLEET_LOG_E, *FEATURE), "short"),
                Column("Alarm at", latest(m.DRIFT_FLEET_THRESHOLD, *FEATURE), "short"),
                Column(
                    "At least this share moved", latest(m.DRIFT_FLEET_TV_LOWER_BOUND, *FEATURE), "percentunit"
                ),
            ],
            labels={
                a.SERVICE_NAME.label: "Service",
                a.MODEL_NAME.label: "Model",
                a.MODEL_VERSION.label: "Version",
                a.FEATURE.label: "Feature",
            },
            meaning="The same from the counts of all processes of a service, which the server adds up. Many "
            "small ones are sure together long before one is.",
        ),
    ],
    width=24,
)
PIPELINE = Row(
    "Telemetry",
    [
        timeseries(
            "Requests stored",
            [Query(per_second(m.SERVER_RECEIVED, a.SIGNAL), legend(a.SIGNAL))],
            unit="reqps",
            meaning="OTLP requests on disk before they were acknowledged. A fall to 0 means nothing arrives.",
        ),
        timeseries(
            "Requests refused",
            [Query(per_second(m.SERVER_REFUSED, a.SIGNAL, a.REASON), legend(a.SIGNAL, a.REASON))],
            unit="reqps",
            meaning="Up is bad: senders lose data, or send something that is not OTLP. No data: none ever.",
        ),
        timeseries(
            "Bytes stored",
            [Query(per_second(m.SERVER_RECEIVED_BYTES, a.SIGNAL), legend(a.SIGNAL))],
            unit="Bps",
            stacked=True,
            meaning="What the disk has to keep up with.",
        ),
        timeseries(
            "Bytes not yet in the store",
            [Query(latest(m.SERVER_PENDING_BYTES, a.SIGNAL), legend(a.SIGNAL))],
            unit="bytes",
            meaning="Safe on disk, not yet found by questions. Growing without end means a slow store.",
        ),
        timeseries(
            "Segments",
            [
                Query(per_second(m.SERVER_LOADED), "loaded"),
                Query(or_zero(per_second(m.SERVER_SET_ASIDE), per_second(m.SERVER_LOADED)), "set aside"),
            ],
            unit="cps",
            meaning="Journal segments handed to the store. Set aside is bad: their spans cannot be found.",
        ),
        timeseries(
            "Bytes in the store",
            [Query(latest(m.SERVER_STORED_BYTES, a.SIGNAL), legend(a.SIGNAL))],
            unit="bytes",
            stacked=True,
            meaning="What the tables take on the disk. Growing without end wants MLOBS_STORE_BYTES_MAX.",
        ),
        timeseries(
            "Rows that went",
            [Query(or_zero(per_second(m.SERVER_EXPIRED), per_second(m.SERVER_LOADED)), "rows")],
            unit="cps",
            meaning="For age, as was asked for; for size, fewer days are there than you may think.",
        ),
        timeseries(
            "Spans delivered",
            [lines(per_second(m.SDK_EXPORTED, a.SERVICE_NAME), a.SERVICE_NAME)],
            unit="cps",
            meaning="Spans that the services' exporters saw acknowledged. Compare with what they lost.",
        ),
        timeseries(
            "Lost in the services",
            [
                Query(
                    largest(per_second(m.SDK_DROPPED, a.SERVICE_NAME, a.SDK_DROPPED)),
                    f"spans {legend(a.SERVICE_NAME, a.SDK_DROPPED)}",
                ),
                Query(
                    largest(per_second(m.DRIFT_DROPPED, a.SERVICE_NAME, a.SDK_DROPPED)),
                    f"rows {legend(a.SERVICE_NAME, a.SDK_DROPPED)}",
                ),
            ],
            unit="cps",
            meaning="Up is bad: traces have holes, or monitors see less. The reason says what was short.",
        ),
        timeseries(
            "Alerting",
            [
                Query(per_second(m.ALERT_DELIVERIES, a.OUTCOME), legend(a.OUTCOME)),
                Query(per_second(m.ALERT_RULE_FAILURES), "rule not evaluated"),
                Query(per_second(m.ALERT_RULES_REFUSED), "file of rules refused"),
                Query(per_second(m.ALERT_RECEIVED, a.OUTCOME), f"received, {legend(a.OUTCOME)}"),
                Query(per_second(m.ALERT_REFUSED, a.REASON), f"webhook refused, {legend(a.REASON)}"),
            ],
            unit="cps",
            meaning="Deliveries, webhooks from elsewhere, and rules that could not be evaluated. Failed ones "
            "are alerts nobody gets.",
        ),
        timeseries(
            "Waiting alerts",
            [
                Query(latest(m.ALERT_WAITING, a.SINK), f"waiting for {legend(a.SINK)}"),
                Query(latest(m.ALERT_SINK_OPEN, a.SINK), f"left alone: {legend(a.SINK)}"),
            ],
            unit="short",
            meaning="Messages that a sink has not taken yet, and 1 where it fails so often that it rests.",
        ),
    ],
    width=6,
)

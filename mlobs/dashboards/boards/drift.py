"""Classical models and their inputs: do they answer, and do they see what they were trained on.

Drift is read from the monitors' own gauges, the largest over the processes that report, and from the
packaged recording rules, which add up the counts of all processes.
"""

from mlobs.dashboards.board import Board
from mlobs.dashboards.charts import state_timeline
from mlobs.dashboards.layout import Row
from mlobs.dashboards.links import TRACES, of_series, onward
from mlobs.dashboards.panels import Bounds, Json, Link, Query, alerting, bands, lines, stat, timeseries
from mlobs.dashboards.queries import (
    FEATURE,
    UNSEEN,
    equals,
    failed_share,
    latest,
    legend,
    peak,
    per_second,
    quantile,
    reach,
    select,
    smallest,
    steady,
    total,
)
from mlobs.dashboards.tables import Column, Key, table
from mlobs.dashboards.truth import accuracy, errors
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv import recorded as r
from mlobs.semconv.rows import Series
from mlobs.thresholds import Thresholds

NAMED = (a.FEATURE, a.MODEL_NAME, a.SERVICE_NAME)  # What differs first: legends are cut.
KEYS = (
    Key(a.SERVICE_NAME, "Service"),
    Key(a.MODEL_NAME, "Model"),
    Key(a.MODEL_VERSION, "Version"),
    Key(a.FEATURE, "Feature"),
)
ALERTING_ROWS = 10 / 900  # a second: MlobsDataQuality fires at ten in a quarter of an hour
# Each against the threshold of its own monitor: two versions of a model have two.
EVIDENCE = peak(f"{select(m.DRIFT_LOG_E)} / {select(m.DRIFT_THRESHOLD)}", FEATURE)
SINGLE_CALLS = Link("Traces of this model", of_series(TRACES, a.MODEL_NAME))


def distance(title: str, method: str, meaning: str) -> Json:
    """Return a panel of one distance between the live data and the profile, by feature."""
    vector = latest(m.DRIFT_DISTANCE, *FEATURE, matchers=[equals(a.DRIFT_METHOD, method)])
    return timeseries(title, [lines(vector, *NAMED)], unit="short", meaning=meaning, link=SINGLE_CALLS)


def of_all(title: str, series: Series, meaning: str, highest: float | None = None) -> Json:
    """Return a panel of one distance that Prometheus records, from the counts of all processes."""
    return timeseries(
        title,
        [lines(latest(series, *FEATURE), *NAMED)],
        unit="short",
        meaning=meaning,
        highest=highest,
        link=SINGLE_CALLS,
    )


def numbers(limits: Thresholds) -> Row:
    """Return the first screen."""
    return Row(
        "",
        [
            stat(
                "Drifting features",
                [Query(total(latest(m.DRIFT_ALARM, *FEATURE)), "features")],
                unit="short",
                meaning="Features and predictions whose alarm stands in some process. Not 0: the model sees "
                "data it was not trained on. No data: no monitor reports.",
                bounds=Bounds(red=1),
                link=Link("Quality", onward("quality")),
            ),
            stat(
                "Drifting, all together",
                [Query(total(latest(m.DRIFT_FLEET_ALARM, *FEATURE)), "features")],
                unit="short",
                meaning="The same from the counts of all processes of a service, which the server adds up.",
                bounds=Bounds(red=1),
                link=Link("Quality", onward("quality")),
            ),
            stat(
                "Wrong rows",
                [Query(per_second(m.DRIFT_SCHEMA), "rows")],
                unit="count:rows/s",
                meaning="Rows without a column, with one of another type, or with one too many. Not 0: the "
                "code that makes the rows has changed. Red is ten in a quarter of an hour, where an alert "
                "begins.",
                nothing="none ever",
                bounds=Bounds(red=ALERTING_ROWS, orange=1e-9),
                link=Link("Traces", onward(TRACES)),
            ),
            stat(
                "Failed predictions",
                [Query(failed_share(m.PREDICT_DURATION), "failed")],
                unit="percentunit",
                meaning=f"Share of predictions that failed. Up is bad. {UNSEEN}",
                bounds=alerting(limits.error_ratio_max),
                link=Link("Traces", onward(TRACES)),
            ),
            stat(
                "Predictions, p95",
                [Query(quantile(0.95, m.PREDICT_DURATION), "p95")],
                unit="s",
                meaning=f"95 of 100 predictions took less. Up is bad. {reach(m.PREDICT_DURATION)}",
                link=Link("Traces", onward(TRACES)),
            ),
            stat(
                "Predictions",
                [Query(per_second(m.PREDICT_DURATION), "predictions")],
                unit="reqps",
                meaning="Predictions of classical models. No data: none in this time.",
                link=Link("Telemetry", onward("pipeline")),
            ),
        ],
        width=4,
        height=5,
    )


ALARMS = Row(
    "",
    [
        state_timeline(
            "Alarms",
            [Query(steady(latest(m.DRIFT_ALARM, *FEATURE)), legend(*NAMED))],
            states={0: "as trained", 1: "alarm"},
            meaning="Since when. Red from the alarm on until the feature looks like its profile again.",
        ),
        timeseries(
            "Evidence of drift",
            [
                lines(EVIDENCE, *NAMED),
                Query("vector(1)", "alarm", limit=True),
            ],
            unit="percentunit",
            meaning="Evidence that a feature no longer looks like the training data, as a share of what its "
            "own monitor wants to see: the alarm is raised at the dashed line.",
            lowest=None,
            link=SINGLE_CALLS,
        ),
    ],
    width=12,
    height=7,
)
WHICH = Row(
    "Which features",
    [
        table(
            "What drifts",
            KEYS,
            [
                Column("Since", f"time() - {smallest(m.DRIFT_CHANGE_START, *FEATURE, above='0')}", "s"),
                Column("Alarm", latest(m.DRIFT_ALARM, *FEATURE), "none", Bounds(red=1)),
                Column("Evidence", EVIDENCE, "percentunit"),
                Column("Moved at least", latest(m.DRIFT_TV_LOWER_BOUND, *FEATURE), "percentunit"),
            ],
            meaning="Every watched feature; how long ago its change began, where there is one, by the "
            "process that saw it first. At an evidence of 100% the alarm is raised.",
            sort="Evidence",
        ),
        table(
            "What drifts, all processes together",
            KEYS,
            [
                Column("Since", f"time() - {smallest(m.DRIFT_FLEET_CHANGE_START, *FEATURE, above='0')}", "s"),
                Column("Alarm", latest(m.DRIFT_FLEET_ALARM, *FEATURE), "none", Bounds(red=1)),
                Column("Evidence", latest(m.DRIFT_FLEET_LOG_E, *FEATURE), "short"),
                Column("Alarm at", latest(m.DRIFT_FLEET_THRESHOLD, *FEATURE), "short"),
                Column("Moved at least", latest(m.DRIFT_FLEET_TV_LOWER_BOUND, *FEATURE), "percentunit"),
            ],
            meaning="The same from the counts of all processes of a service, which the server adds up. Many "
            "small ones are sure together long before one is.",
            sort="Evidence",
        ),
    ],
    width=24,
    height=7,
)
DISTANCES = Row(
    "How far",
    [
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
            "Changes of schema",
            [
                lines(
                    per_second(m.DRIFT_SCHEMA, *NAMED, a.SCHEMA_FINDING),
                    *NAMED,
                    a.SCHEMA_FINDING,
                )
            ],
            unit="count:rows/s",
            meaning="Rows a second without a column of the profile, with a value of another type, or with "
            "columns the profile does not have. Above 0, the code that makes the rows has changed.",
            link=SINGLE_CALLS,
        ),
    ],
)
TOGETHER = Row(
    "How far, of all processes, in the last hour",
    [
        of_all(
            "Population stability index, together",
            r.DRIFT_PSI,
            "From the packaged recording rules, in nats. Over 0.25 is by custom a shift.",
        ),
        of_all(
            "Total variation, together",
            r.DRIFT_TV,
            "The share of values that would have to move to another bin.",
            1,
        ),
        of_all(
            "Jensen-Shannon distance",
            r.DRIFT_JS,
            "From 0, the same, to 1, nothing in common.",
            1,
        ),
        of_all(
            "Kolmogorov-Smirnov distance",
            r.DRIFT_KS,
            "The largest difference of the cumulative shares, over the bins of features that are numbers.",
            1,
        ),
        of_all(
            "Wasserstein distance",
            r.DRIFT_W1,
            "How far values have moved, in standard deviations of the reference.",
        ),
    ],
    collapsed=True,
)
MODELS = Row(
    "Predictions and labels",
    [
        timeseries(
            "Predictions by version",
            [bands(per_second(m.PREDICT_DURATION, *m.MODEL_LABELS), *m.MODEL_LABELS)],
            unit="reqps",
            stacked=True,
            meaning="Predictions of classical models, by version. A new version takes over where it begins.",
            link=SINGLE_CALLS,
        ),
        timeseries(
            "Failed predictions by version",
            [lines(failed_share(m.PREDICT_DURATION, *m.MODEL_LABELS), *m.MODEL_LABELS)],
            unit="percentunit",
            meaning=f"Share of each model's predictions that failed. Up is bad. {UNSEEN}",
            soft=0.05,
            link=SINGLE_CALLS,
        ),
        timeseries(
            "Predictions by version, p95",
            [lines(quantile(0.95, m.PREDICT_DURATION, *m.MODEL_LABELS), *m.MODEL_LABELS, exemplars=True)],
            unit="s",
            meaning="Up is bad. A new version that is slower shows as its own line.",
            link=SINGLE_CALLS,
        ),
        accuracy(TRACES, "Drift that costs no quality can wait."),
        errors(TRACES, "Drift that costs no quality can wait."),
        timeseries(
            "Labels",
            [lines(per_second(m.DRIFT_LABELS, a.MODEL_NAME, a.LABEL_OUTCOME), a.MODEL_NAME, a.LABEL_OUTCOME)],
            unit="count:labels/s",
            meaning="Labels a second by what became of them. Many unknown ones: the ids of predictions and "
            "labels do not fit. Expired: predictions whose label never came.",
        ),
        timeseries(
            "Rows not counted",
            [lines(per_second(m.DRIFT_DROPPED, a.MODEL_NAME, a.SDK_DROPPED), a.MODEL_NAME, a.SDK_DROPPED)],
            unit="count:rows/s",
            meaning="Rows that monitors could not look at; they see less than there is.",
            nothing="none ever",
        ),
    ],
)


def board(limits: Thresholds) -> Board:
    """Return the dashboard, with the colours of the alerts in the settings."""
    return Board(
        "mlobs-drift",
        "mlobs: drift",
        "Do models see what they were trained on, which features not, and since when.",
        [numbers(limits), ALARMS, WHICH, DISTANCES, TOGETHER, MODELS],
        since="now-24h",
    )

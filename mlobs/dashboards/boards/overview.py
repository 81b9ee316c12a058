"""The landing page: is it broken, for whom, since when, and which dashboard says why.

Six numbers that fit beside each other, every service in a table, then the same over time.
"""

from mlobs.dashboards.board import Board
from mlobs.dashboards.charts import state_timeline
from mlobs.dashboards.layout import Row
from mlobs.dashboards.links import of_series, onward
from mlobs.dashboards.panels import ANY, Bounds, Link, Query, alerting, bands, lines, stat, timeseries
from mlobs.dashboards.queries import (
    CALL,
    FEATURE,
    FIRING_RULES,
    UNSEEN,
    calls,
    latest,
    legend,
    per_second,
    quantile,
    select,
    share,
    steady,
    total,
    worst_share,
)
from mlobs.dashboards.tables import Column, Key, table
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.thresholds import Thresholds

SERVICE = a.SERVICE_NAME.label
NAMED = (a.FEATURE, a.MODEL_NAME, a.SERVICE_NAME)  # What differs first: legends are cut.


def firing() -> list[Query]:
    """Return the alerts of both who may evaluate rules; none firing is a true zero."""
    return [
        Query(f"{total(select(m.ALERT_FIRING))} or vector(0)", "server"),
        Query(f"count({FIRING_RULES}) or vector(0)", "Prometheus"),
    ]


def numbers(limits: Thresholds) -> Row:
    """Return the first screen: six numbers, each with the way to its cause."""
    return Row(
        "",
        [
            stat(
                "Failed calls",
                [Query(worst_share(), "failed")],
                unit="percentunit",
                meaning="Share of calls that failed, of the kind that is worst off: models, embeddings, "
                "retrievals, agents, tools or predictions. Up is bad; which kind and for whom is below. "
                f"{UNSEEN}",
                bounds=alerting(limits.error_ratio_max),
                link=Link("Which models", onward("models")),
            ),
            stat(
                "Model calls, p95",
                [Query(quantile(0.95, m.INFERENCE_DURATION), "p95")],
                unit="s",
                meaning="95 of 100 model calls took less. Up is bad, unless answers grew longer.",
                bounds=alerting(limits.model_s_max),
                link=Link("Which models", onward("models")),
            ),
            stat(
                "First chunk, p95",
                [Query(quantile(0.95, m.TIME_TO_FIRST_CHUNK), "p95")],
                unit="s",
                meaning="95 of 100 streams began to answer sooner. This is what people wait for; up is bad. "
                "Red is later than the objective.",
                bounds=alerting(limits.first_chunk_s),
                link=Link("Which models", onward("models")),
            ),
            stat(
                "Cost per hour",
                [Query(f"{per_second(m.COST)} * 3600", "USD per hour")],
                unit="currencyUSD",
                meaning="Estimated cost if the present rate holds for an hour. Up is bad for the budget.",
                link=Link("What costs so much", onward("cost")),
            ),
            stat(
                "Drifting features",
                [Query(total(latest(m.DRIFT_ALARM, *FEATURE)), "features")],
                unit="short",
                meaning="Features and predictions whose drift alarm stands. Not 0: the model sees data it "
                "was not trained on.",
                bounds=Bounds(red=1),
                nothing="no monitor reports",
                link=Link("Which features", onward("drift")),
            ),
            stat(
                "Firing alerts",
                firing(),
                unit="short",
                meaning="Rules that fire now, as the mlobs server and as Prometheus evaluate them.",
                bounds=Bounds(red=1),
                link=Link("Objectives and alerts", onward("slo")),
            ),
        ],
        width=4,
        height=5,
    )


def services(limits: Thresholds) -> Row:
    """Return every service with what is wrong there."""
    return Row(
        "",
        [
            table(
                "Services",
                [Key(a.SERVICE_NAME, "Service", "models")],
                [
                    Column("Calls", calls(SERVICE), "reqps", board="models"),
                    Column(
                        "Failed",
                        worst_share(SERVICE),
                        "percentunit",
                        alerting(limits.error_ratio_max),
                        board="models",
                    ),
                    Column(
                        "Model calls, p95",
                        quantile(0.95, m.INFERENCE_DURATION, a.SERVICE_NAME),
                        "s",
                        alerting(limits.model_s_max),
                        board="models",
                    ),
                    Column(
                        "Agent runs", per_second(m.AGENT_DURATION, a.SERVICE_NAME), "reqps", board="agents"
                    ),
                    Column(
                        "Cost per hour",
                        f"{per_second(m.COST, a.SERVICE_NAME)} * 3600",
                        "currencyUSD",
                        board="cost",
                    ),
                    Column(
                        "Drift alarms",
                        total(latest(m.DRIFT_ALARM, *FEATURE), [a.SERVICE_NAME]),
                        "short",
                        Bounds(red=1),
                        board="drift",
                    ),
                    Column(
                        "Spans lost",
                        per_second(m.SDK_DROPPED, a.SERVICE_NAME),
                        "count:spans/s",
                        ANY,
                        board="pipeline",
                    ),
                ],
                meaning="Every service now; failed is the share of its worst kind of call. A cell leads to "
                "the dashboard that says why, for that service.",
                sort="Failed",
            )
        ],
        width=24,
        height=7,
    )


GRAPHS = Row(
    "Since when",
    [
        timeseries(
            "Failed calls by service",
            [lines(worst_share(SERVICE), a.SERVICE_NAME)],
            unit="percentunit",
            meaning="For whom it is broken, and since when: the share of each service's worst kind of call.",
            soft=0.05,
            link=Link("Models of this service", of_series("models", a.SERVICE_NAME)),
        ),
        timeseries(
            "Failed calls by kind",
            [Query(share(calls(CALL, failed=True), calls(CALL)), "{{call}}")],
            unit="percentunit",
            meaning="What is broken: models, agents, tools, retrievals or predictions. Up is bad.",
            soft=0.05,
        ),
        state_timeline(
            "Drift alarms",
            [Query(steady(latest(m.DRIFT_ALARM, *FEATURE)), legend(*NAMED))],
            states={0: "as trained", 1: "alarm"},
            meaning="Red from the alarm on until the feature looks like its profile again.",
        ),
        timeseries(
            "Calls by service",
            [bands(calls(SERVICE), a.SERVICE_NAME)],
            unit="reqps",
            stacked=True,
            meaning="Calls of all kinds. A sudden fall means callers, or their telemetry, are gone.",
        ),
        timeseries(
            "Calls by kind",
            [Query(calls(CALL), "{{call}}")],
            unit="reqps",
            stacked=True,
            meaning="What services do. Tool calls up without more agent runs are an agent in circles.",
        ),
        timeseries(
            "Firing alerts by rule",
            [lines(f"{latest(m.ALERT_FIRING, a.RULE)} > 0", a.RULE)],
            unit="short",
            meaning="What the mlobs server's rules say, and since when.",
            nothing="nothing fires",
        ),
    ],
)


def board(limits: Thresholds) -> Board:
    """Return the dashboard, with the colours of the alerts in the settings."""
    return Board(
        "mlobs-overview",
        "mlobs: overview",
        "Is it broken, for whom, and since when; each number leads to the dashboard that says why.",
        [numbers(limits), services(limits), GRAPHS],
    )

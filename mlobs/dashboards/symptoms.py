"""The first screen: is it broken, for whom, since when.

Eight numbers that fit beside each other, then the same over time by service and by kind.
"""

from mlobs.dashboards.layout import Row
from mlobs.dashboards.panels import Bounds, Query, lines, stat, state_timeline, timeseries
from mlobs.dashboards.queries import (
    CALL,
    FEATURE,
    FIRING_RULES,
    calls,
    latest,
    legend,
    per_second,
    quantile,
    select,
    share,
    total,
)
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m


def firing() -> list[Query]:
    """Return the alerts of both who may evaluate rules; none firing is a true zero."""
    return [
        Query(f"{total(select(m.ALERT_FIRING))} or vector(0)", "server"),
        Query(f"count({FIRING_RULES}) or vector(0)", "Prometheus"),
    ]


FIRST_NUMBERS = Row(
    "",
    [
        stat(
            "Failed calls",
            [Query(share(calls(failed=True), calls()), "failed")],
            unit="percentunit",
            meaning="Share of all calls (models, agents, tools, retrievals, predictions) that failed. "
            "Up is bad; the panels below say for whom.",
            bounds=Bounds(orange=0.01, red=0.05),
        ),
        stat(
            "Model calls, p95",
            [Query(quantile(0.95, m.INFERENCE_DURATION), "p95", exemplars=True)],
            unit="s",
            meaning="95 of 100 model calls took less. Up is bad, unless answers grew longer.",
            bounds=Bounds(orange=10, red=30),
        ),
        stat(
            "First chunk, p95",
            [Query(quantile(0.95, m.TIME_TO_FIRST_CHUNK), "p95", exemplars=True)],
            unit="s",
            meaning="95 of 100 streams began to answer sooner. This is what people wait for; up is bad.",
            bounds=Bounds(orange=2, red=5),
        ),
        stat(
            "Calls",
            [Query(calls(), "calls")],
            unit="reqps",
            meaning="Calls of all kinds. A sudden fall means callers, or their telemetry, are gone.",
        ),
        stat(
            "Tokens",
            [Query(f"{per_second(m.INPUT_TOKENS)} + {per_second(m.OUTPUT_TOKENS)}", "tokens")],
            unit="suffix: tok/s",
            meaning="Input and output tokens. Up without more calls means longer prompts or loops.",
        ),
        stat(
            "Cost per hour",
            [Query(f"{per_second(m.COST)} * 3600", "USD per hour")],
            unit="currencyUSD",
            meaning="Estimated cost if the present rate holds for an hour. Up is bad for the budget.",
        ),
        stat(
            "Drifting features",
            [Query(total(latest(m.DRIFT_ALARM, *FEATURE)), "features")],
            unit="short",
            meaning="Features and predictions whose drift alarm stands. Not 0: the model sees data it was "
            "not trained on. No data: no monitor reports.",
            bounds=Bounds(red=1),
        ),
        stat(
            "Firing alerts",
            firing(),
            unit="short",
            meaning="Rules that fire now, as the mlobs server and as Prometheus evaluate them.",
            bounds=Bounds(red=1),
        ),
    ],
    width=3,
    height=5,
)
FIRST_GRAPHS = Row(
    "",
    [
        timeseries(
            "Failed calls by service",
            [
                lines(
                    share(calls(a.SERVICE_NAME.label, failed=True), calls(a.SERVICE_NAME.label)),
                    a.SERVICE_NAME,
                )
            ],
            unit="percentunit",
            meaning="For whom it is broken, and since when. Up is bad.",
        ),
        timeseries(
            "Failed calls by kind",
            [Query(share(calls(CALL, failed=True), calls(CALL)), "{{call}}")],
            unit="percentunit",
            meaning="What is broken: models, agents, tools, retrievals or predictions. Up is bad.",
        ),
        state_timeline(
            "Drift alarms",
            [Query(latest(m.DRIFT_ALARM, *FEATURE), legend(a.MODEL_NAME, a.FEATURE))],
            states={0: "as trained", 1: "alarm"},
            meaning="Red from the alarm on until the feature looks like its profile again.",
        ),
    ],
)

"""What comes out of models, and what it costs by a budget: what the server finds out once a minute."""

from mlobs.dashboards.layout import Row
from mlobs.dashboards.panels import Query, lines, timeseries
from mlobs.dashboards.queries import latest, legend
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m

SCORED = (a.SERVICE_NAME, a.EVALUATION_NAME)

QUALITY = Row(
    "Quality and budgets",
    [
        timeseries(
            "Answers that are none",
            [lines(latest(m.FINISH_RATIO, a.REQUEST_MODEL, a.FINISH), a.REQUEST_MODEL, a.FINISH)],
            unit="percentunit",
            meaning="Share of each model's answers in the last 15 minutes that were empty, cut off, refused "
            "or filtered. Up is bad.",
        ),
        timeseries(
            "Guardrails that block",
            [lines(latest(m.GUARDRAIL_BLOCK_RATIO, a.SERVICE_NAME, a.NAME), a.SERVICE_NAME, a.NAME)],
            unit="percentunit",
            meaning="Share of each guardrail's checks in the last 30 minutes that blocked.",
        ),
        timeseries(
            "Scores below usual",
            [
                lines(
                    latest(m.EVALUATION_DROP, a.SERVICE_NAME, a.EVALUATION_NAME),
                    a.SERVICE_NAME,
                    a.EVALUATION_NAME,
                )
            ],
            unit="percentunit",
            meaning="By at least this share the mean score of the last hour is below that of the seven days "
            "before; what chance could have done is taken off.",
        ),
        timeseries(
            "Budget",
            [
                lines(latest(m.BUDGET_SPENT, a.SERVICE_NAME), a.SERVICE_NAME),
                Query(latest(m.BUDGET_FORECAST, a.SERVICE_NAME), f"forecast {legend(a.SERVICE_NAME)}"),
            ],
            unit="percentunit",
            meaning="Share of the month's budget that each service has spent, and will have spent if it goes "
            "on as in the last day. Empty without MLOBS_ALERT_BUDGET_USD.",
        ),
    ],
)

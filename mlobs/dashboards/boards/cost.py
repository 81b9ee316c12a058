"""What it costs: today, this month, by whom, and why. Estimates, as stamped on spans."""

from mlobs.dashboards.board import Board
from mlobs.dashboards.charts import bars, text
from mlobs.dashboards.layout import Row
from mlobs.dashboards.links import of_series, onward
from mlobs.dashboards.panels import Bounds, Link, Query, bands, lines, stat, timeseries
from mlobs.dashboards.queries import UNSEEN, each, increase, largest, latest, legend, per_second, share
from mlobs.dashboards.tables import Column, Key, table
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Attribute
from mlobs.thresholds import Thresholds

SERVICE, MODEL, PROVIDER = a.SERVICE_NAME, a.REQUEST_MODEL, a.PROVIDER_NAME
MODELS = Link("This model", of_series("models", MODEL))
SERVICES = Link("This service", of_series("models", SERVICE))
WHO_ELSE = text(
    "Who else",
    "Where costs are by user, tenant, team and conversation.",
    "Users, tenants, teams and conversations are too many for labels of a metric. Their costs are "
    "where the spans are:\n\n* the dashboard *mlobs: traces (ClickHouse)*\n* `mlobs cost report "
    "--since 1d --by user`\n\nPrices are applied when asked there, so a price put right is right "
    "for the past as well; the numbers here are estimates made when a call ended.",
)


def an_hour(*by: Attribute) -> str:
    """Return the cost if the present rate holds for an hour."""
    return f"{per_second(m.COST, *by)} * 3600"


def cached(*by: Attribute) -> str:
    """Return the share of input that was read from a cache; no call with a cache is a true zero."""
    return share(per_second(m.CACHE_READ_TOKENS, *by), per_second(m.INPUT_TOKENS, *by))


def numbers(limits: Thresholds) -> Row:
    """Return the first screen."""
    return Row(
        "",
        [
            stat(
                "Today",
                [Query(increase(m.COST), "USD")],
                unit="currencyUSD",
                meaning=f"Estimated cost since midnight. {UNSEEN}",
                over="now/d",
                link=Link("Models", onward("models")),
            ),
            stat(
                "This month",
                [Query(increase(m.COST), "USD")],
                unit="currencyUSD",
                meaning="Estimated cost since the first of the month, as far back as Prometheus keeps it. "
                f"{UNSEEN} mlobs cost report has it to the cent.",
                over="now/M",
                link=Link("Models", onward("models")),
            ),
            stat(
                "A month at this pace",
                [Query(f"{increase(m.COST, window='1d')} * days_in_month()", "USD")],
                unit="currencyUSD",
                meaning="What this month would cost if every day of it were like the last 24 hours.",
                once=True,
                link=Link("Objectives and alerts", onward("slo")),
            ),
            stat(
                "Cost per hour",
                [Query(an_hour(), "USD per hour")],
                unit="currencyUSD",
                meaning="Estimated cost if the present rate holds for an hour. A step up has a cause below.",
                link=Link("Models", onward("models")),
            ),
            stat(
                "Budget spent",
                [Query(latest(m.BUDGET_SPENT), "of the month's")],
                unit="percentunit",
                meaning="Of the service that has spent most of its month's budget, which is "
                "MLOBS_ALERT_BUDGET_USD.",
                nothing="no budget is set",
                bounds=Bounds(orange=0.75 * limits.budget_spent_max, red=limits.budget_spent_max),
                link=Link("Overview", onward("overview")),
            ),
            stat(
                "Input from cache",
                [Query(cached(), "cached")],
                unit="percentunit",
                meaning="Share of input tokens read from a provider's cache. Up is good: they cost a "
                "fraction.",
                link=Link("Models", onward("models")),
            ),
        ],
        width=4,
        height=5,
    )


WHOM = Row(
    "",
    [
        timeseries(
            "Cost per hour by service",
            [bands(an_hour(SERVICE), SERVICE)],
            unit="currencyUSD",
            stacked=True,
            meaning="Who spends it, and since when more.",
            link=SERVICES,
        ),
        timeseries(
            "Cost per hour by model",
            [bands(an_hour(MODEL), MODEL)],
            unit="currencyUSD",
            stacked=True,
            meaning="What it is spent on. A dear model where a cheap one was is somebody's change.",
            link=MODELS,
        ),
        timeseries(
            "Cost per hour by provider",
            [bands(an_hour(PROVIDER), PROVIDER)],
            unit="currencyUSD",
            stacked=True,
            meaning="Whose bill it will be on.",
        ),
    ],
)


def budgets(limits: Thresholds) -> Row:
    """Return who has spent how much of the budget."""
    return Row(
        "Budgets",
        [
            bars(
                "Budget spent by service",
                [Query(largest(latest(m.BUDGET_SPENT, SERVICE)), legend(SERVICE))],
                unit="percentunit",
                meaning="Share of the month's budget, MLOBS_ALERT_BUDGET_USD, that each service has spent.",
                nothing="no budget is set",
                highest=1,
                bounds=Bounds(orange=0.75 * limits.budget_spent_max, red=limits.budget_spent_max),
            ),
            timeseries(
                "Budget spent and forecast",
                [
                    lines(latest(m.BUDGET_SPENT, SERVICE), SERVICE),
                    Query(largest(latest(m.BUDGET_FORECAST, SERVICE)), f"forecast {legend(SERVICE)}"),
                    Query("vector(1)", "all of it", limit=True),
                ],
                unit="percentunit",
                meaning="Forecast: what will be spent by the month's end if it goes on as in the last day. "
                "Over the dashed line the budget will not do.",
                link=SERVICES,
            ),
            WHO_ELSE,
        ],
    )


DETAIL = Row(
    "",
    [
        table(
            "Cost of this time range",
            [Key(SERVICE, "Service", "models"), Key(MODEL, "Model", "models")],
            [
                Column("Cost", increase(m.COST, SERVICE, MODEL), "currencyUSD"),
                Column("Calls", increase(m.INFERENCE_DURATION, SERVICE, MODEL), "short", whole=True),
                Column("Input tokens", increase(m.INPUT_TOKENS, SERVICE, MODEL), "short", whole=True),
                Column("Output tokens", increase(m.OUTPUT_TOKENS, SERVICE, MODEL), "short", whole=True),
                Column(
                    "Cost of 1000 calls",
                    each(
                        f"1000 * {increase(m.COST, SERVICE, MODEL)}",
                        increase(m.INFERENCE_DURATION, SERVICE, MODEL),
                    ),
                    "currencyUSD",
                ),
            ],
            meaning=f"Within the dashboard's time range, by who calls and what is called. {UNSEEN}",
            sort="Cost",
        )
    ],
    width=24,
)
WHY = Row(
    "Why it costs more",
    [
        timeseries(
            "Cost of 1000 calls by model",
            [
                lines(
                    each(f"1000 * {per_second(m.COST, MODEL)}", per_second(m.INFERENCE_DURATION, MODEL)),
                    MODEL,
                )
            ],
            unit="currencyUSD",
            meaning="Up without a change of price: longer prompts, longer answers or less from the cache.",
            link=MODELS,
        ),
        timeseries(
            "Input from cache by model",
            [lines(cached(MODEL), MODEL)],
            unit="percentunit",
            meaning="A fall means prompts no longer begin alike, so that the cache does not know them.",
            highest=1,
            link=MODELS,
        ),
        timeseries(
            "Input for each output token",
            [
                lines(
                    each(per_second(m.INPUT_TOKENS, MODEL), per_second(m.OUTPUT_TOKENS, MODEL)),
                    MODEL,
                )
            ],
            unit="suffix: x",
            meaning="Up means more context for the same answers: history and documents want trimming.",
            link=MODELS,
        ),
        timeseries(
            "Cost of an agent run by service",
            [
                lines(
                    each(
                        per_second(m.COST, SERVICE, beside=[m.AGENT_DURATION]),
                        per_second(m.AGENT_DURATION, SERVICE, beside=[m.COST]),
                    ),
                    SERVICE,
                )
            ],
            unit="currencyUSD",
            meaning="All model calls of a service, by all runs of its agents; a choice of models or agents "
            "does not narrow it. Up means more steps or dearer ones.",
            link=SERVICES,
        ),
        timeseries(
            "Calls by service",
            [bands(per_second(m.INFERENCE_DURATION, SERVICE), SERVICE)],
            unit="reqps",
            stacked=True,
            meaning="More calls cost more: then it is use, not waste.",
            link=SERVICES,
        ),
    ],
)


def board(limits: Thresholds) -> Board:
    """Return the dashboard, with the colours of the alerts in the settings."""
    return Board(
        "mlobs-cost",
        "mlobs: cost and budgets",
        "What is spent, by whom, whether the budget will do, and why it is more than it was.",
        [numbers(limits), WHOM, budgets(limits), DETAIL, WHY],
        since="now-24h",
        refresh="5m",
    )

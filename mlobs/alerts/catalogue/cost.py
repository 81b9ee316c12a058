"""Money: an hour that costs more than usual, a budget, one user or tenant, calls that grow."""

from mlobs.alerts.catalogue.common import DAY_S, HOUR_S, MINUTE_S, MODEL, SERVICE
from mlobs.alerts.indicators import Gauge, Growth, Increase, PerCallGrowth
from mlobs.alerts.rules import Rule, slot
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.dialects.rows import TENANT
from mlobs.semconv.rows import Attribute
from mlobs.thresholds import Thresholds


def cost(settings: Thresholds) -> tuple[Rule, ...]:
    """Return the rules about money."""
    return (
        _burn(settings),
        *_budget(settings),
        _one("MlobsUserCostHigh", a.USER_ID, "user", settings.user_cost_usd_max),
        _one("MlobsTenantCostHigh", TENANT, "tenant", settings.tenant_cost_usd_max),
        _tokens(settings),
    )


def _burn(settings: Thresholds) -> Rule:
    return Rule(
        name="MlobsCostBurn",
        indicator=Growth(
            metric=m.COST,
            by=(a.SERVICE_NAME,),
            window_s=HOUR_S,
            memory_s=7 * DAY_S,
            history_s=DAY_S,
            amount_min=settings.cost_usd_min,
        ),
        above=settings.cost_growth_max,
        hold_s=10 * MINUTE_S,
        keep_firing_s=15 * MINUTE_S,
        severity="warning",
        component="cost",
        summary=f"{SERVICE} costs more than usual.",
        description=(
            f"Model calls of {SERVICE} cost {{value}} times as much in the last {{window}} as an hour with "
            f"calls did in the seven days before; more than {{limit}} times for {{hold}} alerts. First: "
            "mlobs cost report --since 1h --by model"
        ),
    )


def _budget(settings: Thresholds) -> tuple[Rule, Rule]:
    return (
        Rule(
            name="MlobsBudgetExhausted",
            indicator=Gauge(metric=m.BUDGET_SPENT, by=(a.SERVICE_NAME,), unit="ratio"),
            above=settings.budget_spent_max,
            hold_s=5 * MINUTE_S,
            severity="critical",
            component="cost",
            summary=f"The month's budget of {SERVICE} is used up, or nearly.",
            description=(
                f"{SERVICE} has spent {{value}} of this month's budget; more than {{limit}} for {{hold}} "
                "alerts. Nothing stops at 100%: only you do. First: mlobs cost report --by model"
            ),
        ),
        Rule(
            name="MlobsBudgetForecastExceeded",
            indicator=Gauge(metric=m.BUDGET_FORECAST, by=(a.SERVICE_NAME,), unit="ratio"),
            above=1,
            hold_s=HOUR_S,
            keep_firing_s=HOUR_S,
            severity="warning",
            component="cost",
            summary=f"{SERVICE} will exceed the month's budget.",
            description=(
                f"If {SERVICE} goes on as in the last day, it will have spent {{value}} of this month's "
                f"budget when the month ends; more than {{limit}} for {{hold}} alerts. First: mlobs cost "
                "report --by model"
            ),
        ),
    )


def _one(name: str, who: Attribute, noun: str, above: float) -> Rule:
    return Rule(
        name=name,
        indicator=Increase(metric=m.COST, by=(a.SERVICE_NAME, who), window_s=HOUR_S, unit="usd"),
        above=above,
        keep_firing_s=HOUR_S,
        severity="warning",
        component="cost",
        summary=f"The {noun} {slot(who)} of {SERVICE} costs much.",
        description=(
            f"Calls of {SERVICE} for the {noun} {slot(who)} cost {{value}} in the last {{window}}; more than "
            f"{{limit}} alerts. A loop, a script, a stolen key or a good customer. First: mlobs traces list "
            "--sort dearest --since 1h"
        ),
    )


def _tokens(settings: Thresholds) -> Rule:
    return Rule(
        name="MlobsTokensPerCallHigh",
        indicator=PerCallGrowth(
            metric=m.INPUT_TOKENS,
            per=m.INFERENCE_DURATION,
            by=(a.SERVICE_NAME, a.REQUEST_MODEL),
            window_s=15 * MINUTE_S,
            memory_s=DAY_S,
            calls_min=settings.calls_min,
        ),
        above=settings.tokens_growth_max,
        hold_s=15 * MINUTE_S,
        keep_firing_s=15 * MINUTE_S,
        severity="warning",
        component="cost",
        summary=f"Calls of {MODEL} in {SERVICE} send more than they did.",
        description=(
            f"In the last {{window}} a call of {MODEL} in {SERVICE} had {{value}} times as many input tokens "
            f"as in the day before; more than {{limit}} times for {{hold}} alerts. A prompt grew, a search "
            "finds more, or a conversation is never cut. First: mlobs traces list --sort dearest"
        ),
    )

"""Answers that are none, checks that block, scores that fall. The server finds these out once a minute."""

from mlobs.alerts.catalogue.common import MINUTE_S, MODEL, SERVICE
from mlobs.alerts.indicators import Gauge
from mlobs.alerts.measured import Where
from mlobs.alerts.rules import Rule, slot
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.thresholds import Thresholds


def quality(settings: Thresholds) -> tuple[Rule, ...]:
    """Return the rules about what comes out."""
    return (
        _answers(
            "MlobsEmptyOutputs",
            ("empty",),
            settings.unfinished_ratio_max,
            f"{MODEL} answers nothing in {SERVICE}.",
            "said nothing",
            "Calls that fail are not counted here.",
        ),
        _answers(
            "MlobsTruncatedOutputs",
            ("length",),
            settings.unfinished_ratio_max,
            f"Answers of {MODEL} are cut off in {SERVICE}.",
            "were cut off at the limit of output tokens",
            "What reads them as JSON fails afterwards.",
        ),
        _answers(
            "MlobsRefusals",
            ("refusal", "content_filter"),
            settings.refusal_ratio_max,
            f"{MODEL} refuses to answer in {SERVICE}.",
            "were refusals, or stopped by a content filter",
            "Either the inputs changed, or the model did.",
        ),
        _guardrails(settings),
        _scores(settings),
    )


def _answers(
    name: str, finishes: tuple[str, ...], above: float, summary: str, which: str, further: str
) -> Rule:
    return Rule(
        name=name,
        indicator=Gauge(
            metric=m.FINISH_RATIO,
            by=(a.SERVICE_NAME, a.REQUEST_MODEL),
            where=(Where(label=a.FINISH, values=finishes),),
            unit="ratio",
        ),
        above=above,
        hold_s=10 * MINUTE_S,
        keep_firing_s=15 * MINUTE_S,
        severity="warning",
        component="quality",
        summary=summary,
        description=(
            f"{{value}} of the answers that {SERVICE} got from {MODEL} in the last 15m {which}; more than "
            f"{{limit}} for {{hold}} alerts. {further} First: mlobs traces list --service NAME --since 1h"
        ),
    )


def _guardrails(settings: Thresholds) -> Rule:
    name = slot(a.NAME)
    return Rule(
        name="MlobsGuardrailHits",
        indicator=Gauge(metric=m.GUARDRAIL_BLOCK_RATIO, by=(a.SERVICE_NAME, a.NAME), unit="ratio"),
        above=settings.guardrail_ratio_max,
        hold_s=10 * MINUTE_S,
        keep_firing_s=15 * MINUTE_S,
        severity="warning",
        component="quality",
        summary=f"The guardrail {name} blocks much in {SERVICE}.",
        description=(
            f"{{value}} of the checks of {name} in {SERVICE} in the last 30m blocked; more than {{limit}} "
            f"for {{hold}} alerts. Somebody attacks, a model says what it should not, or the check is too "
            "strict. First: mlobs traces list --service NAME --since 1h"
        ),
    )


def _scores(settings: Thresholds) -> Rule:
    name = slot(a.EVALUATION_NAME)
    return Rule(
        name="MlobsEvaluationScoreDrop",
        indicator=Gauge(metric=m.EVALUATION_DROP, by=(a.SERVICE_NAME, a.EVALUATION_NAME), unit="ratio"),
        above=settings.score_drop_max,
        hold_s=15 * MINUTE_S,
        keep_firing_s=30 * MINUTE_S,
        severity="warning",
        component="quality",
        summary=f"Scores of {name} fall in {SERVICE}.",
        description=(
            f"The mean score of {name} in {SERVICE} over the last hour, or the last day, is at least "
            "{value} below that of the seven days before; more than {limit} for {hold} alerts. What chance "
            "does to scores that are independent of each other is taken off already. First: mlobs traces "
            "list --service NAME --since 1h"
        ),
    )

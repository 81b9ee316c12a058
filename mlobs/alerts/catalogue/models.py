"""Model calls that fail, are refused or are slow."""

from mlobs.alerts.catalogue.common import MINUTE_S, MODEL, PROVIDER, SERVICE, USER_FAULTS
from mlobs.alerts.indicators import Quantile, Ratio
from mlobs.alerts.measured import Failed, Labelled
from mlobs.alerts.rules import Rule, slot
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.thresholds import Thresholds

# What providers and their clients say when there were too many calls.
RATE_LIMITS = (
    "429",
    "RESOURCE_EXHAUSTED",
    "RateLimitError",
    "ThrottlingException",
    "anthropic.RateLimitError",
    "botocore.errorfactory.ThrottlingException",
    "google.api_core.exceptions.ResourceExhausted",
    "insufficient_quota",
    "litellm.exceptions.RateLimitError",
    "openai.RateLimitError",
    "rate_limit_error",
    "rate_limit_exceeded",
)


def models(settings: Thresholds) -> tuple[Rule, ...]:
    """Return the rules about model calls."""
    return (_failed(settings), _by_type(settings), _rate_limited(settings), _slow(settings))


def _failed(settings: Thresholds) -> Rule:
    return Rule(
        name="MlobsErrorRatioHigh",
        indicator=Ratio(
            metric=m.INFERENCE_DURATION,
            bad=Failed(excused=USER_FAULTS),
            by=(a.SERVICE_NAME, a.REQUEST_MODEL),
            window_s=5 * MINUTE_S,
            calls_min=settings.calls_min,
        ),
        above=settings.error_ratio_max,
        hold_s=settings.hold_s,
        keep_firing_s=5 * MINUTE_S,
        severity="critical",
        component="model",
        summary=f"Calls of {MODEL} fail in {SERVICE}.",
        description=(
            f"{{value}} of the calls that {SERVICE} made to {MODEL} in the last {{window}} failed; more than "
            f"{{limit}} for {{hold}} alerts. Requests refused for what a user typed are not counted as "
            "failed. First: mlobs traces list --status error"
        ),
    )


def _by_type(settings: Thresholds) -> Rule:
    error = slot(a.ERROR_TYPE)
    return Rule(
        name="MlobsProviderErrors",
        indicator=Ratio(
            metric=m.INFERENCE_DURATION,
            bad=Failed(excused=USER_FAULTS),
            by=(a.SERVICE_NAME, a.PROVIDER_NAME, a.ERROR_TYPE),
            window_s=10 * MINUTE_S,
            calls_min=settings.calls_min,
        ),
        above=settings.provider_error_ratio_max,
        hold_s=5 * MINUTE_S,
        keep_firing_s=10 * MINUTE_S,
        severity="warning",
        component="model",
        summary=f"Calls to {PROVIDER} end in {error} in {SERVICE}.",
        description=(
            f"{{value}} of the calls that {SERVICE} made to {PROVIDER} in the last {{window}} ended in "
            f"{error}; more than {{limit}} for {{hold}} alerts. One type of error over all models of a "
            "provider has one cause. First: read the provider's status page; then mlobs traces list "
            "--status error"
        ),
    )


def _rate_limited(settings: Thresholds) -> Rule:
    return Rule(
        name="MlobsRateLimited",
        indicator=Ratio(
            metric=m.INFERENCE_DURATION,
            bad=Labelled(label=a.ERROR_TYPE, values=RATE_LIMITS),
            by=(a.SERVICE_NAME, a.PROVIDER_NAME, a.REQUEST_MODEL),
            window_s=10 * MINUTE_S,
            calls_min=settings.calls_min,
        ),
        above=settings.rate_limit_ratio_max,
        hold_s=5 * MINUTE_S,
        keep_firing_s=10 * MINUTE_S,
        severity="warning",
        component="model",
        summary=f"{PROVIDER} turns calls of {MODEL} in {SERVICE} away.",
        description=(
            f"{{value}} of the calls that {SERVICE} made to {MODEL} at {PROVIDER} in the last {{window}} "
            f"were refused by a rate limit or a quota; more than {{limit}} for {{hold}} alerts. Retries make "
            "it worse. First: which job calls so much? mlobs cost report --by service"
        ),
    )


def _slow(settings: Thresholds) -> Rule:
    return Rule(
        name="MlobsModelLatencyHigh",
        indicator=Quantile(
            metric=m.INFERENCE_DURATION,
            quantile=0.95,
            by=(a.SERVICE_NAME, a.REQUEST_MODEL),
            window_s=10 * MINUTE_S,
            calls_min=settings.calls_min,
        ),
        above=settings.model_s_max,
        hold_s=10 * MINUTE_S,
        keep_firing_s=10 * MINUTE_S,
        severity="warning",
        component="model",
        summary=f"{MODEL} is slow in {SERVICE}.",
        description=(
            f"Of the calls that {SERVICE} made to {MODEL} in the last {{window}}, one in twenty took over "
            f"{{value}}; more than {{limit}} for {{hold}} alerts. First: do calls write more, or does the "
            "first chunk come later? The dashboard has both."
        ),
    )

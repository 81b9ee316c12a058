"""The alerts that ship with mlobs. Thresholds that differ from house to house are settings.

Each has a page in alerts/runbooks and a test in alerts/tests at the moment it fires.
"""

from mlobs.alerts.rules import Absence, FailureRatio, Gauge, Increase, Rule, Watchdog, slot
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.settings import AlertSettings

MINUTE_S = 60
HOUR_S = 3600

# Requests a provider refuses because of what a user typed. A wrong key or model name (401, 403,
# 404) is not among them: no user causes it, and every user suffers from it.
USER_FAULTS = (
    "400",
    "413",
    "422",
    "content_filter",
    "invalid_request_error",
    "anthropic.BadRequestError",
    "anthropic.UnprocessableEntityError",
    "openai.BadRequestError",
    "openai.UnprocessableEntityError",
)

SERVICE, MODEL, AGENT, TOOL = (
    slot(a.SERVICE_NAME),
    slot(a.REQUEST_MODEL),
    slot(a.AGENT_NAME),
    slot(a.TOOL_NAME),
)


def catalogue(settings: AlertSettings) -> tuple[Rule, ...]:
    """Return every packaged rule, with the thresholds of `settings`."""
    return (*_failures(settings), _drift(), *_pipeline(settings))


def _failures(settings: AlertSettings) -> tuple[Rule, ...]:
    return (
        Rule(
            name="MlobsErrorRatioHigh",
            indicator=FailureRatio(
                metric=m.INFERENCE_DURATION,
                by=(a.SERVICE_NAME, a.REQUEST_MODEL),
                window_s=5 * MINUTE_S,
                calls_min=settings.calls_min,
                excused=USER_FAULTS,
            ),
            above=settings.error_ratio_max,
            hold_s=settings.hold_s,
            keep_firing_s=5 * MINUTE_S,
            severity="critical",
            component="model",
            summary=f"Calls of {MODEL} fail in {SERVICE}.",
            description=(
                f"{{value}} of the calls that {SERVICE} made to {MODEL} in the last {{window}} failed; more "
                f"than {{limit}} for {{hold}} alerts. Requests refused for what a user typed are not "
                f"counted as failed. First: mlobs traces list --status error"
            ),
        ),
        Rule(
            name="MlobsAgentErrorRatioHigh",
            indicator=FailureRatio(
                metric=m.AGENT_DURATION,
                by=(a.SERVICE_NAME, a.AGENT_NAME),
                window_s=10 * MINUTE_S,
                calls_min=settings.calls_min,
            ),
            above=settings.error_ratio_max,
            hold_s=settings.hold_s,
            keep_firing_s=10 * MINUTE_S,
            severity="critical",
            component="agent",
            summary=f"Runs of {AGENT} fail in {SERVICE}.",
            description=(
                f"{{value}} of the runs of {AGENT} in {SERVICE} that ended in the last {{window}} failed; "
                f"more than {{limit}} for {{hold}} alerts. Cancelled and abandoned runs are not failures. "
                f"First: mlobs traces list --status error"
            ),
        ),
        Rule(
            name="MlobsToolFailureRatio",
            indicator=FailureRatio(
                metric=m.TOOL_DURATION,
                by=(a.SERVICE_NAME, a.TOOL_NAME),
                window_s=10 * MINUTE_S,
                calls_min=settings.calls_min,
            ),
            above=settings.tool_failure_ratio_max,
            hold_s=settings.hold_s,
            keep_firing_s=10 * MINUTE_S,
            severity="warning",
            component="tool",
            summary=f"The tool {TOOL} fails in {SERVICE}.",
            description=(
                f"{{value}} of the calls of the tool {TOOL} in {SERVICE} in the last {{window}} failed; "
                f"more than {{limit}} for {{hold}} alerts. Agents may still answer, from less than they "
                f"should know. First: mlobs traces list --status error"
            ),
        ),
    )


def _drift() -> Rule:
    name, version, feature = slot(a.MODEL_NAME), slot(a.MODEL_VERSION), slot(a.FEATURE)
    return Rule(
        name="MlobsFeatureDrift",
        indicator=Gauge(
            metric=m.DRIFT_ALARM,
            by=(a.SERVICE_NAME, a.MODEL_NAME, a.MODEL_VERSION, a.FEATURE),
            since=m.DRIFT_CHANGE_START,
        ),
        above=0,
        keep_firing_s=15 * MINUTE_S,
        severity="warning",
        component="drift",
        summary=f"{feature} of the model {name} no longer looks like its training data.",
        description=(
            f"The values of {feature} that {SERVICE} gives to the model {name}, version {version}, have "
            f"moved away from the model's profile. The test behind this raises false alarms at a bounded "
            f"rate, so believe it: the population, a unit, a default, or the code that fills the column has "
            f"changed. First: mlobs drift check PROFILE DATA, with the profile of that version and the rows "
            f"of the last day; it names what moved."
        ),
    )


def _pipeline(settings: AlertSettings) -> tuple[Rule, ...]:
    return (
        Rule(
            name="MlobsTelemetryAbsent",
            indicator=Absence(
                metrics=tuple(
                    metric for metric in m.DERIVED if metric.kind == "histogram" and not metric.measures
                ),
                window_s=10 * MINUTE_S,
                memory_s=6 * HOUR_S,
                calls_min=settings.calls_min,
            ),
            hold_s=5 * MINUTE_S,
            severity="critical",
            component="pipeline",
            summary=f"Nothing arrives from {SERVICE} any more.",
            description=(
                f"{SERVICE} was busy within the last hours, and then for {{window}}, and {{hold}} more, not "
                f"one of its calls arrived: it is down, nobody reaches it, or its telemetry does not get "
                f"through. Until it is back, no alert about its calls can fire. First: is the service up? "
                f"Then: mlobs traces list --service NAME"
            ),
        ),
        Rule(
            name="MlobsTelemetryDropped",
            indicator=Increase(
                metric=m.SDK_DROPPED, by=(a.SERVICE_NAME, a.SDK_DROPPED), window_s=5 * MINUTE_S
            ),
            above=0,
            hold_s=5 * MINUTE_S,
            keep_firing_s=10 * MINUTE_S,
            severity="warning",
            component="pipeline",
            summary=f"{SERVICE} loses telemetry.",
            description=(
                f"The SDK in {SERVICE} dropped about {{value}} spans in the last {{window}}, and has been "
                f"dropping for {{hold}}. Reason: {slot(a.SDK_DROPPED)}. Traces, counts and costs of "
                f"{SERVICE} are too low meanwhile. First: does the endpoint answer? curl -i "
                f"http://127.0.0.1:4318/readyz"
            ),
        ),
        Rule(
            name="MlobsWatchdog",
            indicator=Watchdog(),
            severity="info",
            component="pipeline",
            summary="Alerting works.",
            description=(
                "This alert always fires. Route it to something that raises the alarm when it stops "
                "arriving: then Prometheus, Alertmanager or the way to you is broken, and no other alert "
                "gets through."
            ),
        ),
    )

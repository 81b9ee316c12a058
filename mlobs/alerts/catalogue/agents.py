"""Agents and their tools: runs that fail, go on for ever, or work with less than they should know."""

from mlobs.alerts.catalogue.common import AGENT, MINUTE_S, SERVICE, TOOL
from mlobs.alerts.indicators import Quantile, Ratio
from mlobs.alerts.measured import Beyond
from mlobs.alerts.rules import Rule
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.thresholds import Thresholds

RUNS_MIN = 5  # One run that loops costs as much as many that do not.


def agents(settings: Thresholds) -> tuple[Rule, ...]:
    """Return the rules about agents and tools."""
    return (_failed(settings), _tools(settings), _steps(settings), _loops(settings))


def _failed(settings: Thresholds) -> Rule:
    return Rule(
        name="MlobsAgentErrorRatioHigh",
        indicator=Ratio(
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
            f"{{value}} of the runs of {AGENT} in {SERVICE} that ended in the last {{window}} failed; more "
            f"than {{limit}} for {{hold}} alerts. Cancelled and abandoned runs are not failures. First: "
            "mlobs traces list --status error"
        ),
    )


def _tools(settings: Thresholds) -> Rule:
    return Rule(
        name="MlobsToolFailureRatio",
        indicator=Ratio(
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
            f"{{value}} of the calls of the tool {TOOL} in {SERVICE} in the last {{window}} failed; more "
            f"than {{limit}} for {{hold}} alerts. Agents may still answer, from less than they should know. "
            "First: mlobs traces list --status error"
        ),
    )


def _steps(settings: Thresholds) -> Rule:
    return Rule(
        name="MlobsAgentStepsHigh",
        indicator=Quantile(
            metric=m.AGENT_INFERENCE_CALLS,
            quantile=0.95,
            by=(a.SERVICE_NAME, a.AGENT_NAME),
            window_s=15 * MINUTE_S,
            calls_min=settings.calls_min,
        ),
        above=settings.steps_max,
        hold_s=5 * MINUTE_S,
        keep_firing_s=15 * MINUTE_S,
        severity="warning",
        component="agent",
        summary=f"{AGENT} takes many steps in {SERVICE}.",
        description=(
            f"Of the runs of {AGENT} in {SERVICE} that ended in the last {{window}}, one in twenty made over "
            f"{{value}} model calls; more than {{limit}} for {{hold}} alerts. Each step pays for all that "
            "was said before it. First: mlobs traces list --sort dearest"
        ),
    )


def _loops(settings: Thresholds) -> Rule:
    return Rule(
        name="MlobsAgentLoop",
        indicator=Ratio(
            metric=m.AGENT_TOOL_CALLS,
            bad=Beyond(bound=settings.loop_calls),
            by=(a.SERVICE_NAME, a.AGENT_NAME),
            window_s=30 * MINUTE_S,
            calls_min=RUNS_MIN,
        ),
        above=0.01,
        keep_firing_s=30 * MINUTE_S,
        severity="warning",
        component="agent",
        summary=f"{AGENT} seems to go round in circles in {SERVICE}.",
        description=(
            f"{{value}} of the runs of {AGENT} in {SERVICE} that ended in the last {{window}} made over "
            f"{settings.loop_calls:.12g} tool calls; more than {{limit}} alerts. Such runs call the same "
            "tool again and again, and cost as much as hundreds of others. First: mlobs traces list --sort "
            "dearest"
        ),
    )

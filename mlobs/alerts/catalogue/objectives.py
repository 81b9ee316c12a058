"""Objectives over 30 days, each watched in four pairs of windows.

The numbers are those of Google's Site Reliability Workbook: at 14.4 times the allowed rate a fiftieth of
the month's budget is gone in an hour, at 6 times a twentieth in six hours; those wake somebody. At 3 times
a tenth is gone in a day, and at 1 times it goes on for three days; those wait for the morning.
"""

from collections.abc import Iterator

from mlobs.alerts.catalogue.common import AGENT, DAY_S, HOUR_S, MINUTE_S, MODEL, SERVICE, USER_FAULTS
from mlobs.alerts.indicators import BurnRate
from mlobs.alerts.measured import Bad, Beyond, Failed
from mlobs.alerts.rules import Rule, Severity
from mlobs.alerts.words import duration
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Attribute, Metric
from mlobs.thresholds import Thresholds

# Factor, long window, short window, hold, severity.
PAIRS: tuple[tuple[float, int, int, int, Severity], ...] = (
    (14.4, HOUR_S, 5 * MINUTE_S, 2 * MINUTE_S, "critical"),
    (6, 6 * HOUR_S, 30 * MINUTE_S, 15 * MINUTE_S, "critical"),
    (3, DAY_S, 2 * HOUR_S, HOUR_S, "warning"),
    (1, 3 * DAY_S, 6 * HOUR_S, 3 * HOUR_S, "warning"),
)


def objectives(settings: Thresholds) -> Iterator[Rule]:
    """Return the rules of every objective."""
    yield from _burns(
        "MlobsAvailabilityBurn",
        "model_calls",
        m.INFERENCE_DURATION,
        Failed(excused=USER_FAULTS),
        (a.SERVICE_NAME, a.REQUEST_MODEL),
        settings.availability_objective,
        settings.calls_min,
        component="model",
        summary=f"Calls of {MODEL} in {SERVICE} fail too often for the month's objective.",
        bad=f"calls of {MODEL} in {SERVICE} fail",
        first="First: mlobs traces list --status error",
    )
    yield from _burns(
        "MlobsFirstChunkBurn",
        "first_chunks",
        m.TIME_TO_FIRST_CHUNK,
        Beyond(bound=settings.first_chunk_s),
        (a.SERVICE_NAME, a.REQUEST_MODEL),
        settings.first_chunk_objective,
        settings.calls_min,
        component="model",
        summary=f"{MODEL} begins to answer too late in {SERVICE} for the month's objective.",
        bad=f"streams of {MODEL} in {SERVICE} take over {_seconds(settings.first_chunk_s)} to begin",
        first="First: did prompts get longer? MlobsTokensPerCallHigh",
    )
    yield from _burns(
        "MlobsRunBurn",
        "agent_runs",
        m.AGENT_DURATION,
        Beyond(bound=settings.run_s),
        (a.SERVICE_NAME, a.AGENT_NAME),
        settings.run_objective,
        settings.calls_min,
        component="agent",
        summary=f"Runs of {AGENT} in {SERVICE} take too long for the month's objective.",
        bad=f"runs of {AGENT} in {SERVICE} take over {_seconds(settings.run_s)}",
        first="First: mlobs traces list --sort slowest",
    )


def _seconds(seconds: float) -> str:
    """Return a span of time that need not be whole seconds: 2.56s, 5m."""
    return duration(seconds) if seconds == int(seconds) else f"{seconds:.12g}s"


def _burns(
    name: str,
    thing: str,
    metric: Metric,
    bad_if: Bad,
    by: tuple[Attribute, ...],
    objective: float,
    calls_min: int,
    *,
    component: str,
    summary: str,
    bad: str,
    first: str,
) -> Iterator[Rule]:
    """Return four rules about one objective, with one page between them."""
    for factor, long_s, short_s, hold_s, severity in PAIRS:
        yield Rule(
            name=f"{name}{duration(long_s)}",
            runbook=name,
            indicator=BurnRate(
                objective_name=thing,
                metric=metric,
                bad=bad_if,
                by=by,
                objective=objective,
                long_s=long_s,
                short_s=short_s,
                calls_min=calls_min,
            ),
            above=factor,
            hold_s=hold_s,
            keep_firing_s=5 * MINUTE_S,
            severity=severity,
            component=component,
            labels={"long": duration(long_s), "short": duration(short_s)},
            summary=summary,
            description=(
                f"So many {bad} that the month's allowance, {100 * (1 - objective):.4g}% of them, is spent "
                f"{{value}} times as fast as it should be, in the last {{window}} and in the last "
                f"{duration(short_s)}; over {{limit}} for {{hold}} alerts. {first}"
            ),
        )

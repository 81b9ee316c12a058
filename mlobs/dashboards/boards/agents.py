"""Agents, workflows and tools: do runs end well, how long they take, and do they go in circles."""

from mlobs.dashboards.board import Board
from mlobs.dashboards.charts import heatmap, text
from mlobs.dashboards.layout import Row
from mlobs.dashboards.links import TRACES, of_series, onward
from mlobs.dashboards.panels import Link, Query, alerting, bands, lines, stat, timeseries
from mlobs.dashboards.queries import (
    UNSEEN,
    buckets,
    each,
    errors,
    failed_share,
    per_second,
    quantile,
    rate,
    reach,
    total,
)
from mlobs.dashboards.tables import Column, Key, table
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.thresholds import Thresholds

AGENT, TOOL, SERVICE = a.AGENT_NAME, a.TOOL_NAME, a.SERVICE_NAME
# Two services may call an agent or a tool by one name. What differs first: legends are cut.
AGENT_OF, TOOL_OF = (AGENT, SERVICE), (TOOL, SERVICE)
TOOL_CALLS = per_second(m.TOOL_DURATION, beside=[m.AGENT_DURATION])
RUNS_OF_ALL = per_second(m.AGENT_DURATION, beside=[m.TOOL_DURATION])
# What only a process knows. The server has all else that it says, and both together count twice.
KEPT = f"({'|'.join(metric.prometheus for metric in m.PROCESS)})(_bucket|_sum|_count)"
WHERE = text(
    "What is counted where",
    "Where the numbers of this row come from.",
    "Calls in a run are counted by the service itself: only it knows how many there were below a run. The "
    "row is empty until a collector hands the service's metrics on, or Prometheus scrapes the service "
    "(`MLOBS_METRICS_PORT`, extra `prometheus`), with `service_name` among the target's "
    "labels. Keep only these two of it if it also sends to a server that Prometheus scrapes; all else "
    "would count twice:\n\n```yaml\nmetric_relabel_configs:\n  - source_labels: [__name__]\n"
    f"    action: keep\n    regex: {KEPT}\n```\n\nCalls to MCP servers are tool calls here; their "
    "methods and sessions are on spans: see the dashboards of traces.",
)
SINGLE_CALLS = Link("Traces of this agent", of_series(TRACES, *AGENT_OF))


def looping(calls: float) -> str:
    """Return the runs per second with more tool calls than that, by agent and service."""
    # A bound of the buckets. Scraped it is "64.0", by some writers "64".
    within = total(rate(m.AGENT_TOOL_CALLS, "_bucket", f'le=~"{calls:.12g}(\\\\.0)?"'), AGENT_OF)
    return f"{per_second(m.AGENT_TOOL_CALLS, *AGENT_OF)} - {within}"


def numbers(limits: Thresholds) -> Row:
    """Return the first screen."""
    return Row(
        "",
        [
            stat(
                "Failed runs",
                [Query(failed_share(m.AGENT_DURATION), "failed")],
                unit="percentunit",
                meaning=f"Share of runs of agents and workflows that failed. Up is bad. {UNSEEN}",
                bounds=alerting(limits.error_ratio_max),
                link=Link("Traces", onward(TRACES)),
            ),
            stat(
                "Runs, p95",
                [Query(quantile(0.95, m.AGENT_DURATION), "p95")],
                unit="s",
                meaning="95 of 100 runs took less. Up is bad: slower tools and models, or more steps. Red is "
                f"longer than the objective. {reach(m.AGENT_DURATION)}",
                bounds=alerting(limits.run_s),
                link=Link("Objectives", onward("slo")),
            ),
            stat(
                "Runs",
                [Query(per_second(m.AGENT_DURATION), "runs")],
                unit="reqps",
                meaning="Runs of agents and workflows that ended.",
                nothing="no run",
                link=Link("Telemetry", onward("pipeline")),
            ),
            stat(
                "Tool calls a run",
                [Query(each(TOOL_CALLS, RUNS_OF_ALL), "calls")],
                unit="short",
                meaning="Tool calls for each run that ended, of all agents of the service: tool calls do not "
                "say whose they are. Up without a new tool: agents go in circles.",
                link=Link("Costs", onward("cost")),
            ),
            stat(
                "Failed tool calls",
                [Query(failed_share(m.TOOL_DURATION), "failed")],
                unit="percentunit",
                meaning="Share of tool calls that failed. Up is bad, even where agents try again.",
                bounds=alerting(limits.tool_failure_ratio_max),
                link=Link("Traces", onward(TRACES)),
            ),
            stat(
                "Tool calls, p95",
                [Query(quantile(0.95, m.TOOL_DURATION), "p95")],
                unit="s",
                meaning=f"95 of 100 tool calls took less. Up is bad: agents wait. {reach(m.TOOL_DURATION)}",
                link=Link("Traces", onward(TRACES)),
            ),
        ],
        width=4,
        height=5,
    )


def comparison(limits: Thresholds) -> Row:
    """Return agents and tools side by side."""
    return Row(
        "",
        [
            table(
                "Agents and workflows",
                [Key(AGENT, "Agent", TRACES), Key(SERVICE, "Service", "models")],
                [
                    Column("Runs", per_second(m.AGENT_DURATION, *AGENT_OF), "reqps"),
                    Column(
                        "Failed",
                        failed_share(m.AGENT_DURATION, *AGENT_OF),
                        "percentunit",
                        alerting(limits.error_ratio_max),
                    ),
                    Column("p50", quantile(0.5, m.AGENT_DURATION, *AGENT_OF), "s"),
                    Column("p95", quantile(0.95, m.AGENT_DURATION, *AGENT_OF), "s"),
                ],
                meaning="Agents side by side; a name leads to its traces.",
                sort="Runs",
            ),
            table(
                "Tools",
                [Key(TOOL, "Tool"), Key(SERVICE, "Service", TRACES)],
                [
                    Column("Calls", per_second(m.TOOL_DURATION, *TOOL_OF), "reqps"),
                    Column(
                        "Failed",
                        failed_share(m.TOOL_DURATION, *TOOL_OF),
                        "percentunit",
                        alerting(limits.tool_failure_ratio_max),
                    ),
                    Column("p50", quantile(0.5, m.TOOL_DURATION, *TOOL_OF), "s"),
                    Column("p95", quantile(0.95, m.TOOL_DURATION, *TOOL_OF), "s"),
                ],
                meaning="Tools side by side. One that fails often is tried again often.",
                sort="Failed",
            ),
        ],
        width=12,
        height=7,
    )


RUNS = Row(
    "Runs",
    [
        timeseries(
            "Failed runs by agent",
            [lines(failed_share(m.AGENT_DURATION, *AGENT_OF), *AGENT_OF)],
            unit="percentunit",
            meaning="Share of each agent's runs that failed, and since when. Up is bad.",
            soft=0.05,
            link=SINGLE_CALLS,
        ),
        timeseries(
            "Runs by agent, p95",
            [lines(quantile(0.95, m.AGENT_DURATION, *AGENT_OF), *AGENT_OF, exemplars=True)],
            unit="s",
            meaning="Up is bad: slower tools and models, or more steps. The trace behind a dot says which. "
            f"{reach(m.AGENT_DURATION)}",
            link=SINGLE_CALLS,
        ),
        timeseries(
            "Runs by agent",
            [bands(per_second(m.AGENT_DURATION, *AGENT_OF), *AGENT_OF)],
            unit="reqps",
            stacked=True,
            meaning="Runs of agents and workflows.",
            link=SINGLE_CALLS,
        ),
        heatmap(
            "Durations of runs",
            buckets(m.AGENT_DURATION),
            unit="s",
            meaning="How many runs took how long. A band at the top is runs that never find an end.",
        ),
        timeseries(
            "Errors of runs by type",
            [lines(errors(m.AGENT_DURATION, *AGENT_OF), *AGENT_OF, a.ERROR_TYPE)],
            unit="reqps",
            meaning=f"What ended a run. {UNSEEN}",
            nothing="no run failed",
            link=SINGLE_CALLS,
        ),
    ],
)


def loops(limits: Thresholds) -> Row:
    """Return what runs do that do not end."""
    return Row(
        "Loops",
        [
            timeseries(
                "Model calls a run by agent, p95",
                [lines(quantile(0.95, m.AGENT_INFERENCE_CALLS, *AGENT_OF), *AGENT_OF, exemplars=True)],
                unit="short",
                meaning="Steps in the longest twentieth of runs, without those of agents they call. Up is "
                "bad.",
                nothing="no service that counts this is scraped",
                link=SINGLE_CALLS,
            ),
            timeseries(
                "Tool calls a run by agent, p95",
                [lines(quantile(0.95, m.AGENT_TOOL_CALLS, *AGENT_OF), *AGENT_OF, exemplars=True)],
                unit="short",
                meaning="Tool calls in the longest twentieth of runs. Up without a new tool is a loop.",
                nothing="no service that counts this is scraped",
                link=SINGLE_CALLS,
            ),
            timeseries(
                f"Runs with over {limits.loop_calls:.12g} tool calls",
                [lines(looping(limits.loop_calls), *AGENT_OF)],
                unit="reqps",
                meaning="Runs that are taken for loops. Not 0: stop them, they cost and never end.",
                nothing="no service that counts this is scraped",
                link=SINGLE_CALLS,
            ),
            WHERE,
        ],
        width=6,
    )


TOOLS = Row(
    "Tools",
    [
        timeseries(
            "Tool calls",
            [bands(per_second(m.TOOL_DURATION, *TOOL_OF), *TOOL_OF)],
            unit="reqps",
            stacked=True,
            meaning="Up without more agent runs means an agent that goes in circles.",
        ),
        timeseries(
            "Failed tool calls by tool",
            [lines(failed_share(m.TOOL_DURATION, *TOOL_OF), *TOOL_OF)],
            unit="percentunit",
            meaning="Share of each tool's calls that failed. Up is bad, even where agents try again.",
            soft=0.05,
        ),
        timeseries(
            "Tool calls by tool, p95",
            [lines(quantile(0.95, m.TOOL_DURATION, *TOOL_OF), *TOOL_OF, exemplars=True)],
            unit="s",
            meaning="Up is bad: agents wait. A dot is one call: click it for its trace. "
            f"{reach(m.TOOL_DURATION)}",
        ),
        timeseries(
            "Errors of tools by type",
            [lines(errors(m.TOOL_DURATION, *TOOL_OF), *TOOL_OF, a.ERROR_TYPE)],
            unit="reqps",
            meaning=f"What went wrong in which tool. A new type since a deployment is its fault. {UNSEEN}",
        ),
    ],
    width=6,
)


def board(limits: Thresholds) -> Board:
    """Return the dashboard, with the colours of the alerts in the settings."""
    return Board(
        "mlobs-agents",
        "mlobs: agents and tools",
        "Do agents get their work done, how long it takes them, and which tool holds them up.",
        [numbers(limits), comparison(limits), RUNS, loops(limits), TOOLS],
    )

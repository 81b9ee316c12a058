"""Objectives over 30 days: how many calls were good, how much of the allowance is left, how fast it goes.

The series are recorded by the packaged rules; the limits are those at which the packaged alerts fire.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mlobs.dashboards.board import Board
from mlobs.dashboards.layout import Row
from mlobs.dashboards.links import of_series, onward
from mlobs.dashboards.panels import Bounds, Json, Link, Query, stat, timeseries
from mlobs.dashboards.queries import FIRING_RULES, largest, legend, select, steady
from mlobs.dashboards.tables import Column, Key, table
from mlobs.semconv import attributes as a
from mlobs.semconv.recorded import AGENT_RUNS, FIRST_CHUNKS, MODEL_CALLS, Objective
from mlobs.semconv.rows import Attribute
from mlobs.thresholds import Thresholds

MONTH = "[30d:1h]"
WORST = 5  # lines of a graph: the table above it has all.
YOUNG = "needs an hour of rules"  # The first whole hour that was recorded.
# The rate at which each pair of windows alerts, by its long window.
LIMITS = {"1h": 14.4, "6h": 6.0, "1d": 3.0, "3d": 1.0}
# As in the alerts: what a user typed is nobody's failure to keep an objective.
FORGIVEN = "What a provider refused for what a user typed (400, 413, 422, content filters) counts as good."


@dataclass(frozen=True, slots=True)
class Promise:
    """An objective, and what people call it.

    Args:
        of: What is counted.
        share: That is to be good.
        title: Of its panels.
        good: What makes a call a good one, in a sentence.
        key: What is told apart beside services.
        name: Of that.
    """

    of: Objective
    share: float
    title: str
    good: str
    key: Attribute
    name: str


def good(of: Objective) -> str:
    """Return the share of good calls in 30 days; the rules record 0 for whoever made no bad one."""
    bad = f"sum_over_time({select(of.bad_calls('1h'))}{MONTH})"
    calls = f"sum_over_time({select(of.calls('1h'))}{MONTH})"
    return f"1 - ({bad} / ({calls} > 0))"


def left(of: Objective, objective: float) -> str:
    """Return the share of the month's allowance that is left; below 0 it is overspent."""
    return f"1 - (1 - ({good(of)})) / {1 - objective:.12g}"


def burn(of: Objective, objective: float, window: str) -> str:
    """Return how many times as fast as allowed the allowance goes."""
    bad, calls = select(of.bad_calls(window)), select(of.calls(window))
    return f"{bad} / ({calls} > 0) / {1 - objective:.12g}"


def numbers(one: Promise) -> Iterator[Json]:
    """Yield the two numbers of an objective for the first screen, each of whoever is worst off."""
    said = f"{one.good} The objective is {100 * one.share:g}% in 30 days, or as far back as Prometheus keeps."
    yield stat(
        one.title,
        [Query(f"min ({good(one.of)})", f"of {100 * one.share:g}%")],
        unit="percentunit",
        meaning=f"Share of good ones, of whoever is worst off. {said}",
        bounds=Bounds(red=one.share, orange=(1 + one.share) / 2, falling=True),
        once=True,
        nothing=YOUNG,
        link=Link("Overview", onward("overview")),
    )
    yield stat(
        f"{one.title}: left",
        [Query(f"min ({left(one.of, one.share)})", "left")],
        unit="percentunit",
        meaning="Share of the month's bad calls that may still happen, of whoever is worst off. Below 0 the "
        f"objective is missed. {said}",
        bounds=Bounds(red=0.1, orange=0.5, falling=True),
        once=True,
        nothing=YOUNG,
        link=Link("Overview", onward("overview")),
    )


def detail(one: Promise) -> Iterator[Row]:
    """Yield the rows of an objective: for whom, and how fast."""
    board = "agents" if one.key == a.AGENT_NAME else "models"
    columns = [
        Column("Good in 30 days", good(one.of), "percentunit", Bounds(red=one.share, falling=True)),
        Column(
            "Allowance left",
            left(one.of, one.share),
            "percentunit",
            Bounds(red=0.1, orange=0.5, falling=True),
        ),
        *(
            Column(f"Burns, {window}", burn(one.of, one.share, window), "suffix: x", Bounds(red=limit))
            for window, limit in LIMITS.items()
        ),
    ]
    yield Row(
        one.title,
        [
            table(
                f"{one.title}: for whom",
                [Key(a.SERVICE_NAME, "Service", board), Key(one.key, one.name, board)],
                columns,
                meaning=f"Objective {100 * one.share:g}% over 30 days. {one.good} A burn rate of 1 uses the "
                "allowance up in just a month; red is where an alert fires. A cell leads to the cause.",
                sort="Burns, 1h",
            )
        ],
        width=24,
        height=8,
    )
    yield Row("", [_burning(one, window, board) for window in LIMITS], width=12, height=9)


def _burning(one: Promise, window: str, board: str) -> Json:
    limit = LIMITS[window]
    return timeseries(
        f"{one.title}: burn rate, {window}",
        [
            Query(largest(burn(one.of, one.share, window), WORST), legend(a.SERVICE_NAME, one.key)),
            Query(f"vector({limit:g})", f"alert at {limit:g}", limit=True),
        ],
        unit="suffix: x",
        meaning=f"How many times as fast as allowed, over {window}. An alert fires above the dashed line, "
        "while a shorter window agrees.",
        link=Link("Why", of_series(board, a.SERVICE_NAME, one.key)),
    )


def alerts() -> Row:
    """Return what fires now, by Prometheus."""
    return Row(
        "",
        [
            timeseries(
                "Firing alerts",
                [Query(steady(f"count by (alertname) ({FIRING_RULES})"), "{{alertname}}")],
                unit="short",
                stacked=True,
                meaning="Rules that Prometheus has firing, and since when.",
                nothing="nothing fires",
            )
        ],
        width=24,
        height=8,
    )


def board(settings: Thresholds) -> Board:
    """Return the dashboard for the objectives in the settings."""
    in_time = f"A stream is good if its first chunk comes within {settings.first_chunk_s:.12g} s."
    ended = f"A run is good if it ends within {settings.run_s:.12g} s."
    model, agent = (a.REQUEST_MODEL, "Model"), (a.AGENT_NAME, "Agent")
    promises = (
        Promise(MODEL_CALLS, settings.availability_objective, "Calls that succeed", FORGIVEN, *model),
        Promise(FIRST_CHUNKS, settings.first_chunk_objective, "Streams in time", in_time, *model),
        Promise(AGENT_RUNS, settings.run_objective, "Runs in time", ended, *agent),
    )
    first = [panel for one in promises for panel in numbers(one)]
    rows = [row for one in promises for row in detail(one)]
    return Board(
        "mlobs-slo",
        "mlobs: objectives",
        "Are the month's objectives kept, by whom not, and how fast their allowance goes.",
        [Row("", first, width=4, height=5), alerts(), *rows],
        since="now-24h",
        refresh="5m",
    )

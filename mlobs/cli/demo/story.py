"""Tells the demo, shows what a newcomer asks for, and checks that each claim is true.

A claim is checked against what the server, the monitor and the webhook receiver say, never
against what was meant to happen.
"""

import json
import os
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import mlobs
from mlobs.cli.demo.progress import Bar, bars
from mlobs.cli.demo.service import JULY_ROWS, MODEL, UNCHANGED_ROWS, Service
from mlobs.cli.demo.stage import Stage
from mlobs.cli.printing import console, print_rows
from mlobs.cli.traces import draw
from mlobs.drift.streams.watch import Watch
from mlobs.server.tree import cost

DRIFT_RULE, TOOL_RULE = "MlobsFeatureDrift", "MlobsToolFailureRatio"
WAIT_S_MAX = 120.0  # a machine may be busy
DATED_S_MAX = 30.0  # how far the estimate of a change may be from it
FEATURES_SHOWN = 6


class Story:
    """One telling.

    Args:
        stays: Leave everything running to look at when the claims are checked.
    """

    def __init__(self, *, stays: bool) -> None:
        self._stays = stays
        self._out = console()
        self._claims: list[tuple[str, bool]] = []

    def run(self) -> int:
        """Tell it; return 0 if every claim held."""
        os.environ.setdefault("MLOBS_METRICS_INTERVAL_S", "1")  # a service would send every five seconds
        with (
            tempfile.TemporaryDirectory(prefix="mlobs-demo-") as folder,
            Stage(Path(folder) / "data") as stage,
        ):
            self._say(f"A server listens at {stage.server_url}, a model server at {stage.models_url}.")
            mlobs.init("flight-desk", endpoint=stage.server_url)
            service = Service(Path(folder), stage.models_url)
            with bars() as bar:
                auc = service.train(bar)
                early = service.serve_the_same(bar)
                shifted, alarmed = service.serve_july(bar)
                delivered = mlobs.flush()
                alerts = self._wait(bar, stage, set(alarmed))
                _settle(stage, UNCHANGED_ROWS + JULY_ROWS + service.questions)
            self._say(
                f"The model puts a late and a punctual flight in the right order {auc:.0%} of the time."
            )
            runs = stage.ask("/api/traces?noun=agent")["traces"]
            self._show_run(stage, runs)
            self._show_cost(runs)
            self._show_drift(service.monitor.state(), shifted)
            self._show_alert(stage)
            self._claim("every span was delivered", delivered)
            self._claim("the model is better than a coin", auc > 0.6)
            self._check(stage, service, early, alarmed, shifted, alerts, runs)
            held = self._verdict()
            if self._stays:
                self._leave_running(stage)
            else:
                self._say("Everything is stopped. `mlobs demo --stay` leaves it running to look around.")
            mlobs.shutdown()
        return 0 if held else 1

    def _wait(self, bar: Bar, stage: Stage, alarmed: set[str]) -> set[str]:
        """Wait until the webhook was told of every alarm; return the features it was told of."""
        until = time.monotonic() + WAIT_S_MAX
        told: set[str] = set()
        with bar("waiting for the alerts at the webhook", len(alarmed) + 1) as step:
            while time.monotonic() < until:
                new = {alert["labels"]["mlobs_feature"] for alert in stage.receiver.fired(DRIFT_RULE)} - told
                for _ in new:
                    step()
                told |= new
                if told >= alarmed and stage.receiver.fired(TOOL_RULE):
                    step()
                    break
                time.sleep(0.1)
        return told

    def _show_run(self, stage: Stage, runs: list[dict[str, Any]]) -> None:
        failed = [run for run in runs if run["errors"]]
        self._head("One run of the agent, with the tool that failed")
        if failed:
            draw(stage.ask(f"/api/traces/{failed[0]['trace_id']}"))

    def _show_cost(self, runs: list[dict[str, Any]]) -> None:
        dollars = sum(run["cost_usd"] or 0.0 for run in runs)
        tokens = [sum(run[side] or 0 for run in runs) for side in ("input_tokens", "output_tokens")]
        self._head("What the agent used")
        self._say(
            f"{len(runs)} runs, {tokens[0]:,} input and {tokens[1]:,} output tokens, {cost(dollars)} in all, "
            f"{cost(dollars / max(1, len(runs)))} a run."
        )

    def _show_drift(self, watches: list[Watch], shifted: datetime) -> None:
        self._head(f"What drifted, of what {MODEL} sees (summer came at {shifted:%H:%M:%S} UTC)")
        print_rows(
            [
                {
                    "feature": watch.feature,
                    "alarm": "yes" if watch.alarm else "no",
                    "since (UTC)": f"{watch.change_start:%H:%M:%S}"
                    if watch.alarm and watch.change_start
                    else "",
                    "evidence": f"{watch.log_e:.0f} of {watch.threshold:.0f} nats",
                }
                for watch in watches[:FEATURES_SHOWN]
            ],
            as_json=False,
        )

    def _show_alert(self, stage: Stage) -> None:
        self._head("The first drift alert, as it arrived at the webhook (its signature was right)")
        for alert in stage.receiver.fired(DRIFT_RULE)[:1]:
            self._out.print_json(json.dumps(alert))

    def _check(
        self,
        stage: Stage,
        service: Service,
        early: list[str],
        alarmed: list[str],
        shifted: datetime,
        told: set[str],
        runs: list[dict[str, Any]],
    ) -> None:
        """Put the claims against what is there."""
        drift, tools = stage.receiver.fired(DRIFT_RULE), stage.receiver.fired(TOOL_RULE)
        starts = [watch.change_start for watch in service.monitor.state() if watch.alarm]
        links = [alert["trace_url"] for alert in drift + tools]
        counted = _predictions(stage)
        self._claim(
            f"the server holds all {service.questions} runs of the agent", len(runs) == service.questions
        )
        self._claim(
            "some runs failed in a tool, and were answered all the same", any(r["errors"] for r in runs)
        )
        self._claim(
            "tokens and cost are known of every run", all(r["cost_usd"] and r["input_tokens"] for r in runs)
        )
        # The desk's tool predicts too, once a question.
        served = UNCHANGED_ROWS + JULY_ROWS + service.questions
        self._claim(f"/metrics counts {served:,} predictions", counted == served)
        self._claim("no alarm while the population was the same", not early)
        self._claim("summer's temperature raised an alarm", "temp" in alarmed)
        self._claim(
            "the change is dated to when summer came",
            bool(starts)
            and all(
                start is not None and abs((start - shifted).total_seconds()) < DATED_S_MAX for start in starts
            ),
        )
        self._claim("the webhook was told of every alarm, and of no other", told == set(alarmed))
        self._claim(
            "each was told once, and signed", len(drift) == len(alarmed) and not stage.receiver.refused
        )
        self._claim("the failing tool was told once too", len(tools) == 1)
        self._claim(
            "every alert links to a trace that is there", bool(links) and all(map(stage.opens, links))
        )

    def _claim(self, words: str, held: bool) -> None:  # noqa: FBT001 # reads as a sentence
        self._claims.append((words, bool(held)))

    def _verdict(self) -> bool:
        self._head("Checked")
        for words, held in self._claims:
            self._out.print(f"[green]✓[/] {words}" if held else f"[bold red]✗ {words}[/]")
        return all(held for _, held in self._claims)

    def _leave_running(self, stage: Stage) -> None:
        self._head("Look around")
        for path, about in (
            ("/", "overview"),
            ("/traces?q=%7Bkind:agent%7D", "the agent's runs"),
            ("/drift", "what drifted"),
            ("/alerts", "alerts"),
            ("/metrics", "Prometheus metrics"),
        ):
            self._say(f"{stage.server_url}{path}  {about}")
        # Predictions are most of what there is, of one span each: the newest trace is one of them.
        self._say(f"mlobs traces list --noun agent --server {stage.server_url}")
        self._say("Ctrl-C stops everything.")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            self._say("Stopping.")

    def _head(self, words: str) -> None:
        self._out.print(f"\n[bold]{words}[/]")

    def _say(self, words: str) -> None:
        self._out.print(words, markup=False)


def _settle(stage: Stage, predictions: int) -> None:
    """Wait until what was acknowledged can be asked for: the store is a second or two behind the journal."""
    until = time.monotonic() + WAIT_S_MAX
    while _predictions(stage) < predictions and time.monotonic() < until:
        time.sleep(0.2)


def _predictions(stage: Stage) -> int:
    """Return how many predictions /metrics has counted."""
    from mlobs.semconv.metrics import PREDICT_DURATION

    lines = stage.text("/metrics").splitlines()
    name = f"{PREDICT_DURATION.prometheus}_count"
    return round(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)))

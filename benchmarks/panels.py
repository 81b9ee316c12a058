"""How long the panels of the packaged dashboards take over a day: p50, p95 and CPU of every query.

python -m benchmarks.panels --spans 10000000 --data FOLDER

SQL is asked of a running server with so many spans of the last 24 hours (a folder that was filled before is
used again), over the interface that Grafana asks. PromQL is asked of a Prometheus that holds a day: the
series that a server had after a program of every kind of call, spread over the day, and what the packaged
recording rules make of them. Needs `prometheus` and `promtool`; without them only SQL is asked.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests

from benchmarks.day import exposed, openmetrics
from benchmarks.questions import fill
from mlobs.dashboards import build
from mlobs.dashboards.preview.gathering import Gatherer, SqlRows
from mlobs.dashboards.preview.sources import ClickHouse, Prometheus
from mlobs.dashboards.preview.spans import Span
from mlobs.server.serve import Server
from mlobs.settings import ServerSettings, load
from tests.dashboards.engines import engines
from tests.processes import free_port, process, server, wait_for

DAY_S, SCRAPE_S, ROUNDS, WIDTH = 86_400, 30, 7, 1_600
WORK_SECONDS = 12
# Servers look at drift, answers and budgets as often as they can, so that all their series are there.
OFTEN = {
    "MLOBS_DRIFT_INTERVAL_S": "1",
    "MLOBS_ALERT_FIGURES_INTERVAL_S": "1",
    "MLOBS_ALERT_BUDGET_USD": "1000",
}
TOP = Path(__file__).parents[1]
RULES = TOP / "alerts/mlobs.rules.yml"
SQL_BOARD = "traces-clickhouse.json"


class Watch:
    """Collects how long each panel's queries took, and which found nothing.

    Args:
        cpu: Seconds of CPU time that whoever answers has had so far; other work on the machine does not
            count.
    """

    def __init__(self, cpu: Callable[[], float]) -> None:
        self._cpu = cpu
        self.panel = ""
        self.took: dict[str, list[float]] = defaultdict(list)
        self.cpu: dict[str, list[float]] = defaultdict(list)
        self.empty: set[str] = set()

    @contextmanager
    def __call__(self) -> Iterator[list[int]]:
        """Time one query; the number of rows it found is put into the list."""
        found: list[int] = []
        began, cpu = time.perf_counter(), self._cpu()
        yield found
        self.took[self.panel].append((time.perf_counter() - began) * 1000)
        self.cpu[self.panel].append((self._cpu() - cpu) * 1000)
        if not any(found):
            self.empty.add(self.panel)

    def told(self, sentence: str) -> None:
        """Take the name of the panel that is asked for next."""
        self.panel = sentence.removeprefix("asking for ")


class TimedPrometheus(Prometheus):
    """A Prometheus whose answers are timed."""

    watch: Watch

    def range(self, expr: str, span: Span, step_s: float) -> Any:
        """Ask, and time it."""
        with self.watch() as found:
            answer = super().range(expr, span, step_s)
            found.append(len(answer))
        return answer

    def instant(self, expr: str, at_s: float) -> Any:
        """Ask, and time it."""
        with self.watch() as found:
            answer = super().instant(expr, at_s)
            found.append(len(answer))
        return answer


class TimedClickHouse(ClickHouse):
    """A ClickHouse whose answers are timed."""

    watch: Watch

    def rows(self, sql: str) -> SqlRows:
        """Ask, and time it."""
        with self.watch() as found:
            answer = super().rows(sql)
            found.append(len(answer[1]))
        return answer


class Nobody:
    """Stands where a Prometheus would, for boards that ask none."""

    def scrape_s(self) -> float:
        """Return what graphs are asked for at least."""
        return SCRAPE_S

    def range(self, expr: str, span: Span, step_s: float) -> Sequence[Any]:
        """Return no series."""
        return []

    def instant(self, expr: str, at_s: float) -> Sequence[Any]:
        """Return no series."""
        return []

    def label_values(self, label: str, selector: str, span: Span) -> Sequence[str]:
        """Return no values."""
        return []

    def exemplars(self, expr: str, span: Span) -> Sequence[Any]:
        """Return none."""
        return []

    def alerts(self) -> Sequence[Any]:
        """Return none."""
        return []


def ask_sql(data: Path, spans: int, rounds: int) -> Watch:
    """Return how long the SQL panels take over a store of so many spans."""
    settings = load(ServerSettings, port=0, data=data, query_seconds_max=120)
    watch = Watch(time.process_time)
    with Server(settings) as store:
        fill(store, spans)
        source = TimedClickHouse(store.url)
        source.watch = watch
        _, [[last, trace]] = source.rows(
            "SELECT toUnixTimestamp(max(Timestamp)), argMin(TraceId, Timestamp) FROM otel_traces"
        )
        watch.took.clear()
        watch.cpu.clear()
        span = Span(int(last) - DAY_S, int(last) + 1)
        gatherer = Gatherer(Nobody(), source, span, WIDTH)
        for _ in range(rounds):
            watch.panel = "variables"
            gathered = gatherer.gather(boards()[SQL_BOARD], {"trace": [str(trace)]}, watch.told)
            complain(gathered)
    return watch


def ask_promql(folder: Path, rounds: int) -> Watch:
    """Return how long the PromQL panels take over a day's series."""
    os.environ.update(OFTEN)
    with server(folder) as url, engines() as others:
        work = [sys.executable, "-m", "tests.workload", url, str(WORK_SECONDS)]
        subprocess.run(work, cwd=TOP, check=True, timeout=300)
        time.sleep(3)  # the last spans are loaded
        pages = [requests.get(f"{one}/metrics", timeout=30).text for one in (url, f"http://{others}")]
        series = [one for page in pages for one in exposed(page)]
    end_s = int(time.time()) // SCRAPE_S * SCRAPE_S
    text = folder / "day.om"
    with text.open("w") as written:
        written.writelines(openmetrics(series, end_s - DAY_S, end_s, SCRAPE_S))
    print(f"{len(series):,} series, {text.stat().st_size >> 20:,} MiB of text", flush=True)
    blocks = folder / "tsdb"
    make = ["promtool", "tsdb", "create-blocks-from"]
    subprocess.run([*make, "openmetrics", str(text), str(blocks)], check=True, capture_output=True)
    (folder / "prometheus.yml").write_text(f"global: {{scrape_interval: {SCRAPE_S}s}}\n")
    with prometheus(folder, blocks) as (address, _):
        between = [f"--start={end_s - DAY_S}", f"--end={end_s}", f"--eval-interval={2 * SCRAPE_S}s"]
        to = [f"--url={address}", f"--output-dir={blocks}", str(RULES)]
        subprocess.run([*make, "rules", *between, *to], check=True, capture_output=True)
    with prometheus(folder, blocks) as (address, cpu):
        watch = Watch(cpu)
        source = TimedPrometheus(address)
        source.watch = watch
        gatherer = Gatherer(source, None, Span(end_s - DAY_S, end_s), WIDTH)
        for name, board in boards().items():
            for _ in range(0 if name.startswith("traces") else rounds):
                bare = {**board, "annotations": {}}
                complain(gatherer.gather(bare, {}, watch.told))
                watch.panel = f"{board['title']}: annotations"
                complain(gatherer.gather({**board, "panels": []}, {}, watch.told))
    return watch


@contextmanager
def prometheus(folder: Path, blocks: Path) -> Iterator[tuple[str, Callable[[], float]]]:
    """Run a Prometheus on these blocks; yield its address, and what tells its CPU time."""
    where = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={blocks}",
        f"--web.listen-address={where}",
    ]
    log = folder / "prometheus.log"
    with process(*command, log=log) as started:
        wait_for(f"http://{where}/-/ready", log)
        seen = psutil.Process(started.pid)
        yield f"http://{where}", lambda: sum(seen.cpu_times()[:2])


def boards() -> dict[str, Any]:
    """Return the packaged dashboards by file name."""
    return {name: json.loads(text) for name, text in build.build().items() if name.endswith(".json")}


def complain(gathered: Any) -> None:
    """Stop at a query that is refused: its time would mean nothing."""
    refused = [*gathered.problems, *(one for answer in gathered.answers.values() for one in answer.problems)]
    if refused:
        raise SystemExit("\n".join(refused))


def report(kind: str, watch: Watch) -> dict[str, list[float]]:
    """Print p50, p95 and median CPU of each panel, the slowest first, and of all queries."""
    print(f"\n{kind:64}{'queries':>8}{'p50 ms':>10}{'p95 ms':>10}{'CPU ms':>10}")
    figures = {panel: figures_of(took, watch.cpu[panel]) for panel, took in watch.took.items()}
    every = [one for took in watch.took.values() for one in took]
    figures["all"] = figures_of(every, [one for cpu in watch.cpu.values() for one in cpu])
    by_p95 = sorted(figures.items(), key=lambda one: (one[0] == "all", -one[1][1]))
    for panel, (p50, p95, cpu) in by_p95:
        mark = "  empty" if panel in watch.empty else ""
        count = len(watch.took.get(panel, every))
        print(f"{panel[:63]:64}{count:8}{p50:10.1f}{p95:10.1f}{cpu:10.1f}{mark}")
    return figures


def figures_of(took: Sequence[float], cpu: Sequence[float]) -> list[float]:
    """Return p50 and p95 of the times, and the median of the CPU times."""
    return [
        statistics.median(took),
        statistics.quantiles([*took, took[-1]], n=20)[-1],
        statistics.median(cpu),
    ]


def main() -> None:
    """Fill, ask, print."""
    reader = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    reader.add_argument("--spans", type=int, default=1_000_000)
    reader.add_argument("--data", type=Path, help="a folder to fill, or one that was filled before")
    reader.add_argument("--rounds", type=int, default=ROUNDS)
    reader.add_argument("--only", choices=["sql", "promql"], help="ask in one language only")
    reader.add_argument("--json", action="store_true", help="print one JSON document at the end")
    given = reader.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        if given.only != "promql":
            watch = ask_sql(given.data or Path(folder) / "store", given.spans, given.rounds)
            found["sql"] = report(f"SQL, {given.spans:,} spans, 24 h", watch)
        if given.only != "sql" and shutil.which("promtool") and shutil.which("prometheus"):
            found["promql"] = report("PromQL, 24 h", ask_promql(Path(folder), given.rounds))
    if given.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()

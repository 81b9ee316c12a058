"""Every panel has something to show: the real SDK, collector, server, Prometheus and Alertmanager.

Where nothing happened, zero is shown or the workload makes it happen. What is empty all the same is in
EMPTY, with the reason, and must be empty.
"""

import contextlib
import json
import math
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlobs.cli.collector.binary import binary
from mlobs.dashboards.layout import panels
from mlobs.dashboards.lint import concrete
from tests import sink
from tests.collectors import sidecar
from tests.dashboards.boards import DASHBOARDS, OF_METRICS, targets
from tests.dashboards.engines import engines
from tests.parts import require
from tests.processes import free_port, process, server, wait_for
from tests.yamls import loaded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TOP = Path(__file__).parents[2]
SECONDS_MAX = 400  # All that is asked for is there long before, where the machine is not busy.
WORK_S = 3600  # Longer than any test: programs end when they are told to.
WINDOWS = {"$__rate_interval": "30s", "$__interval": "3s", "$__range": "1m"}
# An hour is not waited for: what is looked at each hour of a month, is here each second of a minute.
MONTH, MINUTE = "[30d:1h]", "[1m:1s]"

OVERVIEW = DASHBOARDS["overview.json"]
VARIABLES = [variable["name"] for variable in OVERVIEW["templating"]["list"]]
CHOICES = [one for one in OVERVIEW["templating"]["list"] if one["type"] == "query"]
NOTES = [note for note in OVERVIEW["annotations"]["list"] if "expr" in note]
QUERIES = [(name, title, target) for name in OF_METRICS for title, target in targets(DASHBOARDS[name])]
# Panel and query -> why it shows nothing here.
EMPTY = {
    ("Collectors: lost and refused", "B"): "the family begins with the first failure, and there is none",
    ("Collectors: lost and refused", "C"): "the family begins with the first failure, and there is none",
}
# Panels that say a dot is a call.
DOTTED = [
    (name, panel["title"], target)
    for name in OF_METRICS
    for panel in panels(DASHBOARDS[name])
    if re.search(r"\bdots?\b", panel.get("description", ""))
    for target in panel["targets"]
]
OF_COLLECTORS = re.compile(r"^Collectors: |^Lost in collectors$")


@dataclass
class Prometheus:
    """A Prometheus that scrapes while the workload runs.

    Args:
        url: Its address.
        collector: Whether a collector is there to be scraped.
        shown: What each query answered, as soon as it was something.
    """

    url: str
    collector: bool
    shown: dict[str, list[Any]] = field(default_factory=dict)

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of one answer of its HTTP API."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=60) as answer:
            return json.load(answer)["data"]

    def query(self, expr: str) -> list[Any]:
        """Return the series of a panel's query, with every choice at All."""
        asked = concrete(expr, VARIABLES, substitutes=WINDOWS).replace(MONTH, MINUTE)
        found: list[Any] = self.ask("query", query=asked)["result"]
        return found

    def watch(self, until: float) -> None:
        """Ask every panel's query until it has shown something, all of it numbers, or the time is up."""
        asked = {target["expr"] for _, title, target in QUERIES if not excused(title, target)}
        while asked and time.monotonic() < until:
            for expr in sorted(asked):
                found = self.query(expr)
                if found and all(math.isfinite(float(series["value"][1])) for series in found):
                    self.shown[expr] = found
            asked -= set(self.shown)
            time.sleep(0.5)


def excused(title: str, target: dict[str, Any]) -> bool:
    """Tell whether a query is empty by design."""
    return (title, target["refId"]) in EMPTY


def configuration(folder: Path, targets: dict[str, str], alertmanager: str) -> Path:
    """Write the configuration that ships, scraping each second what is there."""
    made = loaded((TOP / "docker/prometheus.yml").read_text())
    made["global"] = {"scrape_interval": "3s", "evaluation_interval": "3s"}
    made["scrape_configs"] = [
        # The exporter of a Python program does not say whose it is; whoever scrapes it has to.
        {"job_name": job, "static_configs": [{"targets": [target], "labels": labelled(job)}]}
        for job, target in targets.items()
    ]
    made["rule_files"] = [str(rules(folder))]
    made["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(made))
    return path


def labelled(job: str) -> dict[str, str]:
    return {"service_name": job} if job == "alone" else {}


def rules(folder: Path) -> Path:
    """Write the packaged rules, evaluated each second, with alerts that wait for nothing."""
    made = loaded((TOP / "alerts/mlobs.rules.yml").read_text())
    for group in made["groups"]:
        group["interval"] = "3s"
        for rule in group["rules"]:
            rule.pop("for", None)
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump(made))
    return path


@contextlib.contextmanager
def often() -> Iterator[None]:
    """Have servers look at a fleet's drift, and at answers and budgets, as often as Prometheus scrapes."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MLOBS_DRIFT_INTERVAL_S", "1")
        patched.setenv("MLOBS_ALERT_FIGURES_INTERVAL_S", "1")
        patched.setenv("MLOBS_ALERT_INTERVAL_S", "1")
        patched.setenv("MLOBS_ALERT_BUDGET_USD", "0.0001")  # is spent at once: a rule fires
        patched.setenv("MLOBS_ALERT_WEBHOOK_URL", f"http://127.0.0.1:{free_port()}/nobody")
        patched.setenv("MLOBS_ALERT_WEBHOOK_SECRET", "not a secret")
        yield


@contextlib.contextmanager
def collected(folder: Path, url: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Run a collector before the server, where one is built; return where to send, and what to scrape."""
    if not binary().exists():
        yield url, {}
        return
    with sidecar.running(folder, url) as collector:
        address = urllib.parse.urlsplit(collector.metrics)
        yield collector.http, {"collector": address.netloc}


@contextlib.contextmanager
def alerted(folder: Path) -> Iterator[str]:
    """Run an Alertmanager that tells somebody who is not there."""
    address = f"127.0.0.1:{free_port()}"
    nobody = {"url": f"http://127.0.0.1:{free_port()}/nobody"}
    told = {
        "route": {"receiver": "nobody", "group_wait": "0s", "group_interval": "1s"},
        "receivers": [{"name": "nobody", "webhook_configs": [nobody]}],
    }
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(told))
    command = [
        require("alertmanager"),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with process(*command, log=folder / "alertmanager.log"):
        wait_for(f"http://{address}/-/ready", folder / "alertmanager.log")
        yield address


@contextlib.contextmanager
def working(folder: Path, where: str, *port: str) -> Iterator[None]:
    """Run a program of a user's until the block ends; with a port, one that is scraped itself."""
    command = [sys.executable, "-m", "tests.workload", where, str(WORK_S), *port]
    with process(*command, log=folder / f"workload-{len(port)}.log", cwd=TOP):
        yield


def send_rubbish(url: str) -> None:
    """Send the server what is not OTLP, and a webhook that is nothing."""
    rubbish = urllib.request.Request(
        f"{url}/v1/traces", data=b"not OTLP", headers={"Content-Type": "application/x-protobuf"}
    )
    webhook = urllib.request.Request(f"{url}/api/alerts/receive", data=b"neither signed nor JSON")
    for wrong in (rubbish, webhook):
        with pytest.raises(urllib.error.HTTPError, match=r"4[0-9][0-9]"):
            urllib.request.urlopen(wrong, timeout=60)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Scrape everything while programs of a user's run and somebody sends rubbish."""
    program = require("prometheus")
    folder = tmp_path_factory.mktemp("stack")
    with contextlib.ExitStack() as stack:
        stack.enter_context(often())
        url = stack.enter_context(server(folder))
        where, scraped = stack.enter_context(collected(folder, url))
        manager = stack.enter_context(alerted(folder))
        address, alone = f"127.0.0.1:{free_port()}", str(free_port())
        scraped |= {
            "mlobs": url.removeprefix("http://"),
            "alone": f"127.0.0.1:{alone}",
            "engines": stack.enter_context(engines()),
            "alertmanager": manager,
            "prometheus": address,
        }
        command = [
            program,
            f"--config.file={configuration(folder, scraped, manager)}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={address}",
            "--enable-feature=exemplar-storage",
        ]
        stack.enter_context(process(*command, log=folder / "prometheus.log"))
        wait_for(f"http://{address}/-/ready", folder / "prometheus.log")
        send_rubbish(url)
        stack.enter_context(working(folder, where))
        stack.enter_context(working(folder, sink.start().url, alone))
        found = Prometheus(f"http://{address}", "collector" in scraped)
        found.watch(time.monotonic() + SECONDS_MAX)
        yield found


@pytest.mark.parametrize(
    ("name", "title", "target"),
    QUERIES,
    ids=[f"{name.removesuffix('.json')}-{title}-{target['refId']}" for name, title, target in QUERIES],
)
def test_the_panel_shows_something(prometheus, name, title, target):
    """A panel without data on a day when everything happened will not have any on a bad day."""
    if OF_COLLECTORS.match(title) and not prometheus.collector:
        pytest.skip("no collector is built; enable with: mlobs collector build")
    if excused(title, target):
        found = prometheus.query(target["expr"])
        assert not found, f"{title} shows something, so it is no longer empty by design: {found}"
        return
    found = prometheus.shown.get(target["expr"])
    assert found, concrete(target["expr"], VARIABLES, substitutes=WINDOWS)
    for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
        assert all(label in series["metric"] for series in found), (label, found)


@pytest.mark.parametrize(
    ("name", "title", "target"),
    DOTTED,
    ids=[f"{name.removesuffix('.json')}-{title}-{target['refId']}" for name, title, target in DOTTED],
)
def test_the_dots_that_a_panel_promises_lead_to_calls(prometheus, name, title, target):
    """By the query that is drawn, as Grafana asks for them."""
    assert target["exemplar"]
    asked = concrete(target["expr"], VARIABLES, substitutes=WINDOWS)
    until = time.monotonic() + 60
    while True:
        now = time.time()
        found = prometheus.ask("query_exemplars", query=asked, start=str(now - 600), end=str(now + 60))
        calls = [one["labels"] for series in found for one in series["exemplars"]]
        if calls:
            break
        assert time.monotonic() < until, asked
        time.sleep(1)
    assert all(len(one["trace_id"]) == 32 and len(one["span_id"]) == 16 for one in calls)


@pytest.mark.parametrize("name", OF_METRICS)
def test_the_links_labels_are_on_the_series(prometheus, name):
    """A link by a label that is not there chooses nothing."""
    for panel in (panel for panel in panels(DASHBOARDS[name]) if panel.get("targets")):
        linked = set(
            re.findall(r"__(?:field\.labels|data\.fields)\.(\w+)}", json.dumps(panel["fieldConfig"]))
        )
        if not linked or OF_COLLECTORS.match(panel["title"]):
            continue
        asked = [target for target in panel["targets"] if "{{" in target["legendFormat"]] or panel["targets"]
        for target in asked:
            for series in prometheus.shown.get(target["expr"], ()):
                assert linked <= set(series["metric"]), (panel["title"], linked, series["metric"])


@pytest.mark.parametrize("variable", CHOICES, ids=lambda variable: variable["name"])
def test_the_variable_has_something_to_choose(prometheus, variable):
    """An empty list of services is the first thing a newcomer would see."""
    selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
    arguments = {"match[]": concrete(selector, VARIABLES, substitutes=WINDOWS)}
    assert prometheus.ask(f"label/{label}/values", **arguments)


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note["name"])
def test_the_annotation_is_a_query_prometheus_takes(prometheus, note):
    """An annotation with a mistake in it is silent. Nothing is old enough here for a new version."""
    found = prometheus.query(note["expr"])
    until = time.monotonic() + 60
    while not found and note["name"] != "New model version" and time.monotonic() < until:
        time.sleep(1)
        found = prometheus.query(note["expr"])
    assert bool(found) == (note["name"] != "New model version"), found


def test_the_numbers_are_those_of_the_workload(prometheus):
    """Not empty is not yet right: shares that were made to fail, failed."""
    by_title = {(name, title): target["expr"] for name, title, target in reversed(QUERIES)}

    def value(board: str, title: str) -> float:
        until = time.monotonic() + 60
        while not (found := prometheus.query(by_title[f"{board}.json", title])):
            assert time.monotonic() < until, title
            time.sleep(1)
        return float(found[0]["value"][1])

    # Every third run of one agent of several, the kind that fails most; a few in a hundred predictions.
    assert 0.05 < value("overview", "Failed calls") < 0.5
    assert 0 < value("drift", "Failed predictions") < 0.06
    assert value("overview", "Drifting features") == 1
    assert value("drift", "Drifting, all together") == 1
    assert value("overview", "Cost per hour") > 0
    assert value("overview", "Firing alerts") > 0
    assert value("cost", "Budget spent") > 0.9
    assert 0 < value("pipeline", "Lost in services") < 1
    assert value("pipeline", "Set aside") == 0
    assert value("agents", "Runs with over 64 tool calls") > 0
    assert 0 < value("slo", "Calls that succeed") < 1
    assert value("serving", "Triton: time in the queue, mean") == pytest.approx(0.002, rel=0.2)
    assert value("serving", "GPUs with errors") == 0

"""Every panel has something to show: the real SDK, the real server, a real Prometheus.

No panel is excused: where nothing happened, zero is shown or the workload makes it happen.
"""

import contextlib
import json
import math
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlobs.dashboards import build
from mlobs.dashboards.lint import concrete
from tests.parts import require
from tests.processes import free_port, process, server, wait_for

pytestmark = pytest.mark.slow

TOP = Path(__file__).parents[2]
SECONDS = 12
WINDOWS = {"$__rate_interval": "20s", "$__interval": "1s", "$__range": "1m"}

DASHBOARD = json.loads(build.build()["overview.json"])
VARIABLES = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target) for panel in PANELS for target in panel["targets"]]


@dataclass
class Prometheus:
    """A Prometheus that has scraped while the workload ran."""

    url: str

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of one answer of its HTTP API."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=30) as answer:
            return json.load(answer)["data"]


def configuration(folder: Path, target: str) -> Path:
    """Write the configuration that ships, scraping `target` each second."""
    made = yaml.safe_load((TOP / "docker/prometheus.yml").read_text())
    made["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    made["scrape_configs"][0]["static_configs"] = [{"targets": [target.removeprefix("http://")]}]
    made["rule_files"] = [str(TOP / "alerts/mlobs.rules.yml")]
    del made["alerting"]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(made))
    return path


@contextlib.contextmanager
def often() -> Iterator[None]:
    """Have servers look at a fleet's drift, and at answers and budgets, as often as Prometheus scrapes."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MLOBS_DRIFT_INTERVAL_S", "1")
        patched.setenv("MLOBS_ALERT_FIGURES_INTERVAL_S", "1")
        patched.setenv("MLOBS_ALERT_BUDGET_USD", "1000")
        patched.setenv("MLOBS_ALERT_WEBHOOK_URL", f"http://127.0.0.1:{free_port()}/nobody")
        patched.setenv("MLOBS_ALERT_WEBHOOK_SECRET", "not a secret")
        yield


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Scrape the server while a program of a user's runs and somebody sends it rubbish."""
    program = require("prometheus")
    folder = tmp_path_factory.mktemp("stack")
    address = f"127.0.0.1:{free_port()}"
    with often(), server(folder) as url:
        command = [
            program,
            f"--config.file={configuration(folder, url)}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={address}",
            "--enable-feature=exemplar-storage",
        ]
        with process(*command, log=folder / "prometheus.log"):
            wait_for(f"http://{address}/-/ready", folder / "prometheus.log")
            rubbish = urllib.request.Request(
                f"{url}/v1/traces", data=b"not OTLP", headers={"Content-Type": "application/x-protobuf"}
            )
            webhook = urllib.request.Request(f"{url}/api/alerts/receive", data=b"neither signed nor JSON")
            for wrong in (rubbish, webhook):
                with pytest.raises(urllib.error.HTTPError, match=r"4[0-9][0-9]"):
                    urllib.request.urlopen(wrong, timeout=10)
            work = [sys.executable, "-m", "tests.workload", url, str(SECONDS)]
            done = subprocess.run(work, cwd=TOP, capture_output=True, text=True, check=False, timeout=120)
            assert done.returncode == 0, done.stderr
            time.sleep(3)  # the last spans are loaded, and scraped twice
            yield Prometheus(f"http://{address}")


@pytest.mark.parametrize(("title", "target"), QUERIES, ids=[f"{t}-{q['refId']}" for t, q in QUERIES])
def test_the_panel_shows_something(prometheus, title, target):
    """A panel without data on a day when everything happened will not have any on a bad day."""
    expr = concrete(target["expr"], VARIABLES, substitutes=WINDOWS)
    found = prometheus.ask("query", query=expr)["result"]
    assert found, expr
    values = [float(series["value"][1]) for series in found]
    assert all(math.isfinite(value) for value in values), (expr, values)
    for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
        assert all(label in series["metric"] for series in found), (label, found)


@pytest.mark.parametrize("variable", VARIABLES[1:])
def test_the_variable_has_something_to_choose(prometheus, variable):
    """An empty list of services is the first thing a newcomer would see."""
    chosen = next(v for v in DASHBOARD["templating"]["list"] if v["name"] == variable)
    selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", chosen["definition"]).groups()
    arguments = {"match[]": concrete(selector, VARIABLES, substitutes=WINDOWS)}
    assert prometheus.ask(f"label/{label}/values", **arguments)


@pytest.mark.parametrize("note", DASHBOARD["annotations"]["list"], ids=lambda note: note["name"])
def test_the_annotation_is_a_query_prometheus_takes(prometheus, note):
    """An annotation with a mistake in it is silent."""
    prometheus.ask("query", query=concrete(note["expr"], VARIABLES, substitutes=WINDOWS))


def test_the_numbers_are_those_of_the_workload(prometheus):
    """Not empty is not yet right: shares that were made to fail, failed."""
    by_title = {panel["title"]: panel["targets"][0]["expr"] for panel in PANELS}

    def value(title: str) -> float:
        expr = concrete(by_title[title], VARIABLES, substitutes=WINDOWS)
        return float(prometheus.ask("query", query=expr)["result"][0]["value"][1])

    assert 0 < value("Failed calls") < 0.2
    assert value("Failed predictions") == pytest.approx(0.02, abs=0.01)
    assert value("Drifting features") == 1
    assert value("Cost per hour") > 0
    assert value("Lost in the services") > 0

"""Stacks and bands are of the same series all the time: a range query of a real Prometheus.

promtool's tests ask for one moment, and this is about many.
"""

import json
import subprocess
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlobs.dashboards.layout import panels
from mlobs.dashboards.queries import SERIES_MAX
from tests.dashboards.boards import DASHBOARDS
from tests.parts import require
from tests.processes import free_port, process, wait_for

pytestmark = pytest.mark.slow

BEGAN, MINUTES = 1_700_000_000, 60
MANY = 20


def written() -> str:
    """Return an hour of many features and services; those that are large change at half-time."""
    lines = ["# TYPE mlobs_drift_alarm gauge"]
    late = range(0, MANY, 5)
    for one in range(MANY):
        lines += [
            f'mlobs_drift_alarm{{mlobs_feature="{one}"}} {int((one in late) == (minute > 30))}'
            f" {BEGAN + 60 * minute}"
            for minute in range(MINUTES + 1)
        ]
    lines.append("# TYPE mlobs_predict_duration_seconds_count counter")
    for one in range(MANY):
        count = 0
        for minute in range(MINUTES + 1):
            count += (one + 1) * (100 if (one in late) == (minute > 30) else 1)
            labels = f'service_name="{one}"'
            lines.append(f"mlobs_predict_duration_seconds_count{{{labels}}} {count} {BEGAN + 60 * minute}")
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Have a Prometheus whose past is written by hand."""
    folder: Path = tmp_path_factory.mktemp("past")
    (folder / "past.txt").write_text(written())
    (folder / "prometheus.yml").write_text("global: {}\n")
    made = [require("promtool"), "tsdb", "create-blocks-from", "openmetrics", "past.txt", "tsdb"]
    subprocess.run(made, cwd=folder, check=True, capture_output=True)
    address = f"127.0.0.1:{free_port()}"
    command = [
        require("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address={address}",
    ]
    with process(*command, log=folder / "prometheus.log"):
        wait_for(f"http://{address}/-/ready", folder / "prometheus.log")
        yield f"http://{address}"


def shown(url: str, board: str, title: str) -> Counter[str]:
    """Return how many moments of the hour each series of a panel has."""
    [panel] = [one for one in panels(DASHBOARDS[board]) if one["title"] == title]
    expr = panel["targets"][0]["expr"]
    for name, value in (("__rate_interval", "4m"), ("__range", "3600s"), ("__interval", "60s")):
        expr = expr.replace(f"${name}", value)
    for name in ("service", "provider", "model", "agent", "predictor"):
        expr = expr.replace(f"${name}", ".*")
    asked = {"query": expr, "start": BEGAN, "end": BEGAN + 60 * MINUTES, "step": 60}
    with urllib.request.urlopen(f"{url}/api/v1/query_range?{urllib.parse.urlencode(asked)}") as answer:
        found = json.load(answer)["data"]["result"]
    return Counter({json.dumps(one["metric"], sort_keys=True): len(one["values"]) for one in found})


@pytest.mark.parametrize(
    ("board", "title", "moments"),
    [
        ("overview.json", "Drift alarms", MINUTES + 1),
        ("drift.json", "Alarms", MINUTES + 1),
        ("overview.json", "Calls by service", MINUTES),  # A rate begins with the second sample.
    ],
)
def test_the_series_are_the_same_few_at_every_moment(prometheus, board, title, moments):
    """A hole in a band reads as a monitor that fell silent, and one in a stack as fewer calls."""
    found = shown(prometheus, board, title)
    assert len(found) == SERIES_MAX
    assert set(found.values()) == {moments}


def test_the_largest_of_each_moment_would_have_holes(prometheus, monkeypatch):
    """What is shown here really changes: without the care taken there are more series, and holes in them."""
    [panel] = [one for one in panels(DASHBOARDS["overview.json"]) if one["title"] == "Drift alarms"]
    steady = panel["targets"][0]["expr"]
    vector = steady[: steady.index(" and topk")]
    monkeypatch.setitem(panel["targets"][0], "expr", f"topk({SERIES_MAX}, {vector})")
    found = shown(prometheus, "overview.json", "Drift alarms")
    assert len(found) > SERIES_MAX
    assert min(found.values()) <= MINUTES / 2 + 1

"""Every dashboard is drawn: real data from the real SDK, server and Prometheus, real Chromium."""

import json
import re
import struct
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from mlobs import assets
from mlobs.cli import main
from tests.parts import require
from tests.processes import free_port, process, server, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TOP = Path(__file__).parents[2]
SECONDS = 10
# What Prometheus must have before dashboards are drawn: all runs, scraped twice, and an alert.
THERE = (
    'changes(gen_ai_invoke_agent_duration_seconds_count{service_name="support-bot"}[3s]) == 0',
    'count_over_time(gen_ai_invoke_agent_duration_seconds_count{service_name="support-bot"}[1m]) >= 2',
    'ALERTS{alertname="MlobsWatchdog", alertstate="firing"}',
)
HOSTILE = "<img src=x onerror=alert(1)>"


@dataclass
class Stack:
    """A server that has data, and a Prometheus that scraped it."""

    server: str
    prometheus: str


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Scrape a server each second while a program of a user's runs."""
    program = require("prometheus")
    folder = tmp_path_factory.mktemp("preview")
    address = f"127.0.0.1:{free_port()}"
    with server(folder) as url:
        scraped = {
            "job_name": "mlobs",
            "static_configs": [{"targets": [url.removeprefix("http://")], "labels": {"site": HOSTILE}}],
        }
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(TOP / "alerts/mlobs.rules.yml")],
            "scrape_configs": [scraped],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={address}",
        ]
        with process(*command, log=folder / "prometheus.log"):
            wait_for(f"http://{address}/-/ready", folder / "prometheus.log")
            work = [sys.executable, "-m", "tests.workload", url, str(SECONDS)]
            done = subprocess.run(work, cwd=TOP, capture_output=True, text=True, check=False, timeout=300)
            assert done.returncode == 0, done.stderr
            for there in THERE:
                until = time.monotonic() + 120
                while not answered(f"http://{address}", there):
                    assert time.monotonic() < until, there
                    time.sleep(0.5)
            yield Stack(url, f"http://{address}")


def answered(prometheus: str, query: str) -> bool:
    """Return whether a Prometheus has an answer to a query."""
    asked = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return bool(json.load(answer)["data"]["result"])


@dataclass
class Done:
    """What the command printed, and its exit status."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def preview(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run the command; its pages are in `tmp_path`."""

    def run(*arguments: str) -> Done:
        status = main(["dashboards", "preview", *arguments, "-o", str(tmp_path)])
        return Done(status, *capsys.readouterr())

    return run


def written(folder: Path, name: str, *panels: object, **parts: object) -> str:
    """Write a dashboard of these panels and return its path."""
    placed = [
        {"id": n, "title": f"panel {n}", "gridPos": {"x": 0, "y": 8 * n, "w": 24, "h": 8}, **panel}
        for n, panel in enumerate(panels)
    ]
    board = {
        "uid": "mine",
        "title": "Mine",
        "panels": placed,
        "templating": {"list": []},
        "annotations": {"list": []},
    }
    (folder / name).write_text(json.dumps({**board, **parts}))
    return str(folder / name)


def graph(expr: str, **more: object) -> dict[str, object]:
    source = {"type": "prometheus", "uid": "x"}
    return {"type": "timeseries", "targets": [{"refId": "A", "expr": expr, "datasource": source, **more}]}


def picture(path: Path) -> tuple[int, int, int]:
    """Return a PNG's width and height, and how many different rows of pixels it has."""
    data, place, parts = path.read_bytes(), 8, b""
    width, height = struct.unpack(">II", data[16:24])
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        if data[place + 4 : place + 8] == b"IDAT":
            parts += data[place + 8 : place + 8 + length]
        place += 12 + length
    pixels = zlib.decompress(parts)
    row = len(pixels) // height
    return width, height, len({pixels[at * row : (at + 1) * row] for at in range(height)})


def test_every_shipped_dashboard_is_drawn_and_no_query_is_refused(stack, preview, tmp_path):
    done = preview("--prometheus", stack.prometheus, "--clickhouse", stack.server, "--from", "now-1m")
    assert done.returncode == 0, done.stdout + done.stderr
    boards = [
        json.loads(file.read_text())
        for file in (assets.root() / "dashboards").iterdir()
        if file.name.endswith(".json")
    ]
    pages = {file.name: file.read_text() for file in tmp_path.glob("*.html")}
    assert len(pages) == len(boards)
    for text in pages.values():
        assert "<script" not in text
        assert 'class="problem"' not in text
    overview = pages["overview.html"]
    assert "support-bot" in overview
    assert overview.count("<path") > 20


def test_a_picture_has_the_whole_page(stack, preview, tmp_path):
    require("chromium")
    panels = [graph("up")] * 12
    file = written(tmp_path, "tall.json", *panels)
    for width, theme in ((1280, "dark"), (800, "light")):
        done = preview(
            file, "--prometheus", stack.prometheus, "--png", "--width", str(width), "--theme", theme
        )
        assert done.returncode == 0, done.stderr
        wide, high, rows = picture(tmp_path / "tall.png")
        assert wide == width
        assert high > 12 * 8 * 38, "panels are cut off at the bottom"
        assert rows > 100, "the picture is all of one colour"


def test_hostile_labels_are_text_on_the_page(stack, preview, tmp_path):
    table = graph("up", format="table", instant=True) | {"type": "table"}
    file = written(tmp_path, "hostile.json", graph("up", legendFormat="{{site}}"), table)
    done = preview(file, "--prometheus", stack.prometheus, "--from", "now-1m")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "hostile.html").read_text()
    assert "<img" not in text
    assert text.count("&lt;img src=x onerror=alert(1)&gt;") >= 2


def test_variables_are_asked_for_and_chosen(stack, preview, tmp_path):
    variable = {
        "name": "service",
        "type": "query",
        "query": {"query": "label_values(gen_ai_invoke_agent_duration_seconds_count, service_name)"},
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
    }
    panel = graph(
        'sum by (service_name) (gen_ai_invoke_agent_duration_seconds_count{service_name=~"$service"})'
    )
    file = written(tmp_path, "chosen.json", panel, templating={"list": [variable]})
    ask = [file, "--prometheus", stack.prometheus, "--from", "now-1m"]
    assert preview(*ask).returncode == 0
    assert ">All<" in (tmp_path / "chosen.html").read_text()
    assert "<path" in (tmp_path / "chosen.html").read_text()
    assert preview(*ask, "--variable", "service=nobody").returncode == 0
    assert "No data" in (tmp_path / "chosen.html").read_text()


def test_sql_is_asked_where_it_is_allowed_and_only_read(stack, preview, tmp_path):
    source = {"type": "grafana-clickhouse-datasource", "uid": "x"}
    reads = "SELECT ServiceName, count() AS Spans FROM otel_traces WHERE $__timeFilter(Timestamp) GROUP BY 1"

    def panel(sql: str) -> dict[str, object]:
        return {
            "type": "table",
            "targets": [{"refId": "A", "datasource": source, "rawSql": sql, "format": 1}],
        }

    file = written(tmp_path, "sql.json", panel(reads))
    ask = [file, "--prometheus", stack.prometheus, "--from", "now-10m"]
    done = preview(*ask)
    assert done.returncode == 0
    assert "no ClickHouse was asked" in (tmp_path / "sql.html").read_text()
    assert preview(*ask, "--clickhouse", stack.server).returncode == 0
    assert re.search(r">support-bot<.*?class=\"number\"", (tmp_path / "sql.html").read_text())
    written(tmp_path, "sql.json", panel("TRUNCATE TABLE otel_traces"))
    done = preview(*ask, "--clickhouse", stack.server)
    assert done.returncode == 1
    assert "sql: panel 0: Query A: ClickHouse refused the query" in done.stderr


def test_a_refused_query_is_said_and_the_others_are_drawn(stack, preview, tmp_path):
    file = written(tmp_path, "half.json", graph("sum(("), graph("up"))
    # Of an hour the steps are so wide that a young Prometheus may have one point, which is no line.
    done = preview(file, "--prometheus", stack.prometheus, "--from", "now-1m")
    assert done.returncode == 1
    assert "half: panel 0: Query A: Prometheus refused the query" in done.stderr
    text = (tmp_path / "half.html").read_text()
    assert "parse error" in text
    assert "<path" in text


def test_an_alert_is_marked(stack, preview, tmp_path):
    note = {
        "name": "Alerts",
        "enable": True,
        "expr": 'ALERTS{alertstate="firing"}',
        "iconColor": "red",
        "titleFormat": "{{alertname}}",
    }
    file = written(tmp_path, "alerts.json", graph("up"), annotations={"list": [note]})
    done = preview(file, "--prometheus", stack.prometheus, "--from", "now-1m")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "alerts.html").read_text()
    assert "Alerts: MlobsWatchdog from" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--prometheus", "http://127.0.0.1:1"], "No Prometheus answers at http://127.0.0.1:1"),
        (["--prometheus", "http://me:secret@127.0.0.1:1"], "No Prometheus answers at http://127.0.0.1:1"),
        (["--prometheus", "{server}"], "is no Prometheus"),
        (["--prometheus", "localhost:9090"], "begins with http:// or https://"),
        (["--clickhouse", "{prometheus}"], "does not speak ClickHouse's HTTP interface"),
        (["--clickhouse", "http://127.0.0.1:1"], "No ClickHouse answers at http://127.0.0.1:1"),
        (["overvew"], "Did you mean 'overview'?"),
        (["nothing.json"], "cannot be read"),
        (["--from", "yesterday"], "is no moment"),
        (["--width", "20"], "400 to 4000 pixels"),
        (["--variable", "service"], "NAME=VALUE was expected"),
        (["--variable", "sevice=a"], "Did you mean 'service'?"),
    ],
)
def test_what_cannot_be_done_gets_one_sentence(stack, preview, arguments, sentence):
    filled = [one.format(server=stack.server, prometheus=stack.prometheus) for one in arguments]
    given = filled if "--prometheus" in filled else [*filled, "--prometheus", stack.prometheus]
    done = preview(*given)
    assert done.returncode == 2, done.stdout
    assert sentence in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_a_missing_browser_gets_the_command_that_installs_it(stack, preview, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    done = preview("overview", "--prometheus", stack.prometheus, "--png")
    assert done.returncode == 2
    assert "sudo apt-get install chromium" in done.stderr.replace("\n", " ")

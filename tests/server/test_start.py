"""What a server that starts brings into memory."""

import json

import pytest

# Each takes megabytes; who asks for what needs one pays for it then. Without the `chdb` package, of which
# the engine's library is loaded alone, there are 40 MB less.
HEAVY = {
    "aiohttp", "chdb", "clickhouse_connect", "evidently", "grafana_client", "httpx", "jinja2", "lxml",
    "numpy", "opentelemetry.sdk", "pandas", "polars", "promql_parser", "pyarrow", "requests", "rich", "scipy",
    "sklearn", "sqlglot", "yaml",
}  # fmt: skip
STARTED = """
import json, sys
from mlobs.cli import parser
from mlobs.cli.figures import Figures
from mlobs.cli.serving import server_with_alerts
from mlobs.settings import AlertSettings, ServerSettings, load

parser()
alerts, begun = load(AlertSettings, interval_s=3600), []
with server_with_alerts(load(ServerSettings, port=0, data=folder), alerts, begun.append) as server:
    begun[0].evaluate()
    Figures(alerts).find(server)
    print(json.dumps(sorted(sys.modules)))
"""
LAID_OUT_OTHERWISE = """
import sys

sys.path.insert(0, str(folder))
from mlobs.server.embedded import library

print(library().connect)
"""
BESIDE_THE_PACKAGE = """
import chdb
from mlobs.server.embedded import library
from mlobs.server.store import Store

assert library() is chdb._chdb
store = Store(folder, memory_bytes_max=1 << 30, query_seconds_max=10)
print(store.query("SELECT count() AS spans FROM otel_traces"))
store.close()
"""


@pytest.fixture
def in_a_folder(run_program, tmp_path):
    """Run a program of its own that knows a folder."""
    return lambda code: run_program(f"from pathlib import Path\nfolder = Path({str(tmp_path)!r})\n{code}")


@pytest.mark.slow
def test_a_server_at_rest_has_loaded_no_heavy_package(in_a_folder):
    """Its rules evaluated and its figures found, as they are once a minute when nobody asks for anything."""
    done = in_a_folder(STARTED)
    assert done.returncode == 0, done.stderr
    assert HEAVY & set(json.loads(done.stdout)) == set()


def test_an_engine_of_another_layout_is_imported_whole(in_a_folder, tmp_path):
    """A release that moves its library costs memory, and breaks nothing."""
    package = tmp_path / "chdb"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("connect = 'connects'\n")
    done = in_a_folder(LAID_OUT_OTHERWISE)
    assert (done.stdout, done.stderr) == ("connects\n", "")


@pytest.mark.slow
def test_a_program_that_has_imported_the_engine_keeps_its_library(in_a_folder):
    """The library in one process twice would be two engines on one folder."""
    done = in_a_folder(BESIDE_THE_PACKAGE)
    assert (done.stdout, done.stderr) == ("[{'spans': 0}]\n", "")

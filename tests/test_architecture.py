"""The shape of the house: who imports whom, how large files grow, what an import costs."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SLOW_FILE

PACKAGE = Path(__file__).parent.parent / "mlobs"
FILES = sorted(PACKAGE.rglob("*.py"))
TOP = PACKAGE.parent
ALL = [*FILES, *sorted(path for folder in ("tests", "benchmarks") for path in (TOP / folder).rglob("*.py"))]
FLOOR = {
    "semconv", "settings", "thresholds", "errors", "assets", "prices",
    "_addresses", "_clickhouse", "_endings", "_extras", "_guard", "_listening", "_refusals", "_secret_files",
    "_uvicorn",
}  # fmt: skip
ROOMS = {"instrument", "drift", "server", "dashboards", "alerts", "evaluate"}
DOOR = {"__init__", "__main__", "cli", "testing"}
EDGE = {
    "dashboards/preview/picture.py",
    "dashboards/preview/sources.py",
    "dashboards/grafana/client.py",
    "instrument/annotate.py",
    "instrument/astray.py",
    "instrument/baggage.py",
    "instrument/calls.py",
    "instrument/content/media.py",
    "instrument/context.py",
    "instrument/provider.py",
    "instrument/measures.py",
    "instrument/notes.py",
    "instrument/outbox.py",
    "instrument/log_queue.py",
    "instrument/records.py",
    "instrument/tallies.py",
    "instrument/carrying.py",
    "instrument/export.py",
    "instrument/failures.py",
    "instrument/halving.py",
    "instrument/transport/answers.py",
    "instrument/transport/grpc.py",
    "instrument/transport/http.py",
    "instrument/transport/sessions.py",
    "instrument/transport/silence.py",
    "instrument/transport/spool.py",
    "instrument/init.py",
    "instrument/middleware/asgi.py",
    "instrument/middleware/celery.py",
    "instrument/middleware/crossing.py",
    "instrument/middleware/grpc.py",
    "instrument/middleware/grpc_client.py",
    "instrument/middleware/grpc_server.py",
    "instrument/middleware/mcp.py",
    "instrument/middleware/messages.py",
    "instrument/middleware/requests.py",
    "instrument/middleware/wsgi.py",
    "instrument/propagation.py",
    "instrument/recorders.py",
    "instrument/scrubbing.py",
    "instrument/sessions.py",
    "instrument/absorption.py",
    "instrument/activation.py",
    "instrument/arrivals.py",
    "instrument/gaps.py",
    "instrument/natives.py",
    "instrument/starting.py",
    "instrument/suppression.py",
    "drift/lifetime.py",
    "drift/meter.py",
    "drift/monitor.py",
    "drift/readers.py",
    "drift/sources/clickhouse.py",
    "drift/sources/spool.py",
    "drift/streams/claims.py",
    "drift/streams/statefile.py",
    "drift/writing.py",
    "server/app.py",
    "server/ask/console.py",
    "server/ask/otlp.py",
    "server/ask/routes.py",
    "server/ask/sql_routes.py",
    "server/costs/routes.py",
    "server/ledger/routes.py",
    "server/client.py",
    "server/clickhouse/desk.py",
    "server/clickhouse/endpoint.py",
    "server/clickhouse/port.py",
    "server/clickhouse/remote.py",
    "server/clickhouse/sessions.py",
    "server/clickhouse/store.py",
    "server/journal.py",
    "server/pages/login.py",
    "server/pages/models/money.py",
    "server/pages/models/routes.py",
    "server/pages/overview/routes.py",
    "server/pages/sessions/routes.py",
    "server/pages/setup/routes.py",
    "server/pages/trace/routes.py",
    "server/pages/traces/routes.py",
    "server/pages/alerts/routes.py",
    "server/pages/drift/routes.py",
    "server/pages/users/routes.py",
    "server/values.py",
    "server/counts.py",
    "server/embedded.py",
    "server/engine.py",
    "server/loader.py",
    "server/listener.py",
    "server/web.py",
    "server/points.py",
    "server/receive/grpc.py",
    "server/receive/http.py",
    "server/receive/memory.py",
    "server/receive/messages.py",
    "server/receive/quotas.py",
    "server/receive/receiver.py",
    "server/store.py",
    "server/unanswered.py",
    "server/serve.py",
    "server/splitting.py",
    "server/upkeep/backup.py",
    "server/upkeep/keeper.py",
    "server/upkeep/removing.py",
    "evaluate/scores.py",
    "alerts/alerting.py",
    "alerts/delivery.py",
    "alerts/forgetting.py",
    "alerts/departed.py",
    "alerts/evaluator.py",
    "alerts/history.py",
    "alerts/inherited.py",
    "alerts/outbox.py",
    "alerts/routewatch.py",
    "alerts/rulewatch.py",
    "alerts/receive/again.py",
    "alerts/receive/by_hand.py",
    "alerts/receive/endpoint.py",
    "alerts/receive/inbox.py",
    "alerts/receive/ledger.py",
    "alerts/routing/dispatcher.py",
    "alerts/routing/memory.py",
    "alerts/telling.py",
    "alerts/outbox_schema.py",
    "alerts/sinks/command.py",
    "alerts/sinks/deadline.py",
    "alerts/sinks/dialing.py",
    "alerts/sinks/function.py",
    "alerts/sinks/mail.py",
    "alerts/sinks/posting.py",
    "alerts/sinks/secret.py",
}
WORLD = {
    "asyncio", "http", "logging", "opentelemetry", "os", "random", "requests", "socket", "sqlite3",
    "subprocess", "threading", "time", "urllib3",
}  # fmt: skip


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def imported(path: Path) -> set[str]:
    """Return every dotted name that `path` imports, `from x import y` as x.y."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_imports_point_downwards():
    """A room sees itself and the floor. Only the door sees every room."""
    seen = {}
    for path in FILES:
        where = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        ours = {name.split(".")[1] for name in imported(path) if name.startswith("mlobs.")}
        assert where in FLOOR | ROOMS | DOOR, f"{where} is neither floor, room nor door"
        if where not in DOOR:
            seen[name_of(path)] = ours - FLOOR - ({where} & ROOMS)
    assert {name: above for name, above in seen.items() if above} == {}


def test_only_edge_files_touch_the_world():
    """Everything else is data in, data out, and can be tested with a literal."""
    pure = [path for path in FILES if name_of(path).split("/")[0] in ROOMS and name_of(path) not in EDGE]
    touched = {name_of(path): {name.split(".")[0] for name in imported(path)} & WORLD for path in pure}
    assert {name: world for name, world in touched.items() if world} == {}


def test_every_edge_file_exists():
    """A list that names files long gone guards nothing."""
    assert {name for name in EDGE if not (PACKAGE / name).exists()} == set()


def test_no_file_or_function_grows_without_end():
    """A file over 400 lines or a function over 70 has two things in it, also where it tests or measures."""
    beyond = {}
    for path in ALL:
        name = path.relative_to(TOP).as_posix()
        beyond[name] = len(path.read_text().splitlines()) - 400
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                beyond[f"{name}:{node.lineno} {node.name}"] = lines - 70
    assert {name: lines for name, lines in beyond.items() if lines > 0} == {}


@pytest.mark.parametrize(
    ("said", "slow"),
    [
        ("pytestmark = pytest.mark.slow", True),
        ("pytestmark = [pytest.mark.slow, pytest.mark.timeout(9)]", True),
        ("pytestmark = [\n    pytest.mark.timeout(9),\n    pytest.mark.slow,\n]", True),
        ("pytestmark = [\n    pytest.mark.timeout(9),\n]\n\n\n@pytest.mark.slow\ndef test_x(): ...", False),
        ("@pytest.mark.slow\ndef test_x(): ...", False),
    ],
)
def test_a_file_of_slow_tests_alone_is_known_by_its_mark(said, slow):
    """Else the fast tests wait for what it imports."""
    assert bool(SLOW_FILE.search(f"import pytest\n\n{said}\n")) is slow


def test_what_tests_share_is_in_no_test_file():
    """Else whoever looks for a helper must know which test needed it first."""
    shared = {path.relative_to(TOP).as_posix(): {n for n in imported(path) if ".test_" in n} for path in ALL}
    assert {name: theirs for name, theirs in shared.items() if theirs} == {}


def test_no_room_is_empty():
    """A room without a file of its own is a promise nobody keeps."""
    for room in ROOMS:
        assert [path for path in (PACKAGE / room).glob("*.py") if path.name != "__init__.py"], room


def test_import_mlobs_loads_no_heavy_package():
    """A tracing library that is slow to import gets removed from command lines."""
    code = "import mlobs, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"numpy", "chdb", "pyarrow", "pandas", "opentelemetry.sdk", "pydantic", "rich", "requests"}
    assert heavy & set(loaded.split()) == set()

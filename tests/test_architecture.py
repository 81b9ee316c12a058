"""The shape of the house: who imports whom, how large files grow, what an import costs."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "mlobs"
FILES = sorted(PACKAGE.rglob("*.py"))
FLOOR = {
    "semconv", "settings", "thresholds", "errors", "assets", "prices",
    "_extras", "_guard", "_refusals", "_secret_files",
}  # fmt: skip
ROOMS = {"instrument", "drift", "server", "dashboards", "alerts", "evaluate"}
DOOR = {"__init__", "__main__", "cli", "testing"}
EDGE = {
    "dashboards/preview/picture.py",
    "dashboards/preview/sources.py",
    "dashboards/grafana/client.py",
    "instrument/annotate.py",
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
    "instrument/endings.py",
    "instrument/carrying.py",
    "instrument/export.py",
    "instrument/failures.py",
    "instrument/halving.py",
    "instrument/transport/answers.py",
    "instrument/transport/grpc.py",
    "instrument/transport/http.py",
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
    "server/upkeep/keeper.py",
    "server/upkeep/removing.py",
    "evaluate/scores.py",
    "alerts/alerting.py",
    "alerts/delivery.py",
    "alerts/departed.py",
    "alerts/evaluator.py",
    "alerts/history.py",
    "alerts/inherited.py",
    "alerts/outbox.py",
    "alerts/routewatch.py",
    "alerts/rulewatch.py",
    "alerts/receive/again.py",
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
def imported(path: Path) -> set[str]:
    """Return every dotted name that `path` imports, `from x import y` as x.y."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_point_downwards(path):
    """A room sees itself and the floor. Only the door sees every room."""
    where = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("mlobs.")}
    assert where in FLOOR | ROOMS | DOOR, f"{where} is neither floor, room nor door"
    if where in FLOOR:
        assert ours <= FLOOR
    elif where in ROOMS:
        assert ours <= FLOOR | {where}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_edge_files_touch_the_world(path):
    """Everything else is data in, data out, and can be tested with a literal."""
    name = name_of(path)
    if name.split("/")[0] in ROOMS and name not in EDGE:
        assert not {n.split(".")[0] for n in imported(path)} & WORLD


def test_every_edge_file_exists():
    """A list that names files long gone guards nothing."""
    assert {name for name in EDGE if not (PACKAGE / name).exists()} == set()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_file_or_function_grows_without_end(path):
    """A file over 400 lines or a function over 70 has two things in it."""
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= 70, f"{node.name} has {lines} lines"


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

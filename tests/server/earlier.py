"""A store as an earlier release left it, for tests that run a program of their own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlobs.server.engine import Connection
from mlobs.server.store import Store

LIMITS = {"memory_bytes_max": 1 << 30, "query_seconds_max": 10}
CHATS = (
    "INSERT INTO otel_traces "
    "(Timestamp, TraceId, SpanId, SpanName, ServiceName, SpanAttributes, Duration) SELECT "
    "now() - toIntervalMinute(number), lower(hex(number)), toString(number), 'old', 'app', "
    "map('gen_ai.operation.name', 'chat', 'gen_ai.usage.input_tokens', '5'), 1000 + number "
    "FROM numbers(5000)"
)


def earlier(folder: Path, version: int, without: Sequence[str], spans: str) -> None:
    """Make a store of an earlier schema that holds spans.

    Args:
        folder: Where; it is made.
        version: Of the schema.
        without: The views and tables that it does not have yet.
        spans: The statement that fills it.
    """
    folder.mkdir()
    Store(folder, **LIMITS).close()
    store = Store(folder, **LIMITS)
    with store.writing() as connection:
        for name in without:
            connection.run(f"DROP TABLE IF EXISTS {name} SYNC")
        connection.run(
            f"ALTER TABLE schema_version DELETE WHERE Version > {version} SETTINGS mutations_sync = 2"
        )
        connection.run(spans)
    store.close()


@contextmanager
def ended_before(beginning: str) -> Iterator[None]:
    """End what is done inside before the first statement that begins so; fail if none does."""
    run, ended = Connection.run, False

    def ending(connection: Connection, statement: str, params: Any = None) -> Any:
        nonlocal ended
        if statement.startswith(beginning):
            ended = True
            raise KeyboardInterrupt
        return run(connection, statement, params)

    Connection.run = ending  # the process is the test's own
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        Connection.run = run
    assert ended, f"no statement begins with {beginning}"

"""Servers whose tables are elsewhere: in another server of ours, asked as a ClickHouse, or in a real one."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import pytest

from mlobs.server.clickhouse.address import address
from tests import processes
from tests.processes import free_port

REAL = "MLOBS_TEST_CLICKHOUSE"
WHY = (
    f"{REAL} names no ClickHouse; run {REAL}=clickhouse://user:password@host:8123 "
    f"pytest tests/server/clickhouse/test_elsewhere.py"
)


@dataclass
class Elsewhere:
    """A ClickHouse, and a database in it for one test."""

    store: str
    folder: Path
    port: int = 0
    started: Any = None

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask it what it holds, not through the server under test."""
        where = address(self.store)
        client = clickhouse_connect.get_client(
            host=where.host,
            port=where.port,
            username=where.user,
            password=where.password,
            secure=where.secure,
            autogenerate_session_id=False,
        )
        try:
            # By POST and in the body, as what may write asks.
            rows: list[tuple[Any, ...]] = client.query(statement.format(d=where.database)).result_rows
        finally:
            client.close()
        return rows

    @contextlib.contextmanager
    def server(self, name: str) -> Iterator[tuple[str, Any]]:
        """Run a server that keeps its tables there; yield its address and its process."""
        with up(self.folder / name, MLOBS_STORE=self.store) as (url, started):
            yield url, started


@contextlib.contextmanager
def up(folder: Path, **variables: str) -> Iterator[tuple[str, Any]]:
    """Run a server on folder/data; yield its address and its process."""
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "MLOBS_SEGMENT_SECONDS_MAX": "0.1", **variables}
    log = f"{uuid.uuid4().hex}.log"
    with processes.up(folder, log=log, probe="healthz", env=environment) as running:
        yield running


@contextlib.contextmanager
def ours(folder: Path, port: int) -> Iterator[Any]:
    """Run the server that plays the ClickHouse."""
    variables = {"MLOBS_CLICKHOUSE_PORT": str(port), "MLOBS_CLICKHOUSE_WRITES": "1"}
    with up(folder / "clickhouse", **variables) as (_, started):
        yield started


@contextlib.contextmanager
def elsewhere(kind: str, folder: Path) -> Iterator[Elsewhere]:
    """Yield a ClickHouse with a database of its own."""
    database = f"test_{uuid.uuid4().hex[:12]}"
    if kind == "real":
        if not os.environ.get(REAL):
            pytest.skip(WHY)
        parts = urlsplit(os.environ[REAL])
        found = Elsewhere(parts._replace(path=f"/{database}").geturl(), folder)
        try:
            yield found
        finally:
            found.ask("DROP DATABASE IF EXISTS {d}")
        return
    port = free_port()
    with ours(folder, port) as started:
        yield Elsewhere(f"clickhouse://somebody:secret@127.0.0.1:{port}/{database}", folder, port, started)

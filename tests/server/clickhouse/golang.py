"""The Go client of ClickHouse, which Grafana's data source asks with."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.parts import require

MODULE = "github.com/ClickHouse/clickhouse-go/v2@v2.51.0"
SOURCE = Path(__file__).with_name("reader.go")


@dataclass(frozen=True)
class Reader:
    """The built program."""

    path: Path

    def read(
        self, url: str, statements: Sequence[str], *, password: str = "", compression: str = "gzip"
    ) -> list[dict[str, Any]]:
        """Return what the client read of each statement; one error if it did not connect."""
        where = urlsplit(url)
        done = subprocess.run(
            [str(self.path), where.netloc, where.path or "/", password, compression],
            input=json.dumps(list(statements)),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found


def built(folder: Path) -> Reader:
    """Build the program in a folder; skip the test where Go or the client cannot be had."""
    go = require("go")
    shutil.copy(SOURCE, folder / "main.go")
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}
    for command in (["mod", "init", "reader"], ["get", MODULE], ["build", "-o", "reader", "."]):
        done = subprocess.run(
            [go, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
        )
        if done.returncode:
            pytest.skip(f"clickhouse-go cannot be built here: {done.stderr.strip()[-200:]}")
    return Reader(folder / "reader")

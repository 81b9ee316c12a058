"""The servers that `ingest` compares: how each is installed, started and asked what it holds."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

from tests.processes import free_port

READY_SECONDS = 120


@dataclass
class Contender:
    """One server on an empty folder."""

    name: str
    package: str  # Installed into an environment of its own; the program of the same name is in there.
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""

    def command(self, bin_folder: Path, folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
        """Return the command and the variables it wants."""
        raise NotImplementedError

    def count(self, folder: Path) -> int:
        """Return how many spans a question would find."""
        raise NotImplementedError

    def start(self, environments: Path | None, folder: Path) -> subprocess.Popen[bytes]:
        """Start, and return when it listens."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command, variables = self.command(self.installed(environments), folder, port)
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            command, env={**os.environ, **variables}, stdout=log, stderr=log, cwd=folder
        )
        for _ in range(READY_SECONDS * 10):
            try:
                with closing(socket.create_connection(("127.0.0.1", port), timeout=1)):
                    return process
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        raise AssertionError(f"{self.name} did not start; its log: {(folder / 'log').read_text()[-2000:]}")

    def installed(self, environments: Path | None) -> Path:
        """Return the folder of its programs, after installing it where it is missing."""
        if environments is None:
            return Path(sys.executable).parent
        place = environments / self.package
        if not (place / "bin" / "pip").exists() and not (place / "bin" / "python").exists():
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
            subprocess.run([str(place / "bin" / "pip"), "install", "--quiet", self.package], check=True)
        return place / "bin"


class Mlobs(Contender):
    """This server, from the environment that runs the benchmark."""

    def installed(self, environments: Path | None) -> Path:
        """Return where this Python is."""
        return Path(sys.executable).parent

    def command(self, bin_folder: Path, folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
        """Return the command."""
        run = [str(bin_folder / "python"), "-m", "mlobs", "up", "--port", str(port), "--grpc-port", "0"]
        return [*run, "--data", str(folder / "data")], {}

    def count(self, folder: Path) -> int:
        """Return what SQL counts."""
        body = json.dumps({"query": "SELECT count() AS n FROM otel_traces", "format": "jsonl"}).encode()
        asked = Request(f"{self.url}/api/sql", body, {"Content-Type": "application/json"})
        with urlopen(asked) as answer:
            found: int = json.loads(answer.read())["n"]
        return found


class Phoenix(Contender):
    """Arize Phoenix on SQLite."""

    def command(self, bin_folder: Path, folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
        """Return the command."""
        return [str(bin_folder / "phoenix"), "serve"], {
            "PHOENIX_WORKING_DIR": str(folder),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(free_port()),
        }

    def count(self, folder: Path) -> int:
        """Return the rows of its table."""
        return rows(folder / "phoenix.db")


class MLflow(Contender):
    """MLflow's tracking server on SQLite."""

    def command(self, bin_folder: Path, folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
        """Return the command."""
        places = [
            "--backend-store-uri",
            f"sqlite:///{folder}/m.db",
            "--artifacts-destination",
            str(folder / "a"),
        ]
        return [str(bin_folder / "mlflow"), "server", *places, "--host", "127.0.0.1", "--port", str(port)], {}

    def count(self, folder: Path) -> int:
        """Return the rows of its table."""
        return rows(folder / "m.db")


def contenders(*, peers: bool) -> list[Contender]:
    """Return the servers."""
    ours: list[Contender] = [Mlobs("mlobs", "mlobs")]
    if not peers:
        return ours
    return [
        *ours,
        Phoenix("phoenix", "arize-phoenix"),
        MLflow("mlflow", "mlflow", {"x-mlflow-experiment-id": "0"}),
    ]


def rows(database: Path) -> int:
    """Return how many spans a SQLite database holds."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        found: int = connection.execute("SELECT count(*) FROM spans").fetchone()[0]
    return found

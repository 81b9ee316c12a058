"""What the demo runs on: the server, the model server and the webhook receiver, on free ports."""

import os
import re
import secrets
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from mlobs.cli.asking import ask
from mlobs.cli.demo.model_server import ModelServer
from mlobs.cli.demo.receiver import Receiver
from mlobs.errors import ServerError

START_S_MAX = 30
STOP_S_MAX = 15
UP_FLAGS = ("--port", "0", "--until-stdin-closes")


class Stage:
    """Everything that listens. Use it in a `with` statement.

    Args:
        folder: Where the server keeps its data.
    """

    def __init__(self, folder: Path) -> None:
        secret = secrets.token_hex(16)
        self.models = ModelServer()
        self.receiver = Receiver(secret)
        self.models_url = self.server_url = ""
        self._folder = folder
        self._log: list[str] = []
        self._listening = threading.Event()
        self._environment = {
            **os.environ,
            "MLOBS_ALERT_WEBHOOK_URL": self.receiver.url,
            "MLOBS_ALERT_WEBHOOK_SECRET": secret,
            "MLOBS_ALERT_INTERVAL_S": "1",
            "MLOBS_ALERT_HOLD_S": "0",  # a house would wait minutes; the demo has one
        }

    def __enter__(self) -> Self:
        with ExitStack() as started:  # what has started is stopped if the next does not
            started.callback(self.models.stop)
            self.models_url = self.models.start()
            self.receiver.start()
            started.callback(self.receiver.stop)
            # A process of its own, as in life: what the demo shows comes over HTTP.
            self._server = subprocess.Popen(
                [sys.executable, "-m", "mlobs", "up", *UP_FLAGS, "--data", str(self._folder)],
                env=self._environment,
                # Nobody writes to this pipe. The kernel closes it however the demo ends, kill -9
                # included, and the server ends with it, on every system that has pipes.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # Ctrl-C is for the demo, which stops the server last
            )
            started.callback(self._stop_server)
            threading.Thread(target=self._read, name="demo-server-log", daemon=True).start()
            if not self._listening.wait(START_S_MAX) or not self.server_url:
                said = " ".join(self._log) or "nothing"
                raise ServerError(f"The demo's server did not start. It said: {said}")
            self._started = started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._started.close()

    def _stop_server(self) -> None:
        self._server.terminate()
        try:
            self._server.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def ask(self, path: str) -> Any:
        """Return what the server's API answers."""
        return ask(self.server_url, path)

    def text(self, path: str) -> str:
        """Return a page of the server."""
        return requests.get(f"{self.server_url}{path}", timeout=10).text

    def opens(self, address: str | None) -> bool:
        """Return whether there is a page at an address."""
        return address is not None and requests.get(address, timeout=10).ok

    def _read(self) -> None:
        """Follow what the server prints; its first address says that it listens."""
        assert self._server.stdout is not None
        for line in self._server.stdout:
            self._log = [*self._log[-20:], line.strip()]
            found = re.search(r"http://[\w.:\[\]]+", line)
            if found and not self.server_url:
                self.server_url = found.group()
                self._listening.set()
        self._listening.set()

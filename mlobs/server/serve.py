"""Starts and stops everything: lock, store, journal, loaders, listener.

`Server(settings)` can be started in a program of its own (`mlobs up`) or in the background of
another (the demo, tests):

    with Server(load(ServerSettings, port=0, data=folder)) as server:
        ...                     # send OTLP to server.url
        server.drain()          # everything acknowledged so far can be asked for now
        server.store.query("SELECT count() AS spans FROM otel_traces", {})
"""

import fcntl
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.routing import BaseRoute

from mlobs.errors import ServerError, SettingError, StoreError
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric
from mlobs.server.app import LOOPBACK, create_app
from mlobs.server.counts import Counts
from mlobs.server.journal import Journal
from mlobs.server.loader import Loader
from mlobs.server.receivers import REQUESTS, Receiver, parses
from mlobs.server.splitting import finish_splits
from mlobs.server.store import Store
from mlobs.settings import ServerSettings

STOP_SECONDS = 10.0
GLOB_CHARACTERS = set("*?{}[]")

Sample = tuple[Metric, dict[str, str], float]
Background = Callable[["Server"], Callable[[], None]]


class Server:
    """The whole server.

    Args:
        settings: Port 0 takes a free one; `url` says which.
        routes: More routes; handlers find the store in `request.app.state.store`.
        background: Each is called with the started server and returns what stops it again.
    """

    store: Store
    url: str
    samples: Callable[[], Iterable[Sample]]  # More values for /metrics; whoever has some sets it.

    def __init__(
        self,
        settings: ServerSettings,
        *,
        routes: Sequence[BaseRoute] = (),
        background: Sequence[Background] = (),
    ) -> None:
        self.settings = settings
        self.samples = tuple
        self.counts = Counts()
        self._routes = routes
        self._background = background
        self._undo: list[Callable[[], None]] = []
        self._journals: dict[str, Journal] = {}
        self._loaders: dict[str, Loader] = {}

    def start(self) -> None:
        """Start; returns when requests are answered.

        Raises:
            SettingError: The host is not a loopback address, or the folder's name cannot be used.
            ServerError: The port or the folder is taken.
            StoreError: The folder cannot be written, or the store in it cannot be opened.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Answer what is being asked, load what was acknowledged, close. Twice is harmless."""
        while self._undo:
            self._undo.pop()()

    def drain(self, timeout_s: float = 60.0) -> None:
        """Wait until everything acknowledged before this call can be asked for.

        Raises:
            ServerError: It takes longer than `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        for sealed in [journal.seal() for journal in self._journals.values()]:
            sealed.result(timeout=max(0.0, deadline - time.monotonic()))
        for loader in self._loaders.values():
            if not loader.wait(max(0.0, deadline - time.monotonic())):
                why = f" The store says: {loader.failure}" if loader.failure else ""
                raise ServerError(
                    f"After {timeout_s:g} s, {loader.pending_bytes} bytes of {loader.signal} still wait "
                    f"for the store.{why}"
                )

    def failures(self) -> dict[str, str]:
        """Return what keeps the server from taking or loading data, by part."""
        parts = {f"journal.{signal}": journal.failure for signal, journal in self._journals.items()}
        parts |= {f"loader.{signal}": loader.failure for signal, loader in self._loaders.items()}
        found = {name: failure for name, failure in parts.items() if failure is not None}
        if self._pending_bytes() > self.settings.pending_bytes_max:
            found["pending"] = f"{self._pending_bytes()} journal bytes wait for the store."
        return found

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        settings = self.settings
        if settings.host not in LOOPBACK:
            raise SettingError(
                f"MLOBS_HOST={settings.host!r} cannot be used: the server listens on this machine only. "
                f"Use one of {', '.join(LOOPBACK)}."
            )
        data = settings.data.absolute()
        if GLOB_CHARACTERS.intersection(str(data)):
            raise SettingError(f"The folder {data} cannot be used: its name has one of * ? {{ }} [ ] in it.")
        self._lock(data)
        listening = self._listen()
        self.store = Store(
            data / "store",
            memory_bytes_max=settings.memory_bytes_max,
            query_seconds_max=settings.query_seconds_max,
        )
        self._undo.append(self.store.close)
        receivers = [self._signal(signal, data / "journal") for signal in REQUESTS]
        app = create_app(receivers, self.store, self.counts, self.failures, self._refresh, self._routes)
        self._serve(uvicorn.Server(_config(app)), listening)
        for begin in self._background:
            self._undo.append(begin(self))

    def _lock(self, data: Path) -> None:
        """Make the folders and hold them for this process."""
        try:
            (data / "journal").mkdir(parents=True, exist_ok=True)
            (data / "store").mkdir(exist_ok=True)
            lock = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(
                f"The folder {data} cannot be written: {error.strerror}. Choose another with --data."
            ) from error
        self._undo.append(lambda: os.close(lock))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServerError(
                f"Another server holds the folder {data}. Stop it, or choose another folder with --data."
            ) from None

    def _listen(self) -> socket.socket:
        host, port = self.settings.host, self.settings.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        self._undo.append(listening.close)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            raise ServerError(
                f"Port {port} on {host} cannot be listened on: {error.strerror}. "
                f"Choose another with --port; --port 0 takes a free one."
            ) from error
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{listening.getsockname()[1]}"
        return listening

    def _signal(self, signal: str, folder: Path) -> Receiver:
        settings = self.settings
        loader = self._loaders[signal] = Loader(signal, self.store, self.counts)
        journal = self._journals[signal] = Journal(
            folder,
            signal,
            loader.take,
            partial(parses, signal),
            segment_bytes_max=settings.segment_bytes_max,
            segment_seconds_max=settings.segment_seconds_max,
            behind=lambda: loader.pending_bytes > 0,
        )
        finish_splits(folder, signal)
        loader.start()
        self._undo.append(lambda: loader.stop(STOP_SECONDS))
        journal.start()
        self._undo.append(journal.stop)
        return Receiver(
            signal,
            journal,
            self.counts,
            self._pending_bytes,
            body_bytes_max=settings.body_bytes_max,
            pending_bytes_max=settings.pending_bytes_max,
        )

    def _serve(self, web: uvicorn.Server, listening: socket.socket) -> None:
        thread = threading.Thread(target=web.run, kwargs={"sockets": [listening]}, name="http", daemon=True)

        def end() -> None:
            web.should_exit = True
            thread.join()

        thread.start()
        self._undo.append(end)
        while not web.started:
            if not thread.is_alive():
                raise ServerError("The HTTP listener ended while it was starting; its log has the reason.")
            time.sleep(0.005)

    def _pending_bytes(self) -> int:
        return sum(loader.pending_bytes for loader in self._loaders.values())

    def _refresh(self) -> None:
        for signal, loader in self._loaders.items():
            self.counts.set(m.SERVER_PENDING_BYTES, signal, to=loader.pending_bytes)
        for metric, labels, value in self.samples():
            self.counts.set(metric, *labels.values(), to=value)


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # Starlette is an ASGI application; uvicorn's alias says less.
        http="httptools",
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=2048,
        timeout_graceful_shutdown=int(STOP_SECONDS),
    )

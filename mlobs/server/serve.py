"""Starts and stops everything: lock, store, journal, loaders, listener.

`Server(settings)` can be started in a program of its own (`mlobs up`) or in the background of
another (the demo, tests):

    with Server(load(ServerSettings, port=0, data=folder)) as server:
        ...                     # send OTLP to server.url
        server.drain()          # everything acknowledged so far can be asked for now
        server.store.query("SELECT count() AS spans FROM otel_traces", {})
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from starlette.routing import BaseRoute

from mlobs.errors import ServerError, SettingError, StoreError
from mlobs.semconv import loss
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric
from mlobs.server.access.guard import Guard
from mlobs.server.access.middleware import LOOPBACK
from mlobs.server.access.tokens import read_tokens
from mlobs.server.app import create_app
from mlobs.server.clickhouse.address import address
from mlobs.server.clickhouse.desk import Desk
from mlobs.server.clickhouse.endpoint import Endpoint
from mlobs.server.clickhouse.port import Port
from mlobs.server.clickhouse.store import RemoteStore
from mlobs.server.counts import Counts
from mlobs.server.journal import SET_ASIDE, Journal
from mlobs.server.ledger.routes import Held
from mlobs.server.listener import Listener
from mlobs.server.loader import Loader
from mlobs.server.receive.grpc import Exports
from mlobs.server.receive.memory import Memory
from mlobs.server.receive.messages import REQUESTS, check, items, parses
from mlobs.server.receive.quotas import Quotas
from mlobs.server.receive.receiver import BODIES_IN_FLIGHT, Receiver
from mlobs.server.splitting import finish_splits
from mlobs.server.store import Store
from mlobs.server.upkeep.backup import forget
from mlobs.server.upkeep.keeper import Keeper
from mlobs.server.upkeep.routes import upkeep_routes
from mlobs.server.web import STOP_SECONDS
from mlobs.settings import ServerSettings

GLOB_CHARACTERS = set("*?{}[]")

log = logging.getLogger("mlobs.server")

Sample = tuple[Metric, dict[str, str], float]
Background = Callable[["Server"], Callable[[], None]]


class Server:
    """The whole server.

    Args:
        settings: Port 0 takes a free one; `url` and `grpc_url` say which.
        routes: More routes; handlers find the store in `request.app.state.store`.
        background: Each is called with the started server and returns what stops it again.
    """

    store: Store
    url: str
    grpc_url: str
    clickhouse_url: str  # Of the port that speaks ClickHouse's HTTP interface; "" if there is none.
    routes: Sequence[BaseRoute]  # Everything that is answered, once it is started.
    samples: Callable[[], Iterable[Sample]]  # More values for /metrics; whoever has some sets it.
    tells: dict[str, Callable[..., Any]]  # What pages show of other parts: alerts, drift.

    def __init__(
        self,
        settings: ServerSettings,
        *,
        routes: Sequence[BaseRoute] = (),
        background: Sequence[Background] = (),
    ) -> None:
        self.settings = settings
        self.samples = tuple
        self.tells = {}
        self.counts = Counts()
        self._memory = Memory(BODIES_IN_FLIGHT * settings.body_bytes_max)
        self._quotas = Quotas(settings.tenant_bytes_per_s)
        self._routes = routes
        self._background = background
        self._undo: list[Callable[[], None]] = []
        self._journals: dict[str, Journal] = {}
        self._loaders: dict[str, Loader] = {}

    def start(self) -> None:
        """Start; returns when requests are answered.

        Raises:
            SettingError: The host is not a loopback address and there are no tokens; or the tokens, the
                certificate or the folder's name cannot be used.
            ServerError: A port or the folder is taken.
            StoreError: The folder cannot be written, or the store in it cannot be opened.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Answer what is being asked, load what was acknowledged, close. Twice is harmless."""
        with ExitStack() as left:  # All of them, whatever one raises.
            while self._undo:
                left.callback(self._undo.pop(0))

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

    def put(self, signal: str, body: bytes, timeout_s: float = 10.0) -> None:
        """Store an OTLP request that the server itself makes, as if it had arrived.

        Raises:
            StoreError: It cannot be written.
            TimeoutError: It is not written within `timeout_s`.
        """
        made = items(check(signal, body))
        self._journals[signal].append(body).result(timeout_s)
        self.counts.add(loss.SERVER_ITEMS_TAKEN, signal, "own", by=made)

    def failures(self) -> dict[str, str]:
        """Return what keeps the server from taking or loading data, by part."""
        parts = {f"journal.{signal}": journal.failure for signal, journal in self._journals.items()}
        parts |= {f"loader.{signal}": loader.failure for signal, loader in self._loaders.items()}
        parts["keeper"] = self._keeper.failure
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
        guard = self._guard()
        data = settings.data.absolute()
        if GLOB_CHARACTERS.intersection(str(data)):
            raise SettingError(f"The folder {data} cannot be used: its name has one of * ? {{ }} [ ] in it.")
        self._lock(data)
        listener = Listener(settings)
        self._undo.append(listener.stop)
        forget(data / "store")
        self.store = _store(settings, data)
        self._undo.append(self.store.close)
        receivers = [self._signal(signal, data / "journal") for signal in REQUESTS]
        self._keeper = Keeper(self.store, settings, self.counts)
        upkeep = upkeep_routes(
            self.store, self.drain, self._set_aside, [loader.pause for loader in self._loaders.values()]
        )
        desk = Desk(self.store, writes=settings.clickhouse_writes)
        self._undo.append(desk.close)
        spoken = Endpoint(desk, self._memory, writes=settings.clickhouse_writes).routes()
        routes = [*self._routes, *upkeep, *spoken]
        app = create_app(
            receivers, self.store, self.counts, self.failures, self._refresh, routes, guard=guard
        )
        app.state.tells = self.tells
        app.state.held, app.state.began_s = self._held, time.time()
        self.routes = app.routes
        listener.start(app, lambda: Exports(receivers, guard, self.counts))
        self._undo.append(listener.stop)
        self.clickhouse_url = ""
        if settings.clickhouse_port is not None:
            port = Port(settings)
            self._undo.append(port.stop)
            port.start(app)
            self.clickhouse_url = port.url
        self.url, self.grpc_url = listener.url, listener.grpc_url
        self._keeper.start()
        self._undo.append(self._keeper.stop)
        for begin in self._background:
            self._undo.append(begin(self))

    def _guard(self) -> Guard:
        tokens, host = self.settings.tokens, self.settings.host
        guard = Guard(read_tokens(tokens) if tokens else ())
        if host not in LOOPBACK and not guard.asks:
            raise SettingError(
                f"MLOBS_HOST={host!r} cannot be used without tokens: whoever reaches this machine could "
                f"read and send. Use one of {', '.join(LOOPBACK)}, or name a file of tokens in MLOBS_TOKENS."
            )
        if host not in LOOPBACK and self.settings.tls_certificate is None:
            log.warning("tokens and data travel unencrypted to %s: MLOBS_TLS_CERTIFICATE is not set", host)
        return guard

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

    def _signal(self, signal: str, folder: Path) -> Receiver:
        settings = self.settings
        loader = self._loaders[signal] = Loader(
            signal, self.store, self.counts, text_bytes_max=settings.attribute_bytes_max
        )
        journal = self._journals[signal] = Journal(
            folder,
            signal,
            loader.take,
            partial(parses, signal),
            segment_bytes_max=settings.segment_bytes_max,
            segment_seconds_max=settings.segment_seconds_max,
            behind=lambda: loader.behind,
        )
        finish_splits(folder, signal)
        loader.start()
        self._undo.append(lambda: loader.stop(STOP_SECONDS))
        journal.start()
        loader.inherited()
        self._undo.append(journal.stop)
        return Receiver(
            signal,
            journal,
            self.counts,
            self._pending_bytes,
            memory=self._memory,
            quotas=self._quotas,
            body_bytes_max=settings.body_bytes_max,
            pending_bytes_max=settings.pending_bytes_max,
        )

    def _held(self, signal: str) -> Held:
        """Return what was counted of a signal: in this order, so that what moves is not taken for lost."""
        taken = self.counts.by_last(loss.SERVER_ITEMS_TAKEN, signal)
        waiting = self._journals[signal].open_bytes + self._loaders[signal].pending_bytes
        settled = self.counts.by_last(loss.SERVER_ITEMS_SETTLED, signal)
        expired = sum(self.counts.by_last(m.SERVER_EXPIRED, signal).values())
        return Held(taken, settled, expired, waiting)

    def _set_aside(self) -> int:
        folder = self.settings.data.absolute() / "journal"
        return sum(1 for _ in folder.glob(f"*{SET_ASIDE}"))

    def _pending_bytes(self) -> int:
        return sum(loader.pending_bytes for loader in self._loaders.values())

    def _refresh(self) -> None:
        for signal, loader in self._loaders.items():
            self.counts.set(m.SERVER_PENDING_BYTES, signal, to=loader.pending_bytes)
        for metric, labels, value in self.samples():
            self.counts.set(metric, *labels.values(), to=value)


def _store(settings: ServerSettings, data: Path) -> Store:
    limits: dict[str, Any] = {
        "memory_bytes_max": settings.memory_bytes_max,
        "query_seconds_max": settings.query_seconds_max,
    }
    elsewhere = settings.store.get_secret_value()
    return RemoteStore(address(elsewhere), data, **limits) if elsewhere else Store(data / "store", **limits)

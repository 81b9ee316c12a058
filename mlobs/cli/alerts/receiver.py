"""A receiver of webhooks that is a process of its own: no store, no server, one SQLite file."""

import asyncio
import fcntl
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import uvicorn
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric as Family
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mlobs.alerts.receive.receiving import Receiving
from mlobs.alerts.telling import Telling
from mlobs.cli.alerts.mounted import PATH
from mlobs.cli.refusals import Refusals, of_webhooks
from mlobs.errors import ServerError, SettingError, StoreError
from mlobs.server.access.middleware import LOOPBACK
from mlobs.server.counts import Counts
from mlobs.server.exposition import of_server
from mlobs.server.web import configuration, listen
from mlobs.settings import AlertSettings, ReceiveSettings

FILE = "alerts-received.sqlite"


class Receiver:
    """Listens for webhooks and tells the sinks of what changed.

    Args:
        settings: Where to listen, and who may send.
        alerts: The sinks and routes.
        data: The folder of the file.
        clock: Seconds since 1970.
    """

    url: str

    def __init__(
        self,
        settings: ReceiveSettings,
        alerts: AlertSettings,
        data: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._alerts = alerts
        self._data = data
        self._clock = clock
        self._undo = ExitStack()

    def start(self) -> None:
        """Start; returns when webhooks are taken.

        Raises:
            SettingError: Nobody would be told, anybody could send, or a setting cannot be used.
            ServerError: The port or the folder is taken.
            StoreError: The folder cannot be written.
        """
        with ExitStack() as undo:
            self._start(undo)
            self._undo = undo.pop_all()

    def stop(self) -> None:
        """Answer what is being asked, write down what waits, end. Twice is harmless."""
        self._undo.close()

    def read_routes(self) -> None:
        """Read the file of routes again soon, even if it seems unchanged; safe in a signal handler."""
        self._telling.watch.ask()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, undo: ExitStack) -> None:
        host, port = self._settings.host, self._settings.port
        undo.callback(_lock(self._data))
        self._telling = Telling(self._alerts, self._data / FILE, self._clock)
        undo.callback(self._telling.stop)
        if not self._telling.tells:
            raise SettingError(
                "Nobody would be told: set MLOBS_ALERT_ROUTES to a file of sinks and routes, or "
                "MLOBS_ALERT_WEBHOOK_URL to one webhook."
            )
        receiving = self._receiving = Receiving(
            self._settings, self._telling.outbox, self._telling.dispatcher, self._clock
        )
        if host not in LOOPBACK and not receiving.authenticator.asks:
            raise SettingError(
                f"--host {host} cannot be used without a secret: whoever reaches this machine could send "
                f"alerts. Set MLOBS_ALERT_RECEIVE_SECRET (signatures), _TOKEN (bearer) or _BASIC "
                f"(name:password), or listen on {LOOPBACK[0]}."
            )
        listening = listen(host, port, "--port")
        undo.callback(listening.close)
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        self._telling.start()
        receiving.start()
        undo.callback(receiving.stop)
        undo.callback(Refusals(lambda: of_webhooks(receiving.samples())).begin())
        web = uvicorn.Server(configuration(self._app()))
        ready: Future[None] = Future()
        thread = threading.Thread(
            target=lambda: asyncio.run(_serve(web, listening, ready)), name="receiver", daemon=True
        )
        thread.start()
        ready.result()
        undo.callback(_stop, web, thread)

    def _app(self) -> Starlette:
        return Starlette(
            routes=[
                Route(PATH, self._receive, methods=["POST", "PUT"]),
                Route("/-/healthy", self._healthy),
                Route("/-/ready", self._ready),
                Route("/metrics", self._metrics),
            ],
            exception_handlers={Exception: _mistake},
        )

    async def _receive(self, request: Request) -> Response:
        if not self._receiving.authenticator.asks and not _is_local(request.headers.get("host", "")):
            # A page in a browser on this machine, whose name was made to point here.
            return JSONResponse({"error": "The Host header names another machine.", "status": 403}, 403)
        return await self._receiving.endpoint.receive(request)

    async def _healthy(self, _: Request) -> Response:
        return PlainTextResponse("healthy\n")

    async def _ready(self, _: Request) -> Response:
        if self._receiving.inbox.failure is not None:  # The sentence would show a stranger where the file is.
            return PlainTextResponse("Webhooks cannot be written down now; the log says why.\n", 503)
        return PlainTextResponse("ready\n")

    def _metrics(self, request: Request) -> Response:
        client = request.client
        near = client is not None and client.host in LOOPBACK and _is_local(request.headers.get("host", ""))
        if not near and not self._receiving.authenticator.knows(request.headers):
            return PlainTextResponse(
                "Beyond this machine, metrics want the credentials of webhooks: Authorization with "
                "MLOBS_ALERT_RECEIVE_TOKEN (bearer) or MLOBS_ALERT_RECEIVE_BASIC (name:password).\n",
                401,
                {"WWW-Authenticate": 'Bearer realm="mlobs alerts"'},
            )
        counts = Counts()
        for metric, labels, value in (*self._receiving.samples(), *self._telling.samples()):
            counts.set(metric, *labels.values(), to=value)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(counts))
        return PlainTextResponse(generate_latest(registry))


class _Families:
    """What prometheus_client asks for its lines."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Family]:
        """Return the families."""
        return of_server(self._counts)


def _lock(data: Path) -> Callable[[], None]:
    """Hold the folder for this process; return what lets it go."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = os.open(data / f"{FILE}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(
            f"The folder {data} cannot be written: {error.strerror}. Choose another with --data."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise ServerError(
            f"Another receiver holds the folder {data}. Stop it, or choose another folder with --data."
        ) from None
    return lambda: os.close(lock)


def _stop(web: uvicorn.Server, thread: threading.Thread) -> None:
    web.should_exit = True
    thread.join()


async def _serve(web: uvicorn.Server, listening: socket.socket, ready: "Future[None]") -> None:
    serving = asyncio.create_task(web.serve(sockets=[listening]))
    while not web.started:
        if serving.done():
            ready.set_exception(ServerError("The receiver ended while it started; its log has the reason."))
            return
        await asyncio.sleep(0.005)
    ready.set_result(None)
    await serving


def _is_local(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname in LOOPBACK
    except ValueError:
        return False


async def _mistake(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "The receiver made a mistake; its log has it.", "status": 500}, 500)

"""A port of its own for ClickHouse's HTTP interface, for clients that cannot be given a path."""

import asyncio
import threading
import time

import uvicorn
from starlette.applications import Starlette

from mlobs.errors import ServerError
from mlobs.server.clickhouse.front import Front
from mlobs.server.web import configuration, listen, shown
from mlobs.settings import ServerSettings

START_SECONDS = 30.0


class Port:
    """Holds the port from the moment it is made.

    Args:
        settings: The address, the port and the certificate.

    Raises:
        ServerError: The port is taken.
    """

    def __init__(self, settings: ServerSettings) -> None:
        host, port = settings.host, settings.clickhouse_port or 0
        self._settings = settings
        self._socket = listen(host, port, "MLOBS_CLICKHOUSE_PORT")
        scheme = "https" if settings.tls_certificate else "http"
        self.url = f"{scheme}://{shown(host)}:{self._socket.getsockname()[1]}"
        self._web: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self, app: Starlette) -> None:
        """Answer requests; returns when they are.

        Raises:
            ServerError: It does not start.
        """
        web = self._web = uvicorn.Server(
            configuration(
                Front(app, at_root=True),
                certificate=self._settings.tls_certificate,
                key=self._settings.tls_key,
            )
        )
        self._thread = threading.Thread(
            target=lambda: asyncio.run(web.serve(sockets=[self._socket])), name="clickhouse", daemon=True
        )
        self._thread.start()
        until = time.monotonic() + START_SECONDS
        while not web.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                raise ServerError("The port for ClickHouse's clients did not start; the log has the reason.")
            time.sleep(0.005)

    def stop(self) -> None:
        """Answer what is being asked, then end. Twice is harmless."""
        if self._thread is not None and self._web is not None:
            self._web.should_exit = True
            self._thread.join()
        self._socket.close()

"""Listens: HTTP and gRPC, with and without TLS, in one thread with one event loop.

One loop, so that what requests hold in memory is counted in one place, and one body is parsed
at a time.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from itertools import combinations
from pathlib import Path

import grpc
import uvicorn
from starlette.applications import Starlette

from mlobs.errors import ServerError, SettingError
from mlobs.server.receive.grpc import Exports, options
from mlobs.server.web import STOP_SECONDS, configuration, listen, shown, taken
from mlobs.settings import ServerSettings


class Listener:
    """Holds the port for HTTP from the moment it is made, so that nothing else has begun if it is taken.

    Args:
        settings: Addresses, ports and the certificate.

    Raises:
        ServerError: A port is taken, or the address is not this machine's.
        SettingError: The certificate cannot be used, or two ports are the same.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._certificate = certificate(settings)
        _check_ports(settings)
        self._socket = listen(settings.host, settings.port, "--port")
        try:
            # gRPC opens its port by itself, later. Asked for now, a taken one gets its sentence now.
            listen(settings.host, grpc_port(settings), "--grpc-port").close()
        except ServerError:
            self._socket.close()
            raise
        self.url = self._address(self._socket.getsockname()[1])
        self.grpc_url = ""  # Known when it listens.
        self._web: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self, app: Starlette, exports: Callable[[], Exports]) -> None:
        """Answer requests; returns when they are.

        Args:
            app: Answers HTTP.
            exports: Makes what answers gRPC; called in the event loop.

        Raises:
            ServerError: It cannot listen.
        """
        web = self._web = uvicorn.Server(
            configuration(app, certificate=self._settings.tls_certificate, key=self._settings.tls_key)
        )
        ready: Future[int] = Future()
        self._thread = threading.Thread(
            target=self._listen, args=(web, exports, ready), name="listener", daemon=True
        )
        self._thread.start()
        self.grpc_url = self._address(ready.result())

    def stop(self) -> None:
        """Answer what is being asked, then end. Twice is harmless."""
        if self._thread is not None and self._web is not None:
            self._web.should_exit = True
            self._thread.join()
        self._socket.close()

    def _listen(self, web: uvicorn.Server, exports: Callable[[], Exports], ready: "Future[int]") -> None:
        try:
            asyncio.run(self._run(web, exports, ready))
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)  # Raised where it was started, whatever it is: that is waited for.

    async def _run(self, web: uvicorn.Server, exports: Callable[[], Exports], ready: "Future[int]") -> None:
        calls = grpc.aio.server(options=options(self._settings.body_bytes_max))
        calls.add_generic_rpc_handlers((exports(),))
        try:
            port = self._bind(calls)
            await calls.start()
            serving = asyncio.create_task(web.serve(sockets=[self._socket]))
            while not web.started:
                if serving.done():
                    raise ServerError("The HTTP listener ended while it started; its log has the reason.")
                await asyncio.sleep(0.005)
            ready.set_result(port)
            await serving
        finally:
            await calls.stop(STOP_SECONDS)

    def _bind(self, calls: grpc.aio.Server) -> int:
        host, port = self._settings.host, grpc_port(self._settings)
        address = f"{shown(host)}:{port}"
        try:
            if self._certificate is None:
                return int(calls.add_insecure_port(address))
            return int(calls.add_secure_port(address, grpc.ssl_server_credentials([self._certificate])))
        except RuntimeError:
            raise taken(host, port, "it cannot be bound", "--grpc-port") from None

    def _address(self, port: int) -> str:
        return f"{'https' if self._certificate else 'http'}://{shown(self._settings.host)}:{port}"


def grpc_port(settings: ServerSettings) -> int:
    """Return the port to ask for: where any will do for HTTP, any will do for gRPC that was not named."""
    named = "grpc_port" in settings.model_fields_set
    return settings.grpc_port if named or settings.port else 0


def _check_ports(settings: ServerSettings) -> None:
    """Refuse a port that is to serve twice: taken by ourselves, nobody would know by whom."""
    ports = {
        "--port (MLOBS_PORT)": settings.port,
        "--grpc-port (MLOBS_GRPC_PORT)": grpc_port(settings),
        "MLOBS_CLICKHOUSE_PORT": settings.clickhouse_port,
    }
    for (one, port), (other, same) in combinations(ports.items(), 2):
        if port and port == same:
            raise SettingError(f"{one} and {other} are both {port}. Give each a port of its own.")


def certificate(settings: ServerSettings) -> tuple[bytes, bytes] | None:
    """Return the key and the certificate, in gRPC's order; None when there are none.

    Raises:
        SettingError: One is missing or unreadable, or they do not belong together.
    """
    chain, key = settings.tls_certificate, settings.tls_key
    if chain is None and key is None:
        return None
    if chain is None or key is None:
        given, missing = ("MLOBS_TLS_KEY", "MLOBS_TLS_CERTIFICATE")[:: 1 if chain is None else -1]
        raise SettingError(f"{given} is set and {missing} is not; TLS needs both, plain HTTP neither.")
    found = _contents(key, "MLOBS_TLS_KEY"), _contents(chain, "MLOBS_TLS_CERTIFICATE")
    try:
        # A key with a password would make it ask at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key, password="")
    except (OSError, ValueError) as error:  # SSLError is an OSError.
        raise SettingError(
            f"MLOBS_TLS_CERTIFICATE={str(chain)!r} and MLOBS_TLS_KEY={str(key)!r} cannot be used together: "
            f"{error}. A chain of certificates and its key, both PEM and without a password, were expected."
        ) from None
    return found


def _contents(path: Path, variable: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingError(f"{variable}={str(path)!r} cannot be read: {error.strerror}.") from error

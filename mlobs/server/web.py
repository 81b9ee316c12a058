"""How anything of ours listens for HTTP: the port, and how uvicorn is set up."""

import socket
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from mlobs.errors import ServerError

STOP_SECONDS = 10


def listen(host: str, port: int, flag: str) -> socket.socket:
    """Bind a port, so that nothing else has begun if it is taken.

    Args:
        host: An address of this machine.
        port: 0 takes a free one.
        flag: That of the command line, or the variable, which chooses the port.

    Raises:
        ServerError: The port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sends what it has at once. Without it, head and body of an
    # answer are two packets, and the second waits 40 ms for the client to acknowledge the first.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise taken(host, port, error.strerror or str(error), flag) from error
    return listening


def taken(host: str, port: int, why: str, flag: str) -> ServerError:
    """Return the error about a port that cannot be had."""
    return ServerError(
        f"Port {port} on {host} cannot be listened on: {why}. "
        f"Choose another with {flag}; {flag} 0 takes a free one."
    )


def shown(host: str) -> str:
    """Return a host as addresses have it.

    >>> shown("::1"), shown("127.0.0.1")
    ('[::1]', '127.0.0.1')
    """
    return f"[{host}]" if ":" in host else host


def configuration(
    app: ASGIApp, *, certificate: Path | None = None, key: Path | None = None
) -> uvicorn.Config:
    """Return how uvicorn serves `app`: quietly, and with an end that does not wait for ever."""
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=2048,
        timeout_graceful_shutdown=STOP_SECONDS,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )

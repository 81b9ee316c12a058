"""Connections of tests: what a port answers, byte by byte."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def listening(answer: Callable[[socket.socket], None], host: str = "127.0.0.1") -> Iterator[int]:
    """Listen on a free port until the end of the block; give the port.

    Args:
        answer: Called with each connection, which is closed behind it.
        host: Where to listen.
    """
    listener = socket.create_server((host, 0))

    def run() -> None:
        while True:
            try:
                came, _ = listener.accept()
            except OSError:
                return
            with came, suppress(OSError):  # Whoever came may leave at any time.
                answer(came)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()

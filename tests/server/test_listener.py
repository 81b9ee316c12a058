"""What keeps the server from listening is said where it is started."""

import threading
from typing import NoReturn

import grpc
import pytest
from starlette.applications import Starlette

from mlobs.server.listener import Listener
from mlobs.settings import ServerSettings, load


def test_what_nobody_foresaw_ends_the_start(monkeypatch):
    """Such as that no more files may be opened: the thread that listens ended, and was waited for."""

    def full(**_: object) -> NoReturn:
        raise OSError(24, "Too many open files")

    raised: list[str] = []

    def start() -> None:
        try:
            listener.start(Starlette(), lambda: pytest.fail("Nothing answers calls."))
        except OSError as error:
            raised.append(error.strerror)

    monkeypatch.setattr(grpc.aio, "server", full)
    listener = Listener(load(ServerSettings, port=0))
    thread = threading.Thread(target=start, daemon=True)
    thread.start()
    thread.join(60)
    listener.stop()
    assert raised == ["Too many open files"]

"""What uvicorn does with SIGTERM. Edge: asyncio, signals.

While a server of uvicorn runs, it handles SIGTERM: it answers what it has taken, then sets back the
handler that was there before and sends itself the signal again. Where the app is imported by the server
itself, as below `--workers`, that was the default action, and the process ends without `atexit`.
"""

import asyncio
import signal
import sys
from collections.abc import Callable
from typing import Any


def after_sigterm(handler: object, deliver: Callable[[], object]) -> None:
    """Have `deliver` called when the server that handles SIGTERM has stopped because of it.

    Args:
        handler: Of SIGTERM, as it is; nothing is done where it is not uvicorn's.
        deliver: Called in another thread, before the server sends itself the signal.
    """
    server: Any = getattr(handler, "__self__", None)
    module = sys.modules.get("uvicorn.server")
    if module is None or not isinstance(server, module.Server):
        return
    stop = server.shutdown

    async def stopping(*args: Any, **kwargs: Any) -> None:
        try:
            await stop(*args, **kwargs)
        finally:
            # Not public: tests watch that it stays, and another uvicorn must not be stopped by its absence.
            if signal.SIGTERM in getattr(server, "_captured_signals", ()):
                await asyncio.to_thread(deliver)

    server.shutdown = stopping

"""A real listener in front of real journals, without a store: as many as a test wants, in one process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import grpc
from starlette.routing import BaseRoute

from mlobs.server.access.guard import Guard
from mlobs.server.access.tokens import read_tokens
from mlobs.server.app import create_app
from mlobs.server.counts import Counts
from mlobs.server.framing import messages
from mlobs.server.journal import Journal
from mlobs.server.listener import Listener
from mlobs.server.receive.grpc import METHODS, Exports
from mlobs.server.receive.memory import Memory
from mlobs.server.receive.messages import REQUESTS, parses
from mlobs.server.receive.quotas import Quotas
from mlobs.server.receive.receiver import BODIES_IN_FLIGHT, Receiver
from mlobs.server.store import Store
from mlobs.settings import ServerSettings, load

BODY_BYTES_MAX = 200_000
NAMES = {signal: name for name, signal in METHODS.items()}


@dataclass
class Receiving:
    """What a test looks at."""

    url: str
    grpc_url: str
    counts: Counts
    memory: Memory
    journals: dict[str, Journal]
    routes: list[BaseRoute]

    def kept(self, signal: str = "traces") -> list[bytes]:
        """Return every message that the journal has."""
        self.journals[signal].seal().result(30)
        paths = Journal.segments(self.journals[signal].folder, signal)
        return [message for path in paths for message, _ in messages(path.read_bytes())]

    def refused(self, reason: str, signal: str = "traces") -> float:
        """Return how many requests were counted as refused for a reason."""
        return sum(
            value
            for metric, labels, value in self.counts.series()
            if metric.name == "mlobs.server.refused" and labels == (signal, reason)
        )

    def export(self, body: bytes, signal: str = "traces", **given: Any) -> bytes:
        """Send one call over gRPC."""
        with grpc.insecure_channel(
            self.grpc_url.partition("://")[2], compression=given.pop("compression", None)
        ) as channel:
            answer: bytes = channel.unary_unary(given.pop("method", NAMES[signal]))(body, timeout=30, **given)
            return answer


@contextmanager
def receiving(
    folder: Path,
    *,
    pending_bytes: Callable[[], int] = lambda: 0,
    routes: tuple[BaseRoute, ...] = (),
    failures: Callable[[], dict[str, str]] = dict,
    **given: Any,
) -> Iterator[Receiving]:
    """Run a listener on free ports until the block ends."""
    settings = load(ServerSettings, **{"port": 0, "body_bytes_max": BODY_BYTES_MAX, **given})
    guard = Guard(read_tokens(settings.tokens) if settings.tokens else ())
    counts, memory = Counts(), Memory(BODIES_IN_FLIGHT * settings.body_bytes_max)
    with ExitStack() as stack:
        journals = {}
        for signal in REQUESTS:
            journals[signal] = Journal(
                folder,
                signal,
                lambda _path: None,
                partial(parses, signal),
                segment_bytes_max=1 << 30,
                segment_seconds_max=60,
            )
            journals[signal].start()
            stack.callback(journals[signal].stop)
        receivers = [
            Receiver(
                signal,
                journal,
                counts,
                pending_bytes,
                memory=memory,
                quotas=Quotas(settings.tenant_bytes_per_s),
                body_bytes_max=settings.body_bytes_max,
                pending_bytes_max=1_000_000,
            )
            for signal, journal in journals.items()
        ]
        no_store = cast("Store", None)  # Nothing is asked here.
        app = create_app(receivers, no_store, counts, failures, lambda: None, routes, guard=guard)
        listener = Listener(settings)
        stack.callback(listener.stop)
        listener.start(app, lambda: Exports(receivers, guard, counts))
        yield Receiving(listener.url, listener.grpc_url, counts, memory, journals, app.routes)

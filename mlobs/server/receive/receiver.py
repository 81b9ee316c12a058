"""Takes bodies of one signal, whoever read them, and says what became of them."""

import asyncio
from collections.abc import Callable

from google.protobuf.message import Message

from mlobs.errors import PayloadError, StoreError
from mlobs.semconv import loss
from mlobs.semconv import metrics as m
from mlobs.server.counts import Counts
from mlobs.server.journal import Journal
from mlobs.server.receive import messages
from mlobs.server.receive.encodings import inflate
from mlobs.server.receive.memory import Held, Memory
from mlobs.server.receive.notation import from_json, weight
from mlobs.server.receive.quotas import Quotas
from mlobs.server.receive.refusals import LOSING, RefusedError

RECEIVED = "received"  # The origin of what senders sent.
BODIES_IN_FLIGHT = 8  # Times body_bytes_max is what all requests together may hold in memory.
INFLATING_MAX = 2  # At once for each signal; each has to be given room for the largest body.
PARSED_FACTOR = 2  # A parsed message takes about so many times its bytes, until it is looked at.


class Receiver:
    """What takes the bodies of one signal.

    Args:
        signal: traces, metrics or logs.
        journal: Where bodies go.
        counts: Where requests are counted.
        pending_bytes: How many journal bytes wait for the store now.
        memory: What all requests together may hold.
        quotas: What each tenant may send.
        body_bytes_max: Larger bodies are refused, before and after decompression.
        pending_bytes_max: With more than this waiting, bodies are refused for a while.
    """

    def __init__(
        self,
        signal: str,
        journal: Journal,
        counts: Counts,
        pending_bytes: Callable[[], int],
        *,
        memory: Memory,
        quotas: Quotas,
        body_bytes_max: int,
        pending_bytes_max: int,
    ) -> None:
        self.signal = signal
        self.memory = memory
        self._quotas = quotas
        self.body_bytes_max = body_bytes_max
        self._journal = journal
        self._counts = counts
        for reason in LOSING:  # From nought on, so that the first are seen to be more.
            counts.add(m.SERVER_REFUSED, signal, reason, by=0)
        self._pending_bytes = pending_bytes
        self._pending_bytes_max = pending_bytes_max
        self._inflating = asyncio.Semaphore(INFLATING_MAX)
        self._converting = asyncio.Semaphore(1)  # It is Python's own work, so two would only take turns.

    def admit(self, tenant: str) -> None:
        """Return if bodies of a tenant are taken now; asked before any of a body is read.

        Raises:
            RefusedError: The store is too far behind, or the tenant over its quota.
        """
        self._quotas.admit(tenant)
        pending = self._pending_bytes()
        if pending > self._pending_bytes_max:
            raise RefusedError(
                503,
                "pending",
                f"{pending} bytes wait for the store, {self._pending_bytes_max} may; try again soon.",
            )

    async def take(
        self, body: bytes, held: Held, *, tenant: str, encoding: str = "", notation: str = "protobuf"
    ) -> Message | None:
        """Store a body; return what the sender is to know of it: None when all of it was taken.

        Args:
            body: As it came.
            held: The request's memory, in which `body` is counted already.
            tenant: Whose it is.
            encoding: One of `encodings.ENCODINGS`, or "".
            notation: protobuf or json.

        Raises:
            RefusedError: It is not taken.
        """
        try:
            if encoding:
                body = await self._inflated(encoding, body, held)
            if notation == "json":
                body = await self._converted(body, held)
            held.take(PARSED_FACTOR * len(body))
            message = messages.check(self.signal, body)
            held.give_back(PARSED_FACTOR * len(body))
        except RefusedError:
            raise
        except PayloadError as error:
            raise RefusedError(400, "not_otlp", str(error)) from None
        answer, items = messages.partial(message), messages.items(message)
        del message  # One is alive at a time: nothing is awaited between its making and here.
        if answer is not None:
            self.refuse("unsupported")
        if body:
            self._quotas.charge(tenant, len(body))
            await self._write(body, held)
        self._counts.add(m.SERVER_RECEIVED, self.signal)
        self._counts.add(m.SERVER_RECEIVED_BYTES, self.signal, by=len(body))
        self._counts.add(loss.SERVER_ITEMS_TAKEN, self.signal, RECEIVED, by=items)
        return answer

    def refuse(self, reason: str) -> None:
        """Count a request that was not taken, or a part of one."""
        self._counts.add(m.SERVER_REFUSED, self.signal, reason)

    async def _inflated(self, encoding: str, body: bytes, held: Held) -> bytes:
        async with self._inflating:
            held.take(self.body_bytes_max)
            whole = await asyncio.to_thread(inflate, encoding, body, self.body_bytes_max)
            held.give_back(self.body_bytes_max + len(body) - len(whole))
        return whole

    async def _converted(self, body: bytes, held: Held) -> bytes:
        async with self._converting:
            needed = await asyncio.to_thread(weight, body)
            if needed > self.memory.bytes_max - len(body):
                raise RefusedError(
                    413,
                    "json_values",
                    f"The JSON body ({len(body)} bytes) has so many values that it would take about {needed} "
                    f"bytes of memory, and {self.memory.bytes_max} may be taken. Send smaller batches, send "
                    f"protobuf, or raise MLOBS_BODY_BYTES_MAX.",
                )
            held.take(needed)
            made = await asyncio.to_thread(from_json, messages.REQUESTS[self.signal], body)
            held.give_back(needed + len(body) - len(made))
        return made

    async def _write(self, body: bytes, held: Held) -> None:
        written = asyncio.wrap_future(self._journal.append(body))
        held.until(written)
        try:
            # Shielded: when the client leaves, the message is written all the same.
            await asyncio.shield(written)
        except StoreError as error:
            raise RefusedError(503, "journal", str(error)) from None

"""Messages that go through a queue: `send` where they leave, `receive` where they are worked on. Edge.

    with send("orders", system="kafka") as headers:
        producer.send("orders", value, headers=headers)

    for message in consumer:
        with receive(message):
            handle(message)

One message is worked on inside the trace of who sent it; a batch, which has many senders, in a
trace of its own that is linked to theirs. Why so: OpenTelemetry's conventions allow both for one
message, and only links for many.

Why no `for message in consume(consumer)`: a generator never learns that the loop's body failed.
"""

import functools
from types import TracebackType
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link

from mlobs import _guard
from mlobs.errors import SettingError
from mlobs.instrument.baggage import opened, session_in
from mlobs.instrument.context import close_scope, current, open_scope, switch
from mlobs.instrument.middleware.crossing import CONSUMER, PRODUCER, Crossing, begin, origin
from mlobs.instrument.middleware.envelopes import Envelope, is_batch, new_headers, put, read
from mlobs.instrument.propagation import arrived, inject
from mlobs.semconv import attributes as a

LINKS_MAX = 128  # OpenTelemetry's limit for one span; a batch may be larger


class _Block:
    """A `with` or `async with` block that is one crossing."""

    _crossing: Crossing

    def _enter(self, crossing: Crossing) -> None:
        self._crossing = crossing
        open_scope(self, current())
        switch(crossing.context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close_scope(self)
        self._crossing.finish(error)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


class send(_Block):  # noqa: N801 # read as a verb: with mlobs.send(...)
    """Send a message: `with mlobs.send("orders", system="kafka") as headers:`.

    The block gets the headers to send along: those given, with trace and session added.

    Args:
        destination: The topic or queue.
        headers: What is sent along anyway: a mapping or pairs. It is not changed.
        system: As `messaging.system` has it: "kafka" makes pairs of str and bytes, "aws_sqs"
            MessageAttributes, all others ("gcp_pubsub", "rabbitmq", "redis", ...) a dict of texts.

    Raises:
        SettingError: The headers are neither a mapping nor pairs.
    """

    def __init__(self, destination: str, headers: Any = None, *, system: str = "") -> None:
        self._destination = str(destination)
        self._system = str(system)
        try:
            self._headers = new_headers(self._system, headers)
        except (TypeError, ValueError):
            raise SettingError(
                f"send({destination!r}, headers={headers!r}) cannot be used: "
                f"a dict or a list of pairs was expected."
            ) from None

    def __enter__(self) -> Any:
        about = _about("send", self._system, self._destination)
        self._enter(begin(f"send {self._destination}", PRODUCER, about))
        setter = None if isinstance(self._headers, list) else functools.partial(put, self._system)
        return inject(self._headers, setter=setter)

    async def __aenter__(self) -> Any:
        return self.__enter__()


class receive(_Block):  # noqa: N801 # read as a verb: with mlobs.receive(...)
    """Work on a message: `with mlobs.receive(message):`.

    Args:
        message: What the client handed out (kafka-python, confluent-kafka, aiokafka, SQS, Pub/Sub, AMQP,
            NATS, an entry of a Redis stream), its headers as a mapping or pairs, or a list of messages.
        name: The topic or queue, where the message does not say.
        system: As `messaging.system` has it, where the message does not show.
        link: Whether the work has a trace of its own, linked to the sender's. Of one message it has
            not, unless asked for; of a list it always has.

    Raises:
        SettingError: `link=False` came with a list: work can have one parent only.
    """

    def __init__(
        self, message: Any, *, name: str | None = None, system: str | None = None, link: bool | None = None
    ) -> None:
        self._batch = is_batch(message)
        if self._batch and link is False:
            raise SettingError(
                "receive(link=False) came with a list of messages, and a span has one parent only. "
                "Leave link out, or receive one message at a time."
            )
        self._message = message
        self._name = name
        self._system = system
        self._link = self._batch or bool(link)

    def __enter__(self) -> None:
        outer = current()
        try:
            self._enter(self._begin(outer))
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("reading a message")
            self._enter(begin("process", CONSUMER, _about("process", "", ""), outer))

    async def __aenter__(self) -> None:
        self.__enter__()

    def _begin(self, outer: Context) -> Crossing:
        messages = self._message if self._batch else [self._message]
        envelopes = [read(message) for message in messages[:LINKS_MAX]]
        about: dict[str, Any] = {} if self._batch else dict(envelopes[0].attributes)
        if self._batch:
            about[a.MESSAGING_BATCH.name] = len(messages)
        destination = str(self._name or envelopes[0].destination)
        about |= _about("process", str(self._system or envelopes[0].system), destination)
        context, links = _origin(envelopes, outer, link=self._link)
        return begin(f"process {destination}".rstrip(), CONSUMER, about, context, links=links)


def _origin(envelopes: list[Envelope], outer: Context, *, link: bool) -> tuple[Context, list[Link]]:
    """Return where the work on messages belongs, and the senders it is linked to."""
    if not link:
        return origin(envelopes[0].headers, outer), []
    contexts = [arrived(envelope.headers, outer) for envelope in envelopes]
    senders = [trace.get_current_span(context).get_span_context() for context in contexts]
    sessions = [session_in(context) for context in contexts]
    session = sessions[0]
    if session is not None and all(other == session for other in sessions):  # else there are several
        outer = opened(session, outer)
    return outer, [Link(sender) for sender in senders if sender.is_valid]


def _about(operation: str, system: str, destination: str) -> dict[str, Any]:
    found = {
        a.MESSAGING_OPERATION.name: operation,
        a.MESSAGING_OPERATION_NAME.name: operation,
        a.MESSAGING_SYSTEM.name: system,
        a.MESSAGING_DESTINATION.name: destination,
    }
    return {key: value for key, value in found.items() if value}

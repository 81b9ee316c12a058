"""Kafka, by the kafka-python package: every message that is sent carries its trace.

    kafka.instrument()                       # producers; once, before they are used

    for message in consumer:
        with mlobs.receive(message):         # consumers; any client's
            handle(message)

The span of a message ends when the broker has it, or has refused it. Other clients' producers
(confluent-kafka, aiokafka) cannot be watched; write `with mlobs.send("orders", system="kafka") as headers`.

Why not opentelemetry-instrumentation-kafka-python (0.66b1): its span of a message that is received ends
before anybody works on it; what it does to a message that is sent ends before the broker has
answered, appends to the caller's own list of headers, and raises where headers are given by position as None.
"""

import functools
from collections.abc import Callable
from typing import Any

from mlobs import _guard
from mlobs._extras import require
from mlobs.errors import SettingError
from mlobs.instrument.context import current, restore, switch
from mlobs.instrument.middleware.crossing import PRODUCER, Crossing, begin
from mlobs.instrument.propagation import inject
from mlobs.semconv import attributes as a

_MARK = "__mlobs__"


def instrument() -> None:
    """Watch the messages that this process's producers of kafka-python send. Called again, it does nothing.

    Raises:
        MissingExtraError: kafka-python is not installed.
        SettingError: opentelemetry-instrumentation-kafka-python is switched on already.
    """
    kafka = require("kafka", extra="kafka", feature="The Kafka middleware")
    send = kafka.KafkaProducer.send
    if hasattr(send, _MARK):
        return
    if hasattr(send, "__wrapped__"):
        raise SettingError(
            "kafka.instrument() found kafka-python instrumented by another package; each message would have "
            "two spans. Leave one of them out: KafkaInstrumentor().uninstrument()."
        )
    kafka.KafkaProducer.send = _watched(send)


def _watched(send: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(send)
    def sending(
        self: Any,
        topic: Any,
        value: Any = None,
        key: Any = None,
        headers: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        outer = current()
        name = str(topic)
        crossing = begin(
            f"send {name}",
            PRODUCER,
            {
                a.MESSAGING_SYSTEM.name: "kafka",
                a.MESSAGING_OPERATION.name: "send",
                a.MESSAGING_OPERATION_NAME.name: "send",
                a.MESSAGING_DESTINATION.name: name,
            },
            outer,
        )
        switch(crossing.context)
        try:
            carrier = inject([] if headers is None else list(headers)) if _fits(headers) else headers
            future = send(self, topic, value, key, carrier, *args, **kwargs)
        except BaseException as error:
            crossing.finish(error)
            raise
        finally:
            restore(outer)
        _follow(future, crossing)
        return future

    setattr(sending, _MARK, True)
    return sending


def _fits(headers: object) -> bool:
    """Return whether these are headers as kafka-python takes them; what is not, it shall refuse itself."""
    return headers is None or isinstance(headers, list)


def _follow(future: Any, crossing: Crossing) -> None:
    """End the span when the broker has answered; the producer's own thread says so."""

    def stored(metadata: Any) -> None:
        partition, offset = getattr(metadata, "partition", None), getattr(metadata, "offset", None)
        if isinstance(partition, int):
            crossing.note({a.MESSAGING_PARTITION.name: str(partition)})
        if isinstance(offset, int) and offset >= 0:
            crossing.note({a.MESSAGING_OFFSET.name: offset})
        crossing.finish()

    try:
        future.add_callback(stored)
        future.add_errback(crossing.finish)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("following a message to Kafka")
        crossing.finish()

"""What is around a message's body, read from whatever a queue's client hands out.

Pure: it looks at attributes and keys and imports none of the clients. What cannot be read is left
out; a message of an unknown shape has an empty envelope.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from mlobs.semconv import attributes as a

KAFKA, SQS, PUBSUB, REDIS, RABBITMQ, NATS = "kafka", "aws_sqs", "gcp_pubsub", "redis", "rabbitmq", "nats"
TEXT_CHARACTERS_MAX = 256


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is known about a message before its body is read.

    Args:
        headers: A mapping or pairs, with trace and session among them.
        system: As `messaging.system` has it, or "".
        destination: The topic or queue, or "".
        attributes: What a span says about it.
    """

    headers: Any = ()
    system: str = ""
    destination: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


def is_batch(given: object) -> bool:
    """Return whether `given` is a list of messages, and not one message or its headers.

    >>> is_batch([("traceparent", b"00-...")]), is_batch([{"MessageId": "1"}, {"MessageId": "2"}])
    (False, True)
    """
    if not isinstance(given, list) or not given:
        return False
    first = given[0]
    pair = isinstance(first, tuple | list) and len(first) == 2
    return not (pair and isinstance(first[0], str) and isinstance(first[1], str | bytes | None))


def read(message: Any) -> Envelope:
    """Return the envelope of a message, or of headers by themselves."""
    if message is None:
        return Envelope()
    if isinstance(message, Mapping):
        return _mapping(message)
    if isinstance(message, tuple) and len(message) == 2 and isinstance(message[1], Mapping):
        return _redis(*message)
    if isinstance(message, list | tuple) and not hasattr(message, "headers"):
        return Envelope(message)
    return _object(message)


def new_headers(system: str, given: Any) -> Any:
    """Return a carrier of the kind that the clients of `system` take, with what `given` holds."""
    if given is None:
        return [] if system == KAFKA else {}
    return dict(given) if isinstance(given, Mapping) else list(given)


def put(system: str, carrier: MutableMapping[str, Any], key: str, value: str) -> None:
    """Write one header in the way of `system`."""
    carrier[key] = {"DataType": "String", "StringValue": value} if system == SQS else value


def _mapping(message: Mapping[Any, Any]) -> Envelope:
    for sqs, id_key in (("MessageAttributes", "MessageId"), ("messageAttributes", "messageId")):
        if sqs in message or {"ReceiptHandle", "receiptHandle"} & set(message):
            if id_key not in message and sqs not in message:
                continue
            return _sqs(message, message.get(sqs) or {}, message.get(id_key))
    inner = message.get("message")
    if "subscription" in message and isinstance(inner, Mapping):  # Pub/Sub, pushed
        whole = _pubsub(inner.get("attributes"), inner.get("messageId"), message.get("deliveryAttempt"))
        return Envelope(whole.headers, PUBSUB, _last(message["subscription"], "/"), whole.attributes)
    if isinstance(message.get("attributes"), Mapping) and {"data", "messageId", "message_id"} & set(message):
        return _pubsub(message["attributes"], message.get("messageId") or message.get("message_id"), None)
    headers = message.get("headers")
    if isinstance(headers, Mapping | list):
        return Envelope(headers, "", _text(message.get("topic") or message.get("queue")))
    return Envelope(message)


def _sqs(message: Mapping[Any, Any], sent: Any, id_: Any) -> Envelope:
    headers = {}
    for key, value in sent.items() if isinstance(sent, Mapping) else ():
        if isinstance(value, Mapping):
            headers[key] = value.get("StringValue") or value.get("stringValue")
    about = message.get("Attributes") or message.get("attributes") or {}
    tries = about.get("ApproximateReceiveCount") if isinstance(about, Mapping) else None
    attributes = _known({a.MESSAGING_MESSAGE_ID.name: _text(id_), a.MESSAGING_ATTEMPT.name: _number(tries)})
    return Envelope(headers, SQS, _last(message.get("eventSourceARN"), ":"), attributes)


def _pubsub(headers: Any, id_: Any, tries: Any) -> Envelope:
    attributes = _known({a.MESSAGING_MESSAGE_ID.name: _text(id_), a.MESSAGING_ATTEMPT.name: _number(tries)})
    return Envelope(headers if isinstance(headers, Mapping) else {}, PUBSUB, "", attributes)


def _redis(id_: Any, fields: Mapping[Any, Any]) -> Envelope:
    return Envelope(fields, REDIS, "", _known({a.MESSAGING_MESSAGE_ID.name: _text(id_)}))


def _object(message: Any) -> Envelope:
    """Read a message that is an object; where its parts are methods, as in confluent-kafka, call them."""
    topic, partition = _part(message, "topic"), _part(message, "partition")
    if isinstance(topic, str) and partition is not None:
        attributes = {
            a.MESSAGING_PARTITION.name: _text(partition),
            a.MESSAGING_OFFSET.name: _number(_part(message, "offset")),
        }
        return Envelope(_part(message, "headers") or (), KAFKA, topic, _known(attributes))
    id_ = _text(_part(message, "message_id"))
    pubsub = _part(message, "attributes")
    if isinstance(pubsub, Mapping) and hasattr(message, "ack_id"):
        return _pubsub(pubsub, id_, _part(message, "delivery_attempt"))
    headers = _part(message, "headers") or _part(message, "application_properties") or ()
    attributes = _known({a.MESSAGING_MESSAGE_ID.name: id_})
    if isinstance(_part(message, "subject"), str):
        return Envelope(headers, NATS, _text(message.subject), attributes)
    delivery = _part(message, "delivery_info")  # kombu
    key = delivery.get("routing_key") if isinstance(delivery, Mapping) else _part(message, "routing_key")
    if key is not None or hasattr(message, "delivery_mode"):
        return Envelope(headers, RABBITMQ, _text(key), attributes)
    return Envelope(headers, "", "", attributes)


def _part(message: Any, name: str) -> Any:
    part = getattr(message, name, None)
    return part() if callable(part) else part


def _known(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if value not in {None, ""}}


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value[:TEXT_CHARACTERS_MAX].decode(errors="replace")
    return str(value)[:TEXT_CHARACTERS_MAX] if isinstance(value, str | int) else ""


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63 else None


def _last(name: Any, separator: str) -> str:
    return _text(name).rpartition(separator)[2]

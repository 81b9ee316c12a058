"""Kafka: a message carries its trace to whoever works on it, by way of a real broker."""

import pytest

import mlobs
from mlobs.errors import SettingError
from mlobs.instrument.middleware import kafka as watched
from mlobs.instrument.middleware.messages import receive, send
from tests.kafka_broker import broker

kafka = pytest.importorskip("kafka")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PRODUCER, CONSUMER, ERROR = 4, 5, 2


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with broker(tmp_path_factory.mktemp("kafka")) as found:
        yield found


@pytest.fixture
def producer(address, monkeypatch):
    bare = kafka.KafkaProducer.send
    watched.instrument()
    made = kafka.KafkaProducer(bootstrap_servers=address, client_id="shop")
    yield made
    made.close()
    kafka.KafkaProducer.send = bare


@pytest.fixture
def consume(address):
    """Return the next `count` messages of a topic."""

    def consume(topic, count):
        consumer = kafka.KafkaConsumer(
            topic, bootstrap_servers=address, auto_offset_reset="earliest", consumer_timeout_ms=90_000
        )
        try:
            return [message for _, message in zip(range(count), consumer, strict=False)]
        finally:
            consumer.close()

    return consume


@mlobs.tool
def handle(message):
    return message.value


def test_work_on_a_message_belongs_to_the_call_that_sent_it(sink, producer, consume):
    sent = [("x", b"1")]
    with mlobs.session("s1"), mlobs.span("caller"):
        producer.send("orders", b"tea", None, sent).get(90)
    [message] = consume("orders", 1)
    assert sent == [("x", b"1")], "the caller's own list was changed"
    assert message.headers[0] == ("x", b"1")
    with receive(message):
        assert handle(message) == b"tea"
    assert mlobs.flush()
    [caller], [out], [work], [tool] = (
        sink.named(name) for name in ("caller", "send orders", "process orders", "execute_tool handle")
    )
    assert [out.parent_id, work.parent_id, tool.parent_id] == [caller.span_id, out.span_id, work.span_id]
    assert (out.kind, work.kind) == (PRODUCER, CONSUMER)
    for span in (out, work):
        assert span.attributes["messaging.system"] == "kafka"
        assert span.attributes["messaging.destination.name"] == "orders"
        assert span.attributes["messaging.destination.partition.id"] == "0"
        assert span.attributes["messaging.kafka.offset"] == 0
    assert {span.attributes["session.id"] for span in (out, work, tool)} == {"s1"}


def test_a_message_the_broker_refuses_is_a_failure_of_the_span_that_sent_it(sink, producer):
    """The call to `send` returned long before."""
    future = producer.send("orders", b"x" * 500_000)
    with pytest.raises(kafka.errors.KafkaError):
        future.get(90)
    assert mlobs.flush()
    [out] = sink.named("send orders")
    assert (out.status, out.attributes["error.type"]) == (ERROR, "kafka.errors.MessageSizeTooLargeError")


def test_a_batch_has_a_trace_of_its_own_linked_to_each_sender(sink, producer, consume):
    for number in range(3):
        with mlobs.session(f"s{number}"):
            producer.send("batch", b"%d" % number).get(90)
    messages = consume("batch", 3)
    with receive(messages):
        handle(messages[0])
    assert mlobs.flush()
    [work], senders = sink.named("process batch"), sink.named("send batch", count=3)
    assert work.attributes["messaging.batch.message_count"] == 3
    assert work.trace_id not in {span.trace_id for span in senders}
    assert work.links == [span.span_id for span in senders]
    assert "session.id" not in work.attributes


def test_headers_made_by_send_go_through_any_client(sink, producer, consume):
    """confluent-kafka and aiokafka cannot be watched; `send` makes the headers they take."""
    bare = kafka.KafkaProducer.send.__wrapped__
    with send("hand", [("x", b"1")], system="kafka") as headers:
        bare(producer, "hand", b"tea", headers=headers).get(90)
    [message] = consume("hand", 1)
    with receive(message):
        handle(message)
    assert mlobs.flush()
    [out], [work] = sink.named("send hand"), sink.named("process hand")
    assert (work.trace_id, work.parent_id) == (out.trace_id, out.span_id)


def test_what_kafka_refuses_it_still_refuses_itself(sink, producer):
    for headers in ({"x": b"1"}, (("x", b"1"),), [("x", "text")]):
        with pytest.raises(TypeError, match="headers"):
            producer.send("orders", b"tea", headers=headers)
    assert mlobs.flush()
    for span in sink.named("send orders", count=3):
        assert (span.status, span.attributes["error.type"]) == (ERROR, "TypeError")


def test_two_instrumentations_of_one_library_are_refused(producer):
    from opentelemetry.instrumentation.kafka import KafkaInstrumentor

    ours = kafka.KafkaProducer.send
    kafka.KafkaProducer.send = ours.__wrapped__
    try:
        KafkaInstrumentor().instrument()
        with pytest.raises(SettingError, match="two spans"):
            watched.instrument()
    finally:
        KafkaInstrumentor().uninstrument()
        kafka.KafkaProducer.send = ours

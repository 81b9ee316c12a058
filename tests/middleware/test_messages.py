"""Messages of any queue: the trace arrives, the block's end is the span's, and nothing is raised."""

import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlobs
from mlobs.errors import SettingError
from mlobs.instrument.middleware.envelopes import read
from mlobs.instrument.middleware.messages import receive, send

CONSUMER, ERROR = 5, 2


def as_text(headers):
    return {key: value.decode() if isinstance(value, bytes) else value for key, value in headers}


def confluent(headers):
    """A message of confluent-kafka, whose parts are methods."""
    pairs = list(headers.items())
    parts = {"topic": "orders", "partition": 3, "offset": 7, "headers": [(k, v.encode()) for k, v in pairs]}
    return SimpleNamespace(**{name: lambda value=value: value for name, value in parts.items()})


# Each shape as its client hands it out, made of headers; what the span then says.
SHAPES = {
    "headers as a dict": (dict, {}),
    "headers as pairs": (lambda h: [(k, v.encode()) for k, v in h.items()], {}),
    "names in other cases": (lambda h: {k.title(): v for k, v in h.items()}, {}),
    "confluent-kafka": (
        confluent,
        {
            "messaging.system": "kafka",
            "messaging.destination.name": "orders",
            "messaging.destination.partition.id": "3",
            "messaging.kafka.offset": 7,
        },
    ),
    "aiokafka": (
        lambda h: SimpleNamespace(
            topic="orders", partition=3, offset=7, headers=tuple((k, v.encode()) for k, v in h.items())
        ),
        {"messaging.system": "kafka", "messaging.kafka.offset": 7},
    ),
    "SQS": (
        lambda h: {
            "MessageId": "m1",
            "ReceiptHandle": "r",
            "Body": "{}",
            "Attributes": {"ApproximateReceiveCount": "2"},
            "MessageAttributes": {k: {"DataType": "String", "StringValue": v} for k, v in h.items()},
        },
        {"messaging.system": "aws_sqs", "messaging.message.id": "m1", "mlobs.messaging.attempt": 2},
    ),
    "SQS in Lambda": (
        lambda h: {
            "messageId": "m1",
            "receiptHandle": "r",
            "body": "{}",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123:orders",
            "attributes": {"ApproximateReceiveCount": "1"},
            "messageAttributes": {k: {"dataType": "String", "stringValue": v} for k, v in h.items()},
        },
        {"messaging.destination.name": "orders", "messaging.message.id": "m1", "mlobs.messaging.attempt": 1},
    ),
    "Pub/Sub": (
        lambda h: SimpleNamespace(
            attributes=h, message_id="m1", ack_id="a", data=b"", delivery_attempt=3, ordering_key=""
        ),
        {"messaging.system": "gcp_pubsub", "messaging.message.id": "m1", "mlobs.messaging.attempt": 3},
    ),
    "Pub/Sub, pushed": (
        lambda h: {
            "message": {"attributes": h, "messageId": "m1", "data": ""},
            "subscription": "projects/p/subscriptions/orders",
        },
        {"messaging.system": "gcp_pubsub", "messaging.destination.name": "orders"},
    ),
    "Redis streams": (
        lambda h: (b"1-0", {k.encode(): v.encode() for k, v in h.items()} | {b"body": b"\xff"}),
        {"messaging.system": "redis", "messaging.message.id": "1-0"},
    ),
    "aio-pika": (
        lambda h: SimpleNamespace(headers=h, message_id=None, routing_key="orders", delivery_mode=2),
        {"messaging.system": "rabbitmq", "messaging.destination.name": "orders"},
    ),
    "pika's properties": (
        lambda h: SimpleNamespace(headers=h, message_id="m1", delivery_mode=2),
        {"messaging.system": "rabbitmq", "messaging.message.id": "m1"},
    ),
    "kombu": (
        lambda h: SimpleNamespace(headers=h, delivery_info={"routing_key": "orders", "exchange": ""}),
        {"messaging.system": "rabbitmq", "messaging.destination.name": "orders"},
    ),
    "NATS": (
        lambda h: SimpleNamespace(headers=h, subject="orders", data=b""),
        {"messaging.system": "nats", "messaging.destination.name": "orders"},
    ),
}


@mlobs.tool
def handle():
    pass


@pytest.mark.parametrize("shape", SHAPES)
def test_work_on_a_message_of_any_client_belongs_to_its_sender(sink, shape):
    make, known = SHAPES[shape]
    with mlobs.session("s1"), send("orders") as headers:
        message = make(headers)
    with receive(message):
        handle()
    assert mlobs.flush()
    [out], [tool] = sink.named("send orders"), sink.named("execute_tool handle")
    [work] = [span for span in sink.spans() if span.kind == CONSUMER]
    assert (work.trace_id, work.parent_id, tool.parent_id) == (out.trace_id, out.span_id, work.span_id)
    assert work.name == f"process {work.attributes.get('messaging.destination.name', '')}".strip()
    assert known.items() <= work.attributes.items()
    assert work.attributes["session.id"] == tool.attributes["session.id"] == "s1"


def test_a_message_without_a_trace_is_worked_on_where_we_are(sink):
    """A stranger sent it; the span around the loop is all there is."""
    with mlobs.span("loop"), receive(None, name="orders", system="redis"):
        handle()
    assert mlobs.flush()
    [loop], [work] = sink.named("loop"), sink.named("process orders")
    assert (work.parent_id, work.links) == (loop.span_id, [])
    assert work.attributes["messaging.system"] == "redis"


def test_one_message_can_be_linked_instead(sink):
    with mlobs.session("s1"), send("orders") as headers:
        pass
    with mlobs.span("job"), receive(headers, name="orders", link=True):
        handle()
    assert mlobs.flush()
    [job], [out], [work], [tool] = (
        sink.named(name) for name in ("job", "send orders", "process orders", "execute_tool handle")
    )
    assert (work.parent_id, work.links) == (job.span_id, [out.span_id])
    assert tool.attributes["session.id"] == "s1"


def test_a_batch_of_one_session_keeps_it_and_one_of_many_has_none(sink):
    for ids in (("s1", "s1"), ("s1", "s2")):
        batch = []
        for number, one in enumerate(ids):
            with mlobs.session(one), send("orders") as headers:
                batch.append((f"{number}-0", headers))
        with receive(batch, name=f"batch {ids[1]}"):
            handle()
    assert mlobs.flush()
    [same], [many] = sink.named("process batch s1"), sink.named("process batch s2")
    assert (same.attributes.get("session.id"), many.attributes.get("session.id")) == ("s1", None)
    assert len(same.links) == len(many.links) == 2


def test_a_large_batch_has_as_many_links_as_a_span_may_have(sink):
    with send("orders") as headers:
        pass
    with receive([("1-0", headers)] * 1000):
        pass
    assert mlobs.flush()
    [work] = sink.named("process")
    assert (len(work.links), work.attributes["messaging.batch.message_count"]) == (128, 1000)


@pytest.mark.parametrize(
    ("error", "state"), [(ValueError("bad"), None), (asyncio.CancelledError(), "cancelled")]
)
def test_the_blocks_end_is_the_spans(sink, error, state):
    async def work():
        async with receive({}, name="orders"):
            raise error

    with pytest.raises(type(error)) as caught:
        asyncio.run(work())
    assert caught.value is error or state
    assert mlobs.flush()
    [span] = sink.named("process orders")
    assert span.attributes.get("mlobs.call.state") == state
    assert span.attributes.get("error.type") == (None if state else "ValueError")
    assert span.status == (0 if state else ERROR)


def test_what_is_around_the_block_is_there_again_after_it(sink):
    from opentelemetry.context import get_current

    before = get_current()
    with send("orders") as headers, receive(headers):
        pass
    assert get_current() is before


def test_headers_that_are_given_are_kept_and_not_changed(sink):
    given = {"x": "1", "traceparent": "old"}
    with send("orders", given) as headers:
        assert headers["x"] == "1"
        assert headers["traceparent"] != "old"
    assert given == {"x": "1", "traceparent": "old"}
    with send("orders", system="aws_sqs") as headers:
        assert headers["traceparent"]["DataType"] == "String"
    with send("orders", [("x", b"1")], system="kafka") as headers:
        assert [key for key, _ in headers][:2] == ["x", "traceparent"]
        assert all(isinstance(value, bytes) for _, value in headers)


def test_a_mistake_is_told_in_a_sentence():
    with pytest.raises(SettingError, match="one parent only"):
        receive([{"MessageId": "1"}], link=False)
    with pytest.raises(SettingError, match="dict or a list of pairs"):
        send("orders", 3)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(
            st.sampled_from(["headers", "MessageAttributes", "message", "subscription", "attributes", "data"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(message=anything, attribute=anything)
def test_no_message_however_strange_gets_in_the_way(message, attribute):
    """What is in a queue is a stranger's."""
    ran = []
    for one in (message, SimpleNamespace(headers=attribute, topic=attribute, partition=message)):
        with receive(one):
            ran.append(one)
    assert len(ran) == 2


def test_a_message_whose_parts_raise_is_worked_on_all_the_same(sink):
    class Broken:
        @property
        def headers(self):
            raise RuntimeError("no")

    with receive(Broken()):
        handle()
    assert mlobs.flush()
    assert sink.named("execute_tool handle")[0].parent_id == sink.named("process")[0].span_id


def test_huge_names_are_cut():
    assert (
        len(read({"MessageAttributes": {}, "MessageId": "m" * 10_000}).attributes["messaging.message.id"])
        == 256
    )


@pytest.mark.slow
def test_with_a_provider_of_the_programs_own_and_while_off(run_program):
    code = """
import mlobs
from opentelemetry import trace
from mlobs.instrument.middleware.messages import receive, send

@mlobs.tool
def handle(): pass

def work():
    with send("orders") as headers:
        pass
    with receive(headers):
        handle()
    return headers

assert work() == {}
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
memory = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(memory))
trace.set_tracer_provider(provider)
work()
out, tool, inner = memory.get_finished_spans()
assert (out.name, tool.name, inner.name) == ("send orders", "execute_tool handle", "process")
assert inner.parent.span_id == out.context.span_id and tool.parent.span_id == inner.context.span_id
"""
    done = run_program(code)
    assert (done.returncode, done.stderr) == (0, "")

"""Content that waits for an endpoint which is away: it has a limit in number and in weight."""

import contextlib
import weakref
from datetime import date

import pytest
from opentelemetry.sdk.trace import TracerProvider

import mlobs
from mlobs.instrument import recorders
from mlobs.instrument.describe import dynamic
from mlobs.instrument.outbox import Outbox
from mlobs.instrument.provider import Forwarding
from mlobs.instrument.usage import Usage


@pytest.fixture
def outbox(monkeypatch, telemetry):
    """What waits while an endpoint is away."""
    made = Outbox(10_000)
    monkeypatch.setattr(recorders.active, "recorder", recorders.OwnRecorder(made))
    monkeypatch.setattr("mlobs.instrument.outbox.CONTENT_SPANS_FREE", 1)
    return made


def weighed(monkeypatch):
    """Have every span weighed, and not only one of some."""
    for module in ("outbox", "recorders", "provider"):
        monkeypatch.setattr(f"mlobs.instrument.{module}.WEIGHED", 1)


@mlobs.tool(capture="full")
def work(text):
    if text == "bad":
        raise ValueError(text)
    return text


def dropped(outbox):
    """Return of each call that waits whether its content was dropped."""
    found = []
    for call in outbox.take(10):
        told = dynamic(call, date(2026, 1, 1)).get("mlobs.content.dropped", False)
        assert told == (call.arguments is None)
        found.append(told)
    return found


def test_content_is_dropped_before_spans_are(outbox, monkeypatch):
    """While an endpoint is away, prompts by the thousand would fill the memory; spans are small."""
    monkeypatch.setattr("mlobs.instrument.outbox.CONTENT_SPANS_MAX", 3)
    for _ in range(5):
        work("x")
    assert dropped(outbox) == [False] * 3 + [True] * 2
    for _ in range(5):  # failed calls wait in a queue of their own: it is the same memory
        with contextlib.suppress(ValueError):
            work("bad")
    assert dropped(outbox) == [False] * 3 + [True] * 2


def test_content_that_waits_is_limited_by_what_it_weighs(outbox, monkeypatch):
    """Five hundred prompts with pictures in them are gigabytes."""
    monkeypatch.setattr("mlobs.instrument.outbox.CONTENT_BYTES_MAX", 1000)
    weighed(monkeypatch)
    for text in ("x" * 200, "x" * 200, "x" * 2000, "x" * 2000, "x"):  # each is an argument and a result
        work(text)
    assert dropped(outbox) == [False, False, False, True, True]
    work("x" * 200)
    work("x" * 200)
    assert dropped(outbox) == [False, False]  # what was taken weighs no more


def test_one_of_a_few_calls_is_weighed_for_all(outbox, monkeypatch):
    """Weighing costs as much as all the rest; of many calls the sum is right all the same."""
    monkeypatch.setattr("mlobs.instrument.outbox.CONTENT_SPANS_MAX", 5000)
    for _ in range(4000):
        work("x" * 50)
    assert outbox.held_bytes == pytest.approx(4000 * 100, rel=0.3)


def test_answers_are_not_kept_for_the_tokens_they_tell_of(outbox, monkeypatch):
    """An answer with embeddings is megabytes, and its usage three numbers."""
    monkeypatch.setattr(recorders.active, "waiting", outbox.waiting)
    monkeypatch.setattr("mlobs.instrument.annotate.UNREAD_MAX", 1)
    answers = []

    class Answer:
        usage = Usage(input=7)

    @mlobs.embedding(model="m")
    def embed():
        answer = Answer()
        answers.append(weakref.ref(answer))
        mlobs.usage(answer)

    for _ in range(5):
        embed()
    assert [answer() is None for answer in answers] == [False] * 2 + [True] * 3
    assert [call.usage for call in outbox.take(5)] == [Usage(input=7)] * 5


def test_a_single_large_one_costs_no_other_its_place():
    """One photograph is no memory full of them, though it is weighed for others as well."""
    made = Outbox(100)
    made.offer("photograph", keep=False)
    made.weigh(48 << 20)
    made.offer("small", keep=False)
    assert (len(made), made.dropped) == (2, {})
    for _ in range(5):
        made.weigh(48 << 20)
    made.offer("small", keep=False)
    assert made.dropped == {"queue_heavy": 1}


def test_spans_that_wait_are_limited_by_what_they_weigh(outbox, monkeypatch):
    """Fifty thousand spans with what clients and programs put on them are gigabytes."""
    monkeypatch.setattr("mlobs.instrument.outbox.BYTES_MAX", 100_000)
    weighed(monkeypatch)
    provider = TracerProvider()
    provider.add_span_processor(Forwarding(outbox, lambda _: True))

    @mlobs.step
    def told():
        mlobs.set({"text": "x" * 10_000})

    for _ in range(10):
        with provider.get_tracer("client").start_as_current_span("chat") as span:
            span.set_attribute("gen_ai.input.messages", "x" * 5_000)
            span.add_event("said", {"text": "x" * 5_000})
        told()
    assert len(outbox) == 11
    assert outbox.dropped == {"queue_heavy": 9}
    assert len(outbox.take(5)) == 5
    told()
    assert len(outbox) == 7
    outbox.take(7)
    assert outbox.held_bytes == 0

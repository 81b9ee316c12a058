"""Streams: the place where tracing breaks everywhere else."""

import asyncio
import contextvars
import gc
import threading

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace

import mlobs


@mlobs.tool
def lookup():
    return None


@mlobs.llm(model="m")
def tokens(count=3, *, fail_at=None):
    for number in range(count):
        lookup()
        if number == fail_at:
            raise ConnectionError("gone")
        yield number
    return "done"


@mlobs.llm(model="m")
async def async_tokens(count=3):
    for number in range(count):
        lookup()
        await asyncio.sleep(0)
        yield number


def seen(sink, count=1):
    assert mlobs.flush()
    return sink.named("chat m", count=count)


def test_a_stream_read_to_its_end_is_ok(sink):
    """Chunks, time to the first of them and the returned value all survive."""

    @mlobs.agent
    def reader():
        return (yield from tokens())

    values = reader()
    assert list(values) == [0, 1, 2]
    [span] = seen(sink)
    assert span.status == 0
    assert span.attributes["mlobs.stream.chunks"] == 3
    assert span.attributes["gen_ai.request.stream"] is True
    assert 0 < span.attributes["gen_ai.response.time_to_first_chunk"] < 5
    assert "mlobs.call.state" not in span.attributes
    assert {s.parent_id for s in sink.named("execute_tool lookup", count=3)} == {span.span_id}


def test_what_the_reader_does_between_two_items_is_not_inside_the_stream(sink):
    """Otherwise the consumer's work shows up as the model's."""

    @mlobs.agent
    async def reader():
        async for _ in async_tokens(2):
            with trace.get_tracer("other").start_as_current_span("between"):
                pass

    asyncio.run(reader())
    [stream] = seen(sink)
    [agent] = sink.named("invoke_agent reader")
    assert {span.parent_id for span in sink.named("between", count=2)} == {agent.span_id}
    assert stream.parent_id == agent.span_id
    assert {s.parent_id for s in sink.named("execute_tool lookup", count=2)} == {stream.span_id}


def test_a_broken_stream_is_an_error(sink):
    """With what had arrived before it broke."""
    with pytest.raises(ConnectionError):
        list(tokens(fail_at=2))
    [span] = seen(sink)
    assert (span.status, span.attributes["error.type"]) == (2, "ConnectionError")
    assert span.attributes["mlobs.stream.chunks"] == 2


def test_a_reader_who_walks_away_still_ends_the_span(sink):
    """Chat windows get closed. A span that never ends is a cost nobody sees."""
    stream = tokens()
    next(stream)
    stream.close()
    for _ in tokens():
        break
    gc.collect()
    assert [span.attributes["mlobs.call.state"] for span in seen(sink, 2)] == ["abandoned", "abandoned"]
    assert {span.status for span in sink.spans()} == {0}


def test_an_abandoned_async_stream_ends_without_noise(sink, caplog):
    """Closed by the loop in another task: the place where others log 'Failed to detach context'."""

    async def main():
        async for _ in async_tokens():
            break
        stream = async_tokens()
        await anext(stream)
        await asyncio.create_task(stream.aclose())

    asyncio.run(main())
    gc.collect()
    assert [span.attributes["mlobs.call.state"] for span in seen(sink, 2)] == ["abandoned", "abandoned"]
    assert "detach" not in caplog.text


def test_a_stream_read_in_other_tasks_and_threads_keeps_its_place(sink):
    """Web servers make a stream in one task and read it in another."""

    async def main():
        stream = async_tokens()
        assert await asyncio.create_task(anext(stream)) == 0
        assert await asyncio.create_task(anext(stream)) == 1
        return [item async for item in stream]

    assert asyncio.run(main()) == [2]
    stream = tokens()
    got: list[int] = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: got.append(next(stream)))
        thread.start()
        thread.join()
    assert got == [0, 1, 2]
    assert list(stream) == []
    first, second = seen(sink, 2)
    lookups = sink.named("execute_tool lookup", count=6)
    assert sorted(s.parent_id for s in lookups) == sorted([first.span_id] * 3 + [second.span_id] * 3)


def test_a_cancelled_reader_cancels_the_stream(sink):
    """Cancelled, not failed."""

    @mlobs.llm(model="m")
    async def stuck():
        yield 1
        await asyncio.sleep(30)
        yield 2

    async def main():
        async def read():
            async for _ in stuck():
                pass

        task = asyncio.create_task(read())
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert seen(sink)[0].attributes["mlobs.call.state"] == "cancelled"


def test_send_and_throw_reach_the_function(sink):
    """A generator is more than an iterator."""

    @mlobs.step
    def echo():
        got = yield "ready"
        while got != "stop":
            try:
                got = yield got
            except KeyError:
                got = yield "caught"
        return "bye"

    stream = echo()
    assert [next(stream), stream.send("a"), stream.throw(KeyError()), stream.send("b")] == [
        "ready",
        "a",
        "caught",
        "b",
    ]
    with pytest.raises(StopIteration) as end:
        stream.send("stop")
    assert end.value.value == "bye"


def test_the_reader_finds_its_context_as_it_left_it(sink):
    """Also when the stream opens a session and never closes it in the reader's task."""

    @mlobs.llm(model="m")
    def with_session():
        with mlobs.session("inside"):
            yield 1
            lookup()
            yield 2

    before = otel_context.get_current()
    stream = with_session()
    next(stream)
    assert otel_context.get_current() == before
    next(stream)
    stream.close()
    assert otel_context.get_current() == before
    assert mlobs.flush()
    assert sink.named("execute_tool lookup")[0].attributes["session.id"] == "inside"


def test_a_users_context_variables_behave_as_undecorated(sink):
    """What a stream sets, its reader sees, as without us."""
    mood = contextvars.ContextVar("mood", default="calm")

    @mlobs.step
    def changes():
        mood.set("wild")
        yield mood.get()

    assert next(changes()) == "wild"
    assert mood.get() == "wild"


def test_a_stream_nobody_starts_leaves_no_span(sink):
    """Its body never ran either."""
    tokens()
    gc.collect()
    assert mlobs.flush()
    assert sink.spans() == []


@pytest.mark.slow
def test_a_thousand_abandoned_streams_leak_nothing(sink):
    """Every one of them ends when it is collected."""
    from mlobs.instrument.calls import Call

    for _ in range(1000):
        next(tokens())
    gc.collect()
    assert mlobs.flush()
    sink.bodies.clear()
    gc.collect()
    assert sum(isinstance(thing, Call) for thing in gc.get_objects()) < 50

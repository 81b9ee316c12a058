"""Generators: who is whose child, what reaches the generator, and when its span ends."""

import asyncio
import contextlib
import contextvars
import gc
import threading
import time

import pytest

variable = contextvars.ContextVar("variable", default="unset")


def test_what_a_stream_calls_is_its_child_and_what_its_reader_calls_is_not(api):
    leaf = api.tool(lambda: None)

    @api.llm
    def stream():
        leaf()
        yield 1
        leaf()
        yield 2

    @api.agent
    def reader():
        for _ in stream():
            outside()

    @api.tool
    def outside():
        return None

    reader()
    spans = {span.id: span for span in api.spans()}
    names = {span.name: span for span in spans.values()}
    inside = [span for span in spans.values() if span.name == "<lambda>"]
    assert [spans[span.parent].name for span in inside] == ["stream", "stream"]
    assert [spans[span.parent].name for span in api.many("outside", 2)] == ["reader", "reader"]
    assert names["stream"].parent == names["reader"].id


def test_what_an_async_stream_calls_is_its_child_and_what_its_reader_calls_is_not(api):
    @api.tool
    async def leaf():
        await asyncio.sleep(0)

    @api.llm
    async def stream():
        await leaf()
        yield 1
        await leaf()
        yield 2

    @api.agent
    async def reader():
        async for _ in stream():
            await outside()

    @api.tool
    async def outside():
        await asyncio.sleep(0)

    asyncio.run(reader())
    spans = {span.id: span for span in api.spans()}
    assert {spans[span.parent].name for span in spans.values() if span.name == "leaf"} == {"stream"}
    assert {spans[span.parent].name for span in spans.values() if span.name == "outside"} == {"reader"}


def test_fifty_streams_at_once_keep_their_own_children(api):
    @api.tool
    async def leaf(number):
        await asyncio.sleep(0)

    @api.llm
    async def stream(number):
        for _ in range(3):
            await leaf(number)
            yield number
            await asyncio.sleep(0)

    async def read(number):
        return [item async for item in stream(number)]

    async def main():
        await asyncio.gather(*(read(number) for number in range(50)))

    asyncio.run(main())
    parents = [span.parent for span in api.many("leaf", 150)]
    assert sorted(parents.count(span.id) for span in api.many("stream", 50)) == [3] * 50


def test_a_stream_read_in_another_thread_is_one_span(api):
    @api.llm
    def stream():
        yield 1
        yield 2

    items, values = stream(), []
    values.append(next(items))
    thread = threading.Thread(target=lambda: values.extend(items))
    thread.start()
    thread.join()
    assert values == [1, 2]
    assert api.one("stream").state == "ok"


def test_a_stream_begun_in_one_task_and_read_in_another_is_one_span(api):
    @api.llm
    async def stream():
        yield 1
        yield 2

    async def main():
        items = stream()
        first = await asyncio.create_task(anext(items))
        return [first, *[item async for item in items]]

    assert asyncio.run(main()) == [1, 2]
    assert api.one("stream").state == "ok"


def test_the_span_ends_with_the_last_item_and_not_with_the_call(api):
    @api.llm
    def stream():
        yield 1
        time.sleep(0.02)
        yield 2

    items = stream()
    time.sleep(0.01)
    list(items)
    span = api.one("stream")
    assert span.end_ns - span.start_ns >= 15_000_000


def test_values_exceptions_and_the_result_go_through(api):
    @api.step
    def stream():
        got = yield "first"
        try:
            yield got
        except KeyError as error:
            yield f"caught {error.args[0]}"
        return "result"

    items = stream()
    assert next(items) == "first"
    assert items.send("sent") == "sent"
    assert items.throw(KeyError("k")) == "caught k"
    with pytest.raises(StopIteration) as stop:
        next(items)
    assert stop.value.value == "result"
    assert api.one("stream").state == "ok"


def test_values_and_exceptions_go_through_an_async_stream(api):
    @api.step
    async def stream():
        got = yield "first"
        try:
            yield got
        except KeyError as error:
            yield f"caught {error.args[0]}"

    async def main():
        items = stream()
        assert await anext(items) == "first"
        assert await items.asend("sent") == "sent"
        assert await items.athrow(KeyError("k")) == "caught k"
        with pytest.raises(StopAsyncIteration):
            await anext(items)

    asyncio.run(main())
    assert api.one("stream").state == "ok"


def test_yield_from_reaches_through(api):
    @api.step
    def inner():
        yield 1
        return "value"

    @api.step
    def outer():
        return (yield from inner())

    items = outer()
    assert next(items) == 1
    with pytest.raises(StopIteration) as stop:
        next(items)
    assert stop.value.value == "value"
    assert api.one("inner").parent == api.one("outer").id


def test_a_stream_that_is_never_begun_is_no_span(api):
    @api.llm
    def stream():
        yield 1

    stream()
    gc.collect()
    assert api.spans() == []


def test_a_generator_that_sets_a_variable_for_its_reader_still_does(api):
    @contextlib.contextmanager
    @api.step
    def scope():
        token = variable.set("set")
        yield
        variable.reset(token)

    assert variable.get() == "unset"
    with scope():
        assert variable.get() == "set"
    assert variable.get() == "unset"


def test_an_async_generator_that_sets_a_variable_for_its_reader_still_does(api):
    @contextlib.asynccontextmanager
    @api.step
    async def scope():
        token = variable.set("set")
        yield
        variable.reset(token)

    async def main():
        async with scope():
            assert variable.get() == "set"
        assert variable.get() == "unset"

    asyncio.run(main())


def test_a_context_manager_that_handles_an_exception_still_does(api):
    @contextlib.contextmanager
    @api.step
    def ignoring():
        with contextlib.suppress(KeyError):
            yield

    with ignoring():
        raise KeyError
    assert api.one("ignoring").state == "ok"


def test_ignoring_the_end_is_pythons_error(api):
    @api.step
    def stubborn():
        while True:
            with contextlib.suppress(GeneratorExit):
                yield 1

    items = stubborn()
    next(items)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        items.close()


def test_raising_stopiteration_inside_is_pythons_error(api):
    @api.step
    def stream():
        yield 1
        raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        list(stream())
    assert api.one("stream").state == "error"


def test_cleaning_up_happens_when_a_stream_is_left(api):
    cleaned = []

    @api.step
    def stream():
        try:
            yield 1
        finally:
            cleaned.append(True)

    items = stream()
    next(items)
    items.close()
    assert cleaned == [True]


def test_nothing_is_current_between_two_items(api):
    @api.llm
    def stream():
        yield 1
        yield 2

    @api.tool
    def alone():
        return None

    items = stream()
    next(items)
    alone()
    items.close()
    assert api.one("alone").parent == ""


@pytest.mark.slow
def test_a_hundred_thousand_streams_leave_nothing_behind(api):
    @api.llm
    def stream():
        yield 1
        yield 2

    def left():
        gc.collect()
        return len(gc.get_objects())

    for _ in range(1000):
        next(stream())
    api.spans()
    before = left()
    for _ in range(100_000):
        next(stream())
    time.sleep(1)
    api.spans()
    assert left() - before < 20_000

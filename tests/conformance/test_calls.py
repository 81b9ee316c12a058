"""Every noun and every kind of function, whatever comes of the call."""

import asyncio
import gc

import pytest

KINDS = ("plain", "coroutine", "generator", "async generator")


class OddError(Exception):
    """An error of the program."""


def work_of(kind, fail):
    """Return an undecorated function called `work`."""
    if kind == "plain":

        def work(x):
            if fail:
                raise OddError(x)
            return [x, x]

    elif kind == "coroutine":

        async def work(x):
            await asyncio.sleep(0)
            if fail:
                raise OddError(x)
            return [x, x]

    elif kind == "generator":

        def work(x):
            yield x
            if fail:
                raise OddError(x)
            yield x

    else:

        async def work(x):
            yield x
            await asyncio.sleep(0)
            if fail:
                raise OddError(x)
            yield x

    return work


def call(kind, function):
    """Call a function of that kind and read it to its end."""

    async def collect():
        return [item async for item in function(7)]

    if kind == "plain":
        return function(7)
    if kind == "coroutine":
        return asyncio.run(function(7))
    return list(function(7)) if kind == "generator" else asyncio.run(collect())


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_that_goes_well_is_one_good_span(api, noun, kind):
    decorated = getattr(api, noun)(work_of(kind, fail=False))
    assert call(kind, decorated) == [7, 7]
    span = api.one("work")
    assert (span.state, span.parent, span.error) == ("ok", "", "")
    assert span.end_ns >= span.start_ns


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_that_raises_is_one_failed_span(api, noun, kind):
    decorated = getattr(api, noun)(work_of(kind, fail=True))
    with pytest.raises(OddError) as caught:
        call(kind, decorated)
    assert caught.value.args == (7,)
    span = api.one("work")
    assert span.state == "error"
    assert span.error.endswith("OddError")


def test_a_cancelled_call_is_no_error(api, noun):
    @getattr(api, noun)
    async def work():
        await asyncio.sleep(30)

    async def main():
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    api.ended(api.one("work"), "cancelled")


@pytest.mark.parametrize("how", ["break", "close", "garbage collection"])
def test_a_stream_that_is_left_is_abandoned(api, noun, how):
    @getattr(api, noun)
    def work():
        yield 1
        yield 2

    stream = work()
    assert next(stream) == 1
    if how == "close":
        stream.close()
    elif how == "break":
        for item in work():
            assert item == 1
            break
        gc.collect()
        stream.close()
    del stream
    gc.collect()
    for span in api.many("work", 2 if how == "break" else 1):
        api.ended(span, "abandoned")


@pytest.mark.parametrize("how", ["aclose", "cancel", "loop end"])
def test_an_async_stream_that_is_left_is_abandoned_or_cancelled(api, noun, how):
    @getattr(api, noun)
    async def work():
        yield 1
        await asyncio.sleep(30)
        yield 2

    async def read(started):
        async for _ in work():
            started.set()

    async def main():
        if how == "cancel":
            started = asyncio.Event()
            task = asyncio.create_task(read(started))
            await started.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return
        stream = work()
        await anext(stream)
        if how == "aclose":
            await stream.aclose()

    asyncio.run(main())
    gc.collect()
    api.ended(api.one("work"), "cancelled" if how == "cancel" else "abandoned")

"""Calls that go on in other threads and processes."""

import asyncio
import pickle
import queue
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import mlobs


@mlobs.tool
def leaf(number=0):
    return number


def parents(sink, count):
    """Return the parents of the leaves, and the id of the agent around them."""
    assert mlobs.flush()
    [agent] = sink.named("invoke_agent boss")
    leaves = sink.named("execute_tool leaf", count=count)
    assert {one.trace_id for one in leaves} == {agent.trace_id}
    return {one.parent_id for one in leaves}, agent.span_id


def test_thread_pools_carry_the_current_call(sink):
    """Pools begin with an empty context: without this, work in them begins traces of its own."""

    @mlobs.agent
    def boss():
        with ThreadPoolExecutor(2) as pool:
            pool.submit(leaf).result()
            return list(pool.map(leaf, range(3)))

    assert boss() == [0, 1, 2]
    found, agent = parents(sink, 4)
    assert found == {agent}


def test_an_object_that_is_called_stays_itself(sink):
    """Its fields may have any name, also those that we would choose."""

    class Job:
        def __init__(self):
            self._function = self._inside = self.__wrapped__ = None
            self.count = 3

        def __call__(self):
            return leaf(self.count)

    @mlobs.agent
    def boss():
        with ThreadPoolExecutor(1) as pool:
            return [pool.submit(Job()).result(), mlobs.carry(Job())()]

    assert boss() == [3, 3]
    found, agent = parents(sink, 2)
    assert found == {agent}


def test_run_in_executor_and_to_thread_carry_it_too(sink):
    """The two ways asyncio has of calling what blocks."""

    @mlobs.agent
    async def boss():
        loop = asyncio.get_running_loop()
        return await asyncio.gather(loop.run_in_executor(None, leaf, 1), asyncio.to_thread(leaf, 2))

    assert asyncio.run(boss()) == [1, 2]
    found, agent = parents(sink, 2)
    assert found == {agent}


def test_what_is_submitted_outside_of_a_call_is_left_alone():
    """Programs compare and inspect what they submit."""
    seen = []

    class Queue(queue.SimpleQueue):
        def put(self, item, *rest):
            seen.append(getattr(item, "fn", None))
            super().put(item, *rest)

    with ThreadPoolExecutor(1) as pool:
        pool._work_queue = Queue()
        pool.submit(leaf).result()
    assert seen[0] is leaf


def test_a_pools_thread_is_left_as_it_was(sink):
    """The next task in the same thread is no part of the last one's call."""

    def other():
        return leaf(9)

    @mlobs.agent
    def boss(pool):
        return pool.submit(leaf).result()

    with ThreadPoolExecutor(1) as pool:
        boss(pool)
        pool.submit(other).result()
    assert mlobs.flush()
    assert len({one.trace_id for one in sink.named("execute_tool leaf", count=2)}) == 2


def test_carry_takes_a_call_into_a_thread(sink):
    """Threads, callbacks and timers are not patched; one word does it."""

    @mlobs.agent
    def boss():
        thread = threading.Thread(target=mlobs.carry(leaf), args=(1,))
        thread.start()
        thread.join()

    boss()
    found, agent = parents(sink, 1)
    assert found == {agent}


def test_a_carried_function_can_be_pickled_for_another_process(sink):
    """Queues and process pools pickle what they are given; sessions go along as far as they may."""

    @mlobs.agent
    def boss():
        with mlobs.session("c-1", user="ana"):
            return pickle.dumps(mlobs.carry(leaf))

    sent = pickle.loads(pickle.dumps(pickle.loads(boss())))
    assert sent(4) == 4
    found, agent = parents(sink, 1)
    assert found == {agent}
    [span] = sink.named("execute_tool leaf")
    assert span.attributes["session.id"] == "c-1"
    assert "user.id" not in span.attributes  # people are not sent along unless MLOBS_BAGGAGE says so


@pytest.mark.slow
def test_process_pools_carry_it_into_their_children(sink, run_program):
    """Forked and spawned alike; the child exports by itself."""
    done = run_program(
        """
import os, multiprocessing, mlobs
from concurrent.futures import ProcessPoolExecutor

@mlobs.tool
def work(n): return n

@mlobs.agent
def boss(method):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        return list(pool.map(work, range(2)))

mlobs.init("pools", endpoint=os.environ["SINK"])
if __name__ == "__main__":
    assert boss("fork") == boss("spawn") == [0, 1]
""",
        SINK=sink.url,
    )
    assert (done.returncode, done.stderr) == (0, "")
    agents = {one.trace_id: one.span_id for one in sink.named("invoke_agent boss", count=2)}
    work = sink.named("execute_tool work", count=4)
    assert {one.trace_id: one.parent_id for one in work} == agents

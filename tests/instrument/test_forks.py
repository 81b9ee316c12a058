"""Forked children end in many ways, and deliver first what they recorded."""

import pytest

from tests import sink as sinks

POOLS = """
import multiprocessing as mp, os, mlobs
mlobs.init("pools", endpoint=os.environ["SINK"])
@mlobs.tool
def work(x): return x * x
for _ in range({times}):
    {pool}
"""
TERMINATED = """
import multiprocessing as mp, os, random, time, mlobs
mlobs.init("terminated", endpoint=os.environ["SINK"])
@mlobs.tool
def work(): time.sleep(60)
ends = []
for _ in range({times}):
    child = mp.get_context("fork").Process(target=work)
    child.start()
    time.sleep(random.random() * 0.02)
    child.terminate()
    child.join(30)
    ends.append(child.exitcode)
    child.kill()
print(set(ends))
"""


@pytest.fixture
def sink():
    """A sink of its own, for the programs of this test only."""
    return sinks.start()


@pytest.mark.slow
@pytest.mark.parametrize(
    "pool",
    [
        "with mp.get_context('fork').Pool(2) as pool: pool.map(work, range(10))",
        "with mp.get_context('fork').Pool(2) as pool: pool.map(mlobs.carry(work), range(10))",
        "pool = mp.get_context('fork').Pool(2); pool.map(work, range(10)); pool.close(); pool.join()",
    ],
)
def test_a_pool_loses_nothing_however_it_ends(sink, run_program, pool):
    """`with` terminates the workers, which are about to end by themselves: they are told to stop first."""
    done = run_program(POOLS.format(times=5, pool=pool), SINK=sink.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(sink.spans()) == 50


@pytest.mark.slow
def test_a_child_that_is_terminated_ends_whenever_that_comes(sink, run_program):
    """Else `Pool.terminate()` waits for ever."""
    done = run_program(TERMINATED.format(times=100), SINK=sink.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{-15}\n", "")

"""How programs end: killed politely, or frozen between two invocations."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import sink as sinks

ROOT = Path(__file__).parents[2]
WAITING = """
import os, time, mlobs
{before}
mlobs.init("ending", endpoint=os.environ["SINK"])
@mlobs.tool
def work(): return 1
work()
print("ready", flush=True)
time.sleep(30)
"""


@pytest.fixture
def sink():
    """A sink of its own, for the programs of this test only."""
    return sinks.start()


def ended_by_sigterm(sink, before=""):
    """Return a program's exit status after SIGTERM."""
    program = subprocess.Popen(
        [sys.executable, "-c", WAITING.format(before=before)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "SINK": sink.url, "MLOBS_EXPORT_INTERVAL_S": "30"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    program.send_signal(signal.SIGTERM)
    return program.wait(20)


def test_sigterm_delivers_and_ends_the_program_as_it_would_have(sink):
    """Kubernetes ends every pod this way; its last spans say why."""
    assert ended_by_sigterm(sink) == -signal.SIGTERM
    assert [span.name for span in sink.spans()] == ["execute_tool work"]


OPEN = """
import asyncio, os, threading, time
import mlobs
mlobs.init("open", endpoint=os.environ["SINK"])
@mlobs.tool
def wait(): time.sleep(60)
@mlobs.llm(model="m")
async def ask(): await asyncio.sleep(60)
@mlobs.agent
async def team():
    done()
    await asyncio.gather(ask(), asyncio.to_thread(wait))
@mlobs.tool
def done(): return 1
async def main():
    asyncio.get_running_loop().call_later(0.5, lambda: print("ready", flush=True))
    await team()
asyncio.run(main())
"""


def test_calls_that_are_open_when_sigterm_comes_are_cancelled(sink):
    """In tasks and threads; whoever looks at the trace sees what the program was at."""
    program = subprocess.Popen(
        [sys.executable, "-c", OPEN],
        env={**os.environ, "PYTHONPATH": str(ROOT), "SINK": sink.url},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    program.send_signal(signal.SIGTERM)
    assert program.wait(20) == -signal.SIGTERM
    states = {span.name: span.attributes.get("mlobs.call.state") for span in sink.spans()}
    assert states == {
        "execute_tool done": None,
        "invoke_agent team": "cancelled",
        "chat m": "cancelled",
        "execute_tool wait": "cancelled",
    }
    assert len({span.trace_id for span in sink.spans()}) == 1


@pytest.mark.slow
def test_a_programs_own_handler_of_sigterm_stays(sink):
    """Servers drain their requests first."""
    own = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))"
    assert ended_by_sigterm(sink, own) == 7
    assert [span.name for span in sink.spans()] == ["execute_tool work"]


def test_where_processes_freeze_the_outermost_call_delivers(sink, run_program):
    """AWS Lambda stops every thread as soon as the handler has returned."""
    done = run_program(
        """
import os, mlobs
mlobs.init("frozen", endpoint=os.environ["SINK"])
@mlobs.tool
def inner(): return 1
@mlobs.agent
def handler():
    inner()
    return 2
assert handler() == 2
os.kill(os.getpid(), 9)
""",
        SINK=sink.url,
        AWS_LAMBDA_FUNCTION_NAME="f",
        MLOBS_EXPORT_INTERVAL_S="30",
    )
    assert done.returncode == -9
    assert {span.name for span in sink.spans()} == {"execute_tool inner", "invoke_agent handler"}


OUTERMOST = {
    "a call that another program's belongs to": """
with mlobs.extract({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}):
    check("x")
""",
    "a span of another instrumentation": """
with trace.get_tracer("web").start_as_current_span("GET /"):
    check("x")
""",
    "in a provider with a processor of the program's": """
trace.get_tracer_provider().add_span_processor(SpanProcessor())
check("x")
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("outermost", OUTERMOST.values(), ids=OUTERMOST)
def test_where_processes_freeze_whatever_is_outermost_delivers(sink, run_program, outermost):
    """A gateway sends its trace along, and frameworks make the request's span; what it found is there."""
    begin = """
import os, mlobs
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
mlobs.init("frozen", endpoint=os.environ["SINK"])
@mlobs.guardrail
def check(text): return True
"""
    done = run_program(
        f"{begin}{outermost}os.kill(os.getpid(), 9)\n",
        SINK=sink.url,
        AWS_LAMBDA_FUNCTION_NAME="f",
        MLOBS_EXPORT_INTERVAL_S="30",
    )
    assert (done.returncode, done.stderr) == (-9, "")
    [span] = sink.named("guardrail check")
    assert span.attributes["mlobs.guardrail.verdict"] == "pass"


@pytest.mark.slow
def test_where_processes_freeze_an_endpoint_that_is_away_does_not_hold_them_up(run_program):
    """Whoever waited for it would pay for every second of it at every call."""
    done = run_program(
        """
import mlobs
mlobs.init("frozen", endpoint="http://127.0.0.1:9")
for _ in range(3): mlobs.agent(len)("x")
""",
        timeout_s=60,
        AWS_LAMBDA_FUNCTION_NAME="f",
        MLOBS_TIMEOUT_S="300",
    )
    assert done.returncode == 0


def test_streams_that_are_still_open_at_the_end_are_abandoned(sink, run_program):
    """A reader that stopped half-way and kept the stream is seen, not forgotten."""
    done = run_program(
        """
import os, mlobs
mlobs.init("open", endpoint=os.environ["SINK"])
@mlobs.llm(model="m")
def tokens():
    yield 1
    yield 2
stream = tokens()
next(stream)
""",
        SINK=sink.url,
    )
    assert (done.returncode, done.stderr) == (0, "")
    [span] = sink.named("chat m")
    assert span.attributes["mlobs.call.state"] == "abandoned"
    assert "mlobs.stream.chunks" not in span.attributes  # only the stream itself counts them


@pytest.mark.slow
def test_a_process_without_an_endpoint_is_not_held_up(run_program):
    """Faults of telemetry are not the program's."""
    done = run_program(
        "import mlobs, time\nmlobs.init('x', endpoint='http://127.0.0.1:9')\nmlobs.tool(len)('a')\n"
        "print(time.monotonic())\n"
    )
    assert done.returncode == 0
    assert time.monotonic() - float(done.stdout) < 30

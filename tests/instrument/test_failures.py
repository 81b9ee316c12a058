"""Failed calls as log records."""

import pytest

PROGRAM = """
import contextlib, mlobs
from tests import sink as sinks
PROVIDER
sink = sinks.start()
mlobs.init("failing", endpoint=sink.url)

@mlobs.llm(model="m")
def ask(): raise ConnectionError("no answer with api_key=abcdef123456")
@mlobs.tool
def lookup(): raise KeyError("x")
@mlobs.step
def part(): raise ValueError
@mlobs.tool
def fine(): pass

for call in (ask, lookup, part, fine):
    with contextlib.suppress(Exception):
        call()
assert mlobs.flush()
found = {name: (trace, about) for name, trace, about in sink.events()}
assert set(found) == {"gen_ai.client.operation.exception", "gen_ai.execute_tool.exception"}, found
trace, about = found["gen_ai.client.operation.exception"]
assert about["exception.type"] == "ConnectionError"
assert about["exception.message"] == "no answer with api_key=[removed: secret]"
assert len(trace) == 32 and int(trace, 16)
print("ok")
"""
PROVIDER = (
    "from opentelemetry import trace; from opentelemetry.sdk.trace import TracerProvider; "
    "trace.set_tracer_provider(TracerProvider())"
)


@pytest.mark.slow
def test_failures_are_log_records_where_that_is_asked_for(run_program):
    """With mlobs exporting, and in a provider of the program."""
    for code in ("", PROVIDER):
        done = run_program(PROGRAM.replace("PROVIDER", code), MLOBS_EVENTS="true")
        assert done.stdout == "ok\n", done.stderr

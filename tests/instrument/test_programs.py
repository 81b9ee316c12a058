"""Whole programs: how they begin, fork, end, and what they find already there."""

import time

import pytest

from tests import sink as sinks


@pytest.fixture
def sink():
    """A sink of its own, for the programs of this test only."""
    return sinks.start()


@pytest.mark.slow
def test_children_of_multiprocessing_deliver_before_they_end(sink, run_program):
    """They end without atexit; work in process pools would vanish."""
    done = run_program(
        """
import os, multiprocessing, mlobs
from concurrent.futures import ProcessPoolExecutor
mlobs.init("pools", endpoint=os.environ["SINK"])

@mlobs.tool
def work(n): return n

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    child = context.Process(target=work, args=(1,))
    child.start()
    child.join()
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(work, range(10))) == list(range(10))
""",
        SINK=sink.url,
        MLOBS_EXPORT_INTERVAL_S="30",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(sink.spans()) == 11
    assert len({span.resource["service.instance.id"] for span in sink.spans()}) > 1


@pytest.mark.slow
def test_without_a_server_a_script_ends_soon_and_says_what_was_lost(run_program):
    """One line when it begins, one when it ends, none of other libraries."""
    done = run_program(
        "import mlobs, time\nmlobs.init('s', endpoint='http://127.0.0.1:9')\n"
        "mlobs.tool(print)('x')\nmlobs.score('a', 1, trace_id='1' * 32)\n"
        "assert not mlobs.flush(1)\nprint(time.monotonic())\n"
    )
    assert time.monotonic() - float(done.stdout.split()[-1]) < 30
    first, last = done.stderr.splitlines()
    assert "does not take spans (no connection); they wait." in first
    assert last == (
        "1 span was lost: http://127.0.0.1:9/v1/traces does not take spans (no connection). "
        "Start a server with: mlobs up, or name another endpoint."
    )
    quiet = run_program("import mlobs\nmlobs.init('s', endpoint='http://127.0.0.1:9')\n")
    assert (quiet.returncode, quiet.stderr) == (0, "")


def test_a_forked_child_exports_its_own_spans_and_nobody_elses(sink, run_program):
    """Gunicorn and Celery fork after import; a child that repeats or loses spans is worse than none."""
    done = run_program(
        """
import os, mlobs
mlobs.init("forks", endpoint=os.environ["SINK"])

@mlobs.tool
def work(): pass

work()
children = []
for number in range(2):
    pid = os.fork()
    if pid == 0:
        work()
        assert mlobs.flush()
        os._exit(0)
    children.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
work()
""",
        SINK=sink.url,
        MLOBS_EXPORT_INTERVAL_S="5",
    )
    assert done.returncode == 0, done.stderr
    spans_seen = sink.spans()
    assert len(spans_seen) == 4
    assert len({span.span_id for span in spans_seen}) == len({span.trace_id for span in spans_seen}) == 4


def test_a_call_that_is_open_while_its_process_forks_is_the_parents(sink, run_program):
    done = run_program(
        """
import os, mlobs
mlobs.init("forks", endpoint=os.environ["SINK"])

@mlobs.tool
def work(): pass

@mlobs.agent
def parent():
    pid = os.fork()
    if pid == 0:
        work()
        assert mlobs.shutdown()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

parent()
""",
        SINK=sink.url,
    )
    assert done.returncode == 0, done.stderr
    states = [(span.name, span.attributes.get("mlobs.call.state")) for span in sink.spans()]
    assert states == [("execute_tool work", None), ("invoke_agent parent", None)]


def test_spans_are_delivered_when_a_short_script_ends(sink, run_program):
    """Nobody calls flush in a script of five lines."""
    code = "import os, mlobs\nmlobs.init('s', endpoint=os.environ['SINK'])\nmlobs.step(print, name='x')()\n"
    done = run_program(code, SINK=sink.url)
    assert (done.stdout, done.stderr) == ("\n", "")
    assert [span.name for span in sink.spans()] == ["step x"]


def test_a_process_with_a_provider_keeps_it(sink, run_program):
    """Decorated calls become its spans: nothing is replaced, with or without init."""
    for switch_on in ("", "mlobs.init('ignored')"):
        done = run_program(
            f"""
import mlobs, asyncio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
memory = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(memory))
trace.set_tracer_provider(provider)
{switch_on}

@mlobs.tool
def fail(): raise ValueError("no")

@mlobs.llm(model="gpt-4o-mini", provider="openai")
async def answer():
    mlobs.usage({{"input_tokens": 3, "output_tokens": 1}})
    yield 1

@mlobs.agent
async def root():
    with mlobs.session("c"):
        try: fail()
        except ValueError: pass
        async for _ in answer(): pass
        async for _ in answer(): break

asyncio.run(root())
assert trace.get_tracer_provider() is provider
by_name = {{}}
for s in memory.get_finished_spans():
    by_name.setdefault(s.name, []).append(s)
[tool], [agent] = by_name["execute_tool fail"], by_name["invoke_agent root"]
first, second = by_name["chat gpt-4o-mini"]
assert {{s.parent and s.parent.span_id for s in (tool, first, second)}} == {{agent.context.span_id}}
assert (tool.name, tool.status.status_code.name) == ("execute_tool fail", "ERROR")
assert tool.events[0].name == "exception"
assert first.attributes["gen_ai.usage.input_tokens"] == 3 and first.attributes["mlobs.cost.usd"] > 0
assert second.attributes["mlobs.call.state"] == "abandoned"
assert second.status.status_code.name == "UNSET", second.to_json()
assert agent.attributes["gen_ai.conversation.id"] == "c"
print("ok")
""",
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        )
        assert done.stdout == "ok\n", done.stderr
    assert sink.spans() == []


def test_without_init_and_provider_nothing_happens(run_program):
    """Libraries may decorate freely."""
    done = run_program(
        """
import sys, mlobs
@mlobs.llm(model="m")
def ask():
    mlobs.usage({"prompt_tokens": 1})
    mlobs.set({"a": 1})
    mlobs.score("s", 1.0)
    with mlobs.session("c"), mlobs.span("inner"): return 1
assert ask() == 1 and mlobs.flush()
assert "opentelemetry.sdk" not in sys.modules
print("ok")
"""
    )
    assert (done.stdout, done.stderr) == ("ok\n", "")


@pytest.mark.slow
def test_the_standard_variables_are_honoured(sink, run_program):
    """Somebody else's deployment already sets them."""
    code = """
import mlobs
mlobs.init()
@mlobs.tool
def work(): pass
for _ in range(200): work()
"""
    where = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "OTEL_SERVICE_NAME": "named"}
    assert run_program(code, **where, OTEL_SDK_DISABLED="true").returncode == 0
    assert sink.spans() == []
    sampled = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    assert run_program(code, **where, **sampled).stderr == ""
    spans_seen = sink.spans()
    assert 50 < len(spans_seen) < 150  # outside with a probability below 1e-12
    assert spans_seen[0].resource["service.name"] == "named"


def test_a_wrong_setting_is_one_sentence_at_init(run_program):
    """Not a stack of validation errors, and not a surprise at the first export."""
    done = run_program("import mlobs\nmlobs.init()", OTEL_EXPORTER_OTLP_ENDPOINT="localhost:4318")
    assert done.stderr.strip().splitlines()[-1] == (
        "mlobs.errors.SettingError: OTEL_EXPORTER_OTLP_ENDPOINT='localhost:4318' cannot be used: an address "
        "such as http://127.0.0.1:4318 was expected (default: http://127.0.0.1:4318)."
    )


@pytest.mark.slow
def test_init_twice_is_the_same_or_a_mistake(run_program):
    """Notebooks run cells again; two different switches are a bug."""
    done = run_program(
        "import mlobs\nmlobs.init('a')\nmlobs.init('a')\nmlobs.init('b')\n",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )
    assert "mlobs.init(service='b') came after mlobs.init(service='a')" in done.stderr


@pytest.mark.slow
def test_our_own_posts_are_not_traced(sink, run_program):
    """An instrumented `requests` would make a span of each export, and export that."""
    done = run_program(
        """
import os, mlobs
from opentelemetry import context
import requests
seen = []
original = requests.Session.send
def spy(self, *a, **k):
    seen.append(context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY))
    return original(self, *a, **k)
requests.Session.send = spy
mlobs.init("s", endpoint=os.environ["SINK"])
mlobs.step(lambda: 1, name="x")()
assert mlobs.flush()
assert seen and all(seen), seen
print("ok")
""",
        SINK=sink.url,
    )
    assert done.stdout == "ok\n", done.stderr


@pytest.mark.slow
def test_another_context_runtime_is_honoured(sink, run_program):
    """OTEL_PYTHON_CONTEXT may name one that does not keep its context where the default does."""
    done = run_program(
        """
import os
import opentelemetry.context as oc
class Other:
    def __init__(self, inner): self.inner = inner
    def attach(self, context): return self.inner.attach(context)
    def get_current(self): return self.inner.get_current()
    def detach(self, token): self.inner.detach(token)
oc._RUNTIME_CONTEXT = Other(oc._RUNTIME_CONTEXT)
import mlobs
mlobs.init("s", endpoint=os.environ["SINK"])
@mlobs.tool
def leaf(): pass
@mlobs.llm
def stream():
    leaf()
    yield 1
@mlobs.agent
def root(): list(stream())
root()
""",
        SINK=sink.url,
    )
    assert done.returncode == 0, done.stderr
    spans_seen = {span.name: span for span in sink.spans()}
    assert spans_seen["chat"].parent_id == spans_seen["invoke_agent root"].span_id
    assert spans_seen["execute_tool leaf"].parent_id == spans_seen["chat"].span_id


@pytest.mark.slow
def test_an_endpoint_that_is_given_wins_over_every_variable(sink, run_program):
    """Also over the one that is for spans only."""
    done = run_program(
        """
import os, mlobs
mlobs.init("x", endpoint=os.environ["SINK"])
mlobs.tool(len, name="size")("abc")
""",
        SINK=sink.url,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://127.0.0.1:9/v1/traces",
    )
    assert done.returncode == 0, done.stderr
    assert [span.name for span in sink.spans()] == ["execute_tool size"]


@pytest.mark.slow
def test_a_misspelt_propagator_is_told_when_mlobs_is_switched_on(run_program):
    """Otherwise every trace would end at the process's border, and nobody would know why."""
    done = run_program("import mlobs\nmlobs.init('x')\n", OTEL_PROPAGATORS="tracecontxt")
    assert "SettingError: OTEL_PROPAGATORS='tracecontxt' cannot be used" in done.stderr

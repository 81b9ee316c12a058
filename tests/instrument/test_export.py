"""Delivery: what happens when the endpoint is slow, rude or gone, and when processes fork or end."""

import gzip
import logging
import threading
import time

import pytest

from mlobs.instrument.calls import Call, now_ns
from mlobs.instrument.context import Context
from mlobs.instrument.export import Exporter
from mlobs.instrument.sites import Site
from mlobs.semconv import spans
from mlobs.settings import SdkSettings, load
from tests import sink as sinks

SITE = Site(spans.STEP, "step", {"mlobs.kind": "step"})


def call() -> Call:
    made = Call(SITE, Context())
    made.ended_ns = now_ns()
    return made


@pytest.fixture
def sink():
    """A sink of its own, so that its answers are for this test only."""
    return sinks.start()


@pytest.fixture
def exporter_to():
    """Make exporters, and stop them after the test."""
    made = []

    def make(url: str, **settings: object) -> Exporter:
        made.append(
            Exporter(
                load(SdkSettings, **{"export_interval_s": 0.02, **settings}),
                url=f"{url}/v1/traces",
                headers={"X-Team": "ml"},
                resource=lambda: {"service.name": "s"},
                version="0",
            )
        )
        return made[-1]

    yield make
    for exporter in made:
        exporter.shutdown(0.2)


def test_everything_queued_before_a_flush_is_out_after_it(sink, exporter_to):
    """Scripts and serverless functions end right after."""
    exporter = exporter_to(sink.url)
    for _ in range(5000):
        exporter.offer(call())
    assert exporter.flush(10)
    assert len(sink.spans()) == exporter.exported == 5000
    assert exporter.dropped == {}


def test_an_endpoint_that_is_busy_is_tried_again(sink, exporter_to):
    """With the pause it asked for."""
    sink.answers = [(503, {"Retry-After": "1"}), (429, {"Retry-After": "0"})]
    exporter = exporter_to(sink.url)
    exporter.offer(call())
    assert exporter.flush(10)
    assert (len(sink.spans()), exporter.dropped) == (1, {})


@pytest.mark.parametrize("status", [400, 401, 404, 302])
def test_a_refusal_is_final_and_counted(sink, exporter_to, caplog, status):
    """Sending the same bytes again would not help; the log says why once."""
    sink.answers = [(status, {"Location": "http://127.0.0.1:1/"})]
    exporter = exporter_to(sink.url)
    exporter.offer(call())
    assert not exporter.flush(5)
    assert exporter.dropped == {"rejected": 1}
    assert f"answered {status}" in caplog.text


def test_a_batch_that_is_too_large_is_split(sink, exporter_to):
    """413 means smaller, not never."""
    exporter = exporter_to(sink.url, export_interval_s=30)
    for _ in range(8):
        exporter.offer(call())
    sink.answers = [(413, {}), (413, {})]
    assert exporter.flush(5)
    assert (len(sink.spans()), len(sink.bodies)) == (8, 3)


def test_without_an_endpoint_the_program_runs_as_before(exporter_to, caplog):
    """One warning, no exception, and the program's end is not held up."""
    exporter = exporter_to("http://127.0.0.1:9", queue_spans_max=100)
    began = time.monotonic()
    for _ in range(1000):
        exporter.offer(call())
    assert time.monotonic() - began < 5
    time.sleep(0.1)
    assert not exporter.shutdown(5)
    assert time.monotonic() - began < 5
    assert sum(exporter.dropped.values()) == 1000
    assert exporter.dropped["queue_full"] >= 800
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_an_endpoint_that_never_answers_does_not_hold_up_the_end(sink, exporter_to):
    """A hung collector must not hang a deployment."""
    hang = threading.Event()
    sink.answers = [lambda _: hang.wait(20)] * 5
    exporter = exporter_to(sink.url, timeout_s=30)
    exporter.offer(call())
    time.sleep(0.1)
    began = time.monotonic()
    assert not exporter.flush(0.2)
    exporter.shutdown(0.5)
    assert time.monotonic() - began < 3
    hang.set()


def test_rejected_spans_of_a_partial_success_are_counted(sink, exporter_to):
    """An endpoint may take a request and not all of its spans."""

    def partial(handler):
        answer = b"\x0a\x02\x08\x03"  # ExportTraceServiceResponse{partial_success{rejected_spans: 3}}
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)

    exporter = exporter_to(sink.url, export_interval_s=30)
    for _ in range(5):
        exporter.offer(call())
    sink.answers = [partial]
    assert not exporter.flush(5)
    assert (exporter.exported, exporter.dropped) == (2, {"rejected": 3})


def test_an_answer_without_end_is_read_to_a_limit(sink, exporter_to):
    """A gigabyte of answer, or a compressed bomb, must not fill memory."""

    def bomb(handler):
        body = gzip.compress(b"\0" * (64 << 20))
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    sink.answers = [bomb]
    exporter = exporter_to(sink.url)
    exporter.offer(call())
    assert exporter.flush(20)
    assert exporter.exported == 1


def test_compression_is_an_option(sink, exporter_to):
    """Not on loopback, where it costs as much as the encoding."""
    exporter = exporter_to(sink.url, compression="gzip")
    exporter.offer(call())
    assert exporter.flush(5)
    assert len(sink.spans()) == 1


@pytest.mark.parametrize("after", ["0", "1"])
def test_a_busy_endpoint_is_not_hammered_at_the_end(sink, exporter_to, after):
    """A thousand programs that end at once must not take the server down."""
    sink.answers = [(503, {"Retry-After": after})] * 1000
    exporter = exporter_to(sink.url, export_interval_s=30)
    exporter.offer(call())
    assert not exporter.shutdown(1.5)
    assert len(sink.answers) > 990
    assert exporter.dropped == {"unreachable": 1}


def test_an_answer_that_is_cut_short_counts_by_its_status(sink, exporter_to):
    """Its body says nothing we need."""

    def cut(handler):
        handler.send_response(503)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"too li")
        handler.close_connection = True

    sink.answers = [cut]
    exporter = exporter_to(sink.url)
    exporter.offer(call())
    assert exporter.flush(10)
    assert (len(sink.spans()), exporter.dropped) == (1, {})


def test_drops_are_counted_right_from_many_threads(exporter_to):
    """Loss that is not counted is not known."""
    exporter = exporter_to("http://127.0.0.1:9", queue_spans_max=1, export_interval_s=30)
    exporter.offer(call())
    made = call()

    def offer():
        for _ in range(20_000):
            exporter.offer(made)

    threads = [threading.Thread(target=offer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert exporter.dropped["queue_full"] == 80_000


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


def test_without_a_server_a_script_ends_soon_and_says_what_was_lost(run_program):
    """One line when it begins, one when it ends, none of other libraries."""
    began = time.monotonic()
    done = run_program(
        "import mlobs\nmlobs.init('s', endpoint='http://127.0.0.1:9')\n"
        "mlobs.tool(print)('x')\nmlobs.score('a', 1)\nassert not mlobs.flush(1)\n"
    )
    assert time.monotonic() - began < 30
    first, last = done.stderr.splitlines()
    assert "does not take spans (no connection); they wait." in first
    assert last == "1 spans were lost: nothing took them at the endpoint. Start a server with: mlobs up"
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


def test_init_twice_is_the_same_or_a_mistake(run_program):
    """Notebooks run cells again; two different switches are a bug."""
    done = run_program(
        "import mlobs\nmlobs.init('a')\nmlobs.init('a')\nmlobs.init('b')\n",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )
    assert "mlobs.init('b', endpoint=None) came after mlobs.init('a', None)" in done.stderr


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

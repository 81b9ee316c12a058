"""Celery: one trace from the program that sends to the worker that runs; nothing left open or behind."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import sink as sinks
from tests.processes import process

ROOT = Path(__file__).parents[2]
PRODUCER, CONSUMER, ERROR = 4, 5, 2


@pytest.fixture
def sink():
    """A sink of its own, for the programs of this test only."""
    return sinks.start()


@pytest.fixture
def shop(tmp_path, sink):
    """The environment of programs that share one broker."""
    for name in ("queue", "control", "results"):
        (tmp_path / name).mkdir()
    return {**os.environ, "SHOP": str(tmp_path), "SINK": sink.url, "PYTHONPATH": str(ROOT)}


def run(code, shop):
    program = Path(shop["SHOP"]) / "program.py"
    program.write_text(code)
    done = subprocess.run(
        [sys.executable, str(program)], env=shop, capture_output=True, text=True, timeout=150
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@contextlib.contextmanager
def worker(shop, *options):
    command = [sys.executable, "-m", "celery", "-A", "tests.middleware.celery_shop", "worker", *options]
    log = Path(shop["SHOP"]) / "worker.log"
    with process(*command, "--without-gossip", "--without-mingle", log=log, env=shop, cwd=shop["SHOP"]):
        yield log


def seen(sink, names, log):
    """Wait until spans of all these names (with repetition) have arrived; return them by name."""
    until = time.monotonic() + 120
    while True:
        found = {}
        for span in sink.spans():
            found.setdefault(span.name, []).append(span)
        if all(len(found.get(name, ())) >= names.count(name) for name in names):
            return found
        assert time.monotonic() < until, f"{ {k: len(v) for k, v in found.items()} }\n{log.read_text()}"
        time.sleep(0.1)


SEND = """
import mlobs
from tests.middleware.celery_shop import *

with mlobs.session("s1"), mlobs.span("caller"):
    quote.delay("tea")
    chain.delay("tea")
    fail.delay()
    expected.delay()
    flaky.delay()
    app.send_task("shop.quote", ["by name"])
"""


@pytest.mark.slow
def test_a_run_belongs_to_the_call_that_sent_it_whatever_becomes_of_it(sink, shop):
    """A retry, a failure and a task sent by a task are all of the caller's trace and session."""
    run(SEND, shop)
    names = ["run/shop.quote"] * 3 + ["run/shop.flaky"] * 3 + ["execute_tool price"] * 4
    with worker(shop, "--pool", "solo") as log:
        found = seen(sink, [*names, "run/shop.fail", "run/shop.expected", "run/shop.chain"], log)
    [caller] = found["caller"]
    spans = sink.spans()
    assert {span.trace_id for span in spans} == {caller.trace_id}
    assert {span.attributes.get("session.id") for span in spans} == {"s1"}
    by_id = {span.span_id: span for span in spans}
    for span in spans:
        if span.kind == CONSUMER:
            assert by_id[span.parent_id].kind == PRODUCER
            assert by_id[span.parent_id].name == span.name.replace("run/", "apply_async/")
        if span.name == "execute_tool price":
            assert by_id[span.parent_id].kind == CONSUMER
    [failed] = found["run/shop.fail"]
    assert (failed.status, failed.attributes["error.type"]) == (ERROR, "ValueError")
    assert found["run/shop.expected"][0].status != ERROR
    tries = sorted(found["run/shop.flaky"], key=lambda span: span.start_ns)
    assert [span.attributes["mlobs.messaging.attempt"] for span in tries] == [1, 2, 3]
    assert ["gone" in span.attributes.get("celery.retry.reason", "") for span in tries] == [True, True, False]
    assert {span.status for span in tries} == {0}


@pytest.mark.slow
def test_every_child_of_a_prefork_pool_delivers_each_of_its_spans_once(sink, shop):
    """Children end without atexit: those that are replaced after three tasks, and those that are stopped."""
    run(
        "from tests.middleware.celery_shop import *\n"
        "for number in range(24):\n    quote.delay(str(number))\n",
        shop,
    )
    options = ("--pool", "prefork", "--concurrency", "2", "--max-tasks-per-child", "3")
    with worker({**shop, "MLOBS_EXPORT_INTERVAL_S": "30"}, *options) as log:
        until = time.monotonic() + 150
        while len(list((Path(shop["SHOP"]) / "results").iterdir())) < 24:
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
    # A child may end after its parent.
    ran, tools = (sink.named(name, count=24) for name in ("run/shop.quote", "execute_tool price"))
    assert len({span.span_id for span in (*ran, *tools)}) == 48
    assert {tool.parent_id for tool in tools} == {span.span_id for span in ran}
    assert len({span.resource["service.instance.id"] for span in tools}) >= 8


def test_a_task_that_could_not_be_sent_ends_its_span(sink, shop):
    """Left open and current, it would become the parent of whatever the thread does next."""
    run(
        """
import mlobs
from opentelemetry import trace
from tests.middleware.celery_shop import *
from opentelemetry.instrumentation.celery.utils import CTX_KEY

with mlobs.span("caller"):
    before = trace.get_current_span()
    for _ in range(2):
        try:
            quote.delay(object())
        except Exception as error:
            assert type(error).__name__ == "EncodeError", error
    assert trace.get_current_span() is before
    assert getattr(quote, CTX_KEY) == {}
    app.send_task("shop.unknown")
    price("after")
""",
        shop,
    )
    [caller] = sink.named("caller")
    for span in sink.named("apply_async/shop.quote", count=2):
        assert (span.status, span.attributes["error.type"]) == (ERROR, "kombu.exceptions.EncodeError")
        assert span.parent_id == caller.span_id
    assert sink.named("execute_tool price")[0].parent_id == caller.span_id
    assert sink.named("apply_async/shop.unknown")[0].parent_id == caller.span_id


@pytest.mark.slow
def test_eager_tasks_nest_where_they_are_called(sink, shop):
    run(
        """
import mlobs
from tests.middleware.celery_shop import *
app.conf.task_always_eager = True

with mlobs.session("s1"), mlobs.span("caller"):
    assert quote.delay("tea").get() == "tea!"
    fail.delay()
price("after")
""",
        shop,
    )
    [caller], [ran], [failed] = (sink.named(name) for name in ("caller", "run/shop.quote", "run/shop.fail"))
    inner, after = sorted(sink.named("execute_tool price", count=2), key=lambda span: span.start_ns)
    assert (ran.parent_id, inner.parent_id, after.parent_id) == (caller.span_id, ran.span_id, "")
    assert (failed.status, failed.attributes["error.type"]) == (ERROR, "ValueError")
    assert ran.attributes["session.id"] == inner.attributes["session.id"] == "s1"


@pytest.mark.slow
def test_a_program_with_a_provider_of_its_own_keeps_it(shop):
    run(
        """
import mlobs
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
memory = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(memory))
trace.set_tracer_provider(provider)
import logging
logging.getLogger('mlobs').setLevel('ERROR')  # the shop names an endpoint, which is warned of
from tests.middleware.celery_shop import *
app.conf.task_always_eager = True
quote.delay("tea")
tool, ran = memory.get_finished_spans()
assert (tool.name, ran.name) == ("execute_tool price", "run/shop.quote")
assert tool.parent.span_id == ran.context.span_id
assert trace.get_tracer_provider() is provider
""",
        shop,
    )


@pytest.mark.slow
def test_while_mlobs_is_off_tasks_are_sent_and_run_as_ever(shop):
    run(
        "from tests.middleware.celery_shop import *\napp.conf.task_always_eager = True\n"
        "assert quote.delay('tea').get() == 'tea!'\n",
        {**shop, "OTEL_SDK_DISABLED": "true"},
    )

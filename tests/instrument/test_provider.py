"""Spans of other instrumentations beside ours, in the provider that `init` installs."""

import contextlib
import textwrap

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

import mlobs
from mlobs.instrument import recorders
from mlobs.instrument.outbox import Outbox


def test_spans_of_others_leave_in_the_same_requests(sink):
    """One queue, one retry, one count of losses; and one trace."""
    tracer = trace.get_tracer("database")

    @mlobs.tool
    def lookup():
        with tracer.start_as_current_span("SELECT") as span:
            span.set_attribute("db.system.name", "sqlite")
            inner()

    @mlobs.step
    def inner():
        return None

    lookup()
    assert mlobs.flush()
    [ours], [theirs], [below] = (sink.named(n) for n in ("execute_tool lookup", "SELECT", "step inner"))
    assert (theirs.parent_id, below.parent_id) == (ours.span_id, theirs.span_id)
    assert len({ours.trace_id, theirs.trace_id, below.trace_id}) == 1
    assert (theirs.scope, theirs.attributes) == ("database", {"db.system.name": "sqlite"})
    assert ours.resource == theirs.resource
    assert len([path for path, _ in sink.bodies if path == "/v1/traces"]) == 1


SECRETS = ("hunter2", "0a1b2c3d4e5f6a7b", "abcdef123456", "plain word", "linked2")


def test_secrets_of_other_instrumentations_do_not_leave(sink):
    """Clients put URLs, headers and what they raised on their spans."""
    other = trace.SpanContext(1, 2, is_remote=True)
    link = trace.Link(other, {"url.full": "amqp://app:linked2@mq"})
    with (
        contextlib.suppress(ConnectionError),
        trace.get_tracer("client").start_as_current_span("connect", links=[link]) as span,
    ):
        span.set_attribute("url.full", "postgres://app:hunter2@db/x")
        span.set_attribute("headers", ["authorization: Bearer 0a1b2c3d4e5f6a7b"])
        span.set_attribute("http.request.header.x-api-key", ["plain word"])
        span.set_attribute("gen_ai.usage.input_tokens", 512)
        raise ConnectionError("cannot log in with api_key=abcdef123456")
    assert mlobs.flush()
    [seen] = sink.named("connect")
    assert all(secret not in repr(seen) for secret in SECRETS)
    assert seen.attributes["url.full"] == "postgres://app:[removed: password]@db/x"
    assert seen.attributes["gen_ai.usage.input_tokens"] == 512


def test_a_text_that_is_not_utf_8_costs_no_span(sink):
    """Names of files come with half characters, in what is raised; the batch has spans of everybody."""
    tracer = trace.get_tracer("files")
    with contextlib.suppress(OSError), tracer.start_as_current_span("read \udcff") as span:
        span.set_attribute("file.path", "a\udcff")
        span.add_event("open \udcff", {"path": "b\udcff"})
        raise OSError("no such file: c\udcff")
    tracer.start_span("other").end()
    mlobs.tool(len, name="own")("abc")
    assert mlobs.flush()
    assert {span.name for span in sink.spans()} == {"read ?", "other", "execute_tool own"}
    [seen] = sink.named("read ?")
    assert (seen.message, seen.status) == ("OSError: no such file: c?", StatusCode.ERROR.value)
    assert seen.attributes == {"file.path": "a?"}
    assert [name for name, _ in seen.events] == ["open ?", "exception"]
    assert seen.events[0][1] == {"path": "b?"}


def test_a_span_that_cannot_be_written_costs_no_other(sink):
    """It is counted as lost, and the rest arrives."""

    class Broken:
        context = None

    recorder = recorders.active.recorder
    before = recorder._outbox.dropped.get("encoding", 0)
    recorder._outbox.offer(Broken(), keep=False)
    trace.get_tracer("files").start_span("other").end()
    assert not mlobs.flush()
    assert [span.name for span in sink.spans()] == ["other"]
    assert recorder._outbox.dropped["encoding"] == before + 1


def test_a_flush_of_the_provider_delivers_everything(sink):
    """Serverless adapters flush the provider and know nothing of mlobs."""
    trace.get_tracer("x").start_span("foreign").end()
    mlobs.tool(len, name="own")("abc")
    assert trace.get_tracer_provider().force_flush(5000)
    assert {span.name for span in sink.spans()} == {"foreign", "execute_tool own"}


def test_a_flush_may_take_as_long_as_it_takes(sink):
    """Threads cannot wait for ever; who asks for that asks for the longest there is."""
    mlobs.tool(len, name="own")("abc")
    assert mlobs.flush(float("inf"))
    assert [span.name for span in sink.spans()] == ["execute_tool own"]


def test_failed_spans_are_not_crowded_out(sink):
    """Of a burst that does not fit, what went wrong is what somebody will look for."""
    outbox = Outbox(3)
    for number in range(5):
        outbox.offer(f"ok {number}", keep=False)
        outbox.offer(f"failed {number}", keep=number < 3)
    assert outbox.dropped == {"queue_full": 4}
    assert outbox.take(4) == ["failed 0", "failed 1", "failed 2", "ok 0"]
    outbox.close()
    outbox.offer("late", keep=True)
    assert outbox.dropped == {"queue_full": 4, "shutdown": 1}


def test_calls_pass_through_processors_the_program_adds(run_program):
    """Who adds a processor wants to see every span, decorated calls included."""
    done = run_program(
        textwrap.dedent("""
            import mlobs
            from opentelemetry import trace
            from opentelemetry.sdk.trace import SpanProcessor
            from tests import sink as sinks

            sink = sinks.start()
            mlobs.init("joined", endpoint=sink.url)
            seen = []

            class Mine(SpanProcessor):
                def on_start(self, span, parent_context=None):
                    span.set_attribute("mine", True)
                def on_end(self, span):
                    seen.append(span.name)

            @mlobs.tool
            def before(): return 1
            before()
            trace.get_tracer_provider().add_span_processor(Mine())

            @mlobs.agent
            def after():
                try:
                    fail()
                except ValueError:
                    return 2

            @mlobs.tool
            def fail(): raise ValueError("no")

            after()
            assert mlobs.flush()
            assert seen == ["execute_tool fail", "invoke_agent after"], seen
            spans = {span.name: span for span in sink.spans()}
            assert set(spans) == {"execute_tool before", "execute_tool fail", "invoke_agent after"}
            assert "mine" not in spans["execute_tool before"].attributes
            assert spans["execute_tool fail"].attributes["mine"] is True
            assert spans["execute_tool fail"].attributes["error.type"] == "ValueError"
            assert spans["execute_tool fail"].parent_id == spans["invoke_agent after"].span_id
            print("ok")
        """)
    )
    assert done.stdout == "ok\n", done.stderr


@pytest.mark.slow
def test_the_samplers_of_opentelemetry_decide(run_program):
    """OTEL_TRACES_SAMPLER is how operators turn volume down; whole traces stay or go."""
    done = run_program(
        textwrap.dedent("""
            import mlobs
            from opentelemetry import trace
            from tests import sink as sinks

            sink = sinks.start()
            mlobs.init("sampled", endpoint=sink.url)
            tracer = trace.get_tracer("x")

            @mlobs.step
            def child():
                with tracer.start_as_current_span("foreign"):
                    return None

            @mlobs.agent
            def root():
                child()

            for _ in range(400):
                root()
            assert mlobs.flush()
            traces = {}
            for span in sink.spans():
                traces.setdefault(span.trace_id, set()).add(span.name)
            assert 40 < len(traces) < 160, len(traces)
            assert all(names == {"invoke_agent root", "step child", "foreign"} for names in traces.values())
            print("ok")
        """),
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0.25",
    )
    assert done.stdout == "ok\n", done.stderr


def test_a_failed_foreign_span_counts_as_important():
    """The SDK's errors are errors too."""
    from opentelemetry.sdk.trace import TracerProvider

    from mlobs.instrument.provider import Forwarding

    outbox = Outbox(10)
    provider = TracerProvider()
    provider.add_span_processor(Forwarding(outbox, lambda _: True))
    tracer = provider.get_tracer("x")
    tracer.start_span("fine").end()
    failed = tracer.start_span("failed")
    failed.set_status(StatusCode.ERROR)
    failed.end()
    kept = tracer.start_span("kept", attributes={"mlobs.keep": True})
    kept.end()
    assert [span.name for span in outbox.take(2)] == ["failed", "kept"]

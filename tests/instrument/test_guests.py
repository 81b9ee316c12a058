"""Telemetry is a guest in the program: whatever it is handed, the program's call goes on as without it."""

import contextlib
import logging

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags

import mlobs
from mlobs import _guard
from tests.instrument.recorded import chat, recorded


class Lazy:
    """As a lazy user of a web framework, or a proxy outside of its request: asking what it is raises."""

    @property
    def __class__(self):
        raise RuntimeError("this would ask the database")


class Kind(type):
    """A class that cannot be looked up in a set."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(cls, other):
        raise RuntimeError


class Odd(metaclass=Kind):
    """Of a class that raises when it is compared."""


class Closed:
    """Nothing can be asked of it."""

    def __getattribute__(self, name):
        raise RuntimeError(name)


class Mute:
    """It has no words and no truth."""

    def __str__(self):
        raise RuntimeError

    __repr__ = __bool__ = __len__ = __iter__ = __str__  # type: ignore[assignment]


HOSTILE = [Lazy, Odd, Closed, Mute]


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch):
    """Each mistake is told once a process; what is made here is not to silence the tests that come after."""
    monkeypatch.setattr(_guard, "failures", {})


@pytest.fixture
def span_of(sink):
    """Run a function inside a decorated call, and return the call's span."""

    def run(inside):
        @mlobs.step(name="host")
        def host():
            inside(trace.get_current_span())
            return "as without"

        assert host() == "as without"
        assert mlobs.flush(60)
        [seen] = sink.named("step host")
        return seen

    return run


@pytest.mark.parametrize("kind", HOSTILE)
def test_arguments_and_results_may_be_anything(sink, kind):
    """Content is recorded without asking a value anything."""
    value = kind()

    @mlobs.tool(capture="full")
    def work(given, **more):
        return given

    @mlobs.llm(model="m", capture="full")
    def stream(given):
        yield given
        yield from given if type(given) is list else ()

    assert work(value, more=[{"a": value}]) is value
    assert list(stream(value)) == [value] if kind is not Odd else len(list(stream(value))) == 1
    assert len(list(stream([value]))) == 2
    assert mlobs.flush(60)
    assert {span.name for span in sink.spans()} == {"execute_tool work", "chat m"}


def test_nobody_is_asked_what_a_proxy_stands_for():
    """It may ask a database, on the request's own thread; and on another thread it may stand for nothing."""
    asked = []

    class Proxy:
        @property
        def __class__(self):
            asked.append("class")
            return str

    class Rows(list):
        def __iter__(self):
            asked.append("rows")
            return super().__iter__()

    class Table(dict):
        def items(self):
            asked.append("items")
            return super().items()

    found = recorded("tool", chat, [Proxy(), Rows([1]), Table(a=2)])
    assert found["gen_ai.tool.call.arguments"]["messages"] == ["<Proxy>", [1], {"a": 2}]
    assert asked == []


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_a_program_says_of_its_calls_may_be_anything(span_of, kind):
    """Each of these is called in the middle of a request."""

    def inside(span):
        mlobs.set({"a": kind()})
        mlobs.set(kind())
        mlobs.usage(kind())
        mlobs.note(kind(), error=kind(), more=kind())
        mlobs.handoff(kind(), kind())
        mlobs.score(kind(), kind(), by=kind())
        mlobs.feedback(kind(), kind(), user=kind())
        mlobs.inject(kind())
        with (
            mlobs.span(kind(), {"a": kind()}),
            mlobs.session(kind(), user=kind(), tags={"t": kind()}),
            mlobs.experiment(kind(), kind(), prompt=kind()),
            mlobs.extract(kind()),
        ):
            pass
        with mlobs.experiment("tone", "warm", prompt=12), mlobs.span("s", kind()):
            pass

    assert "a" in span_of(inside).attributes


@pytest.mark.parametrize("kind", HOSTILE)
def test_opentelemetrys_interface_of_a_call_takes_anything(span_of, kind):
    """Instrumentations and programs write on the current span whatever they hold."""

    def inside(span):
        span.set_attribute("k", kind())
        with contextlib.suppress(TypeError):  # what cannot be a key of their own dict
            span.set_attributes({kind(): 1})
        span.set_attributes(kind())
        span.add_event(kind(), kind(), kind())
        span.add_event("e", {"a": kind()}, -5)
        span.add_link(kind(), kind())
        span.update_name(kind())
        span.set_status(kind(), kind())
        span.set_status(StatusCode.ERROR, kind())
        span.record_exception(kind(), kind())
        span.update_name("step host")

    seen = span_of(inside)
    assert "k" in seen.attributes
    assert [name for name, about in seen.events if "a" in about] == ["e"]
    assert seen.status == StatusCode.ERROR.value


def test_wrong_types_on_the_current_span_lose_no_span(span_of):
    """What cannot be written when it is sent would cost the whole span, long after the mistake."""

    def inside(span):
        span.set_attributes(None)
        span.set_attribute(5, 6)
        span.add_event(7, None, 1.5)
        span.add_event("far", None, 1 << 70)
        span.set_status(StatusCode.ERROR, 8)
        span.update_name(9)
        span.update_name("step host")

    seen = span_of(inside)
    assert (seen.attributes["5"], seen.message) == (6, "8")
    assert [name for name, _ in seen.events] == ["7", "far"]


def test_links_of_a_call_arrive_without_secrets(span_of):
    """A consumer links to what it was sent; OpenTelemetry's own spans keep links, and so do calls."""
    other = SpanContext(0xAB, 0xCD, is_remote=True, trace_flags=TraceFlags(1))

    def inside(span):
        span.add_link(other, {"url": "postgres://app:hunter2@db/x"})
        span.add_link(SpanContext(0, 0, is_remote=False))

    seen = span_of(inside)
    assert seen.links == [f"{0xCD:016x}"]
    assert seen.link_attributes == [{"url": "postgres://app:[removed: password]@db/x"}]


def test_what_is_too_much_for_a_span_is_counted_on_it(sink):
    """Else it looks as if that were all."""

    @mlobs.step
    def work():
        for number in range(130):
            mlobs.note("again", number=number)
            trace.get_current_span().add_link(SpanContext(1, 2, is_remote=True))
        mlobs.set({f"key {number}": number for number in range(260)})

    work()
    assert mlobs.flush()
    [body] = [body for path, body in sink.bodies if path == "/v1/traces" and body]
    [span] = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans
    assert (len(span.events), span.dropped_events_count) == (128, 2)
    assert (len(span.links), span.dropped_links_count) == (128, 2)
    assert span.dropped_attributes_count == 4


def test_secrets_do_not_leave_by_whatever_way_they_are_said(sink):
    """Lists, names of spans, attributes of blocks and decorators, tags: each is a way out."""
    secret = "postgres://app:hunter2@db/x"

    @mlobs.step(name="said", attributes={"of decorator": secret})
    def said():
        mlobs.set({"list": ["plain", secret], "db.password": "hunter2", "session.tokens": "kept"})
        trace.get_current_span().add_event(f"event {secret}", {"of event": [secret]})
        with mlobs.span(f"block {secret}", {"of block": secret}) as _:
            trace.get_current_span().update_name(f"renamed {secret}")

    with mlobs.session("s", tags={"of tag": secret}):
        said()
    assert mlobs.flush(60)
    assert len(sink.spans()) == 2
    assert "hunter2" not in repr(sink.spans())
    assert repr(sink.spans()).count("[removed: password]") >= 7
    [seen] = [span for span in sink.spans() if "list" in span.attributes]
    assert (seen.attributes["db.password"], seen.attributes["session.tokens"]) == (
        "[removed: secret]",
        "kept",
    )


def test_a_logging_handler_that_raises_stays_the_programs_own_matter(span_of):
    """Our word about our mistake must not become an exception in a call that went well."""

    class Broken(logging.Handler):
        def emit(self, record):
            raise RuntimeError("the disk is full")

    handler = Broken()
    logging.getLogger().addHandler(handler)
    try:
        span_of(lambda span: span.set_attributes(5))
    finally:
        logging.getLogger().removeHandler(handler)
    assert _guard.failures == {"setting attributes": 1}


def test_a_provider_that_gives_no_tracer_costs_the_program_nothing(run_program):
    """It may be any object of the program's own."""
    done = run_program("""
import mlobs
from opentelemetry import trace
class Provider(trace.TracerProvider):
    def get_tracer(self, *given, **named):
        raise RuntimeError("not today")
trace.set_tracer_provider(Provider())
@mlobs.tool
def work():
    return "worked"
print(work(), work())
""")
    assert (done.returncode, done.stdout) == (0, "worked worked\n"), done.stderr
    assert done.stderr.count("Traceback") == 1

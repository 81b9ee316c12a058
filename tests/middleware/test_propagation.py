"""A trace goes on in the next program, whatever carries it there and whoever sends it."""

import asyncio
import pickle
from concurrent.futures import ProcessPoolExecutor
from email.message import Message
from multiprocessing import get_context

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.context import Context
from starlette.datastructures import Headers
from werkzeug.datastructures import Headers as WerkzeugHeaders

import mlobs
from mlobs.instrument.baggage import opened
from mlobs.instrument.context import Session, current, restore, switch
from mlobs.instrument.propagation import arrived, bounded, extract, inject

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
BAGGAGE = "session.id=c%201,mlobs.experiment.tone=warm,user.id=mallory"


@mlobs.tool(name="work")
def work():
    return inject()


def parent_of(carrier) -> str:
    """The trace and span that a call made inside would belong to."""
    above = trace.get_current_span(arrived(carrier, Context())).get_span_context()
    return f"{above.trace_id:032x}-{above.span_id:016x}" if above.is_valid else "none"


@pytest.mark.parametrize(
    "carrier",
    [
        {"traceparent": PARENT},
        {"TraceParent": PARENT.encode()},
        {"traceparent": [PARENT]},
        {b"traceparent": PARENT.encode()},
        [("traceparent", PARENT.encode()), ("other", b"\xff")],  # Kafka
        ((b"TRACEPARENT", bytearray(PARENT.encode())),),
        (grpc.aio.Metadata(("traceparent", PARENT))),
        Headers({"Traceparent": PARENT}),
        WerkzeugHeaders([("Traceparent", PARENT)]),
        [("x", "y")] * 300 + [("traceparent", PARENT)],
    ],
    ids=lambda carrier: type(carrier).__name__,
)
def test_every_kind_of_carrier_is_read(carrier):
    """Each library keeps its headers its own way."""
    assert parent_of(carrier) == f"{TRACE}-{SPAN}"


def test_an_email_is_a_carrier_too():
    """http.client's headers are one."""
    message = Message()
    message["Traceparent"] = PARENT
    assert parent_of(message) == f"{TRACE}-{SPAN}"


@pytest.mark.parametrize(
    "carrier",
    [
        None,
        {},
        42,
        "traceparent",
        [1, 2],
        {"traceparent": "garbage"},
        {"traceparent": PARENT + "x" * 1_000_000},
        {"traceparent": b"\xff\xfe" + PARENT.encode()},
        {"traceparent": PARENT.replace("b7ad", "B7AD")},
        {"traceparent": f"00-{'0' * 32}-{SPAN}-01"},
        {"traceparent": f"ff-{TRACE}-{SPAN}-01"},
        {"traceparent": None},
        {"traceparent": [None, 3]},
        [("x", "y")] * 2000 + [("traceparent", PARENT)],
    ],
    ids=lambda carrier: repr(carrier)[:30],
)
def test_garbage_begins_a_new_trace(carrier):
    """A stranger decides what arrives; nothing of it raises or joins."""
    assert parent_of(carrier) == "none"


def test_megabytes_of_baggage_are_as_if_none_came(caplog):
    """OpenTelemetry's propagator would log them whole."""
    huge = {
        "traceparent": PARENT,
        "baggage": "session.id=" + "x" * 1_000_000,
        "tracestate": "a=" + "b" * 1_000_000,
    }
    context = arrived(huge, Context())
    assert trace.get_current_span(context).get_span_context().is_valid
    assert dict(baggage.get_all(context)) == {}
    assert all(len(record.getMessage()) < 1000 for record in caplog.records)


def test_baggage_in_several_headers_is_read_whole():
    """Proxies may split it."""
    carrier = [("baggage", "session.id=1"), ("Baggage", b"mlobs.experiment.tone=warm")]
    assert bounded(carrier, ["baggage"]) == {"baggage": ["session.id=1,mlobs.experiment.tone=warm"]}


PIECES = st.text(max_size=60) | st.binary(max_size=60) | st.integers() | st.none() | st.just(PARENT)
KEYS = st.sampled_from(["traceparent", "TRACESTATE", "baggage", b"baggage", "x"]) | PIECES


@given(
    st.dictionaries(KEYS, PIECES | st.lists(PIECES, max_size=3)) | st.lists(st.tuples(KEYS, PIECES)) | PIECES
)
def test_no_carrier_raises(carrier):
    """The property behind the examples."""
    with extract(carrier):
        pass


@given(st.text(alphabet='0123456789abcdef-=,;% \t"\\é', max_size=200))
def test_no_header_raises(text):
    with extract({"traceparent": text, "tracestate": text, "baggage": text}):
        inject()


def test_inside_extract_calls_belong_to_the_sender(sink):
    """The point of it all: one trace, one session, on both sides of a queue."""
    with mlobs.session("ours"), mlobs.span("polling"):
        with extract({"traceparent": PARENT, "baggage": BAGGAGE}):
            work()
        work()
    assert mlobs.flush()
    theirs, here = sink.named("execute_tool work", count=2)
    assert (theirs.trace_id, theirs.parent_id) == (TRACE, SPAN)
    assert theirs.attributes["session.id"] == "c 1"
    assert theirs.attributes["mlobs.experiment.tone"] == "warm"
    assert "user.id" not in theirs.attributes
    assert here.attributes["session.id"] == "ours"
    assert here.trace_id != TRACE


def test_a_message_that_brings_nothing_begins_a_trace_of_its_own(sink):
    """One consumer handles the messages of everybody; none may join the one before."""
    with mlobs.session("ours"), mlobs.span("polling"), extract({"traceparent": "garbage"}):
        work()
    assert mlobs.flush()
    [alone] = sink.named("execute_tool work")
    assert alone.parent_id == ""
    assert "session.id" not in alone.attributes


def test_extract_in_coroutines_that_run_at_once_keeps_them_apart(sink):
    async def handle(number: int) -> None:
        async with extract({"traceparent": f"00-{number:032x}-{number:016x}-01"}):
            await asyncio.sleep(0.01)
            work()

    async def everything() -> None:
        await asyncio.gather(*(handle(number) for number in range(1, 6)))

    asyncio.run(everything())
    assert mlobs.flush()
    spans = sink.named("execute_tool work", count=5)
    assert {(int(span.trace_id, 16), int(span.parent_id, 16)) for span in spans} == {
        (n, n) for n in range(1, 6)
    }


@pytest.fixture
def inside():
    """A remote call and a session, as the current context."""
    outer = current()
    switch(opened(Session("c 1", "ana"), arrived({"traceparent": PARENT}, outer)))
    yield
    restore(outer)


@pytest.mark.usefixtures("inside")
def test_inject_fills_what_it_is_given():
    assert inject() == {"traceparent": PARENT, "baggage": "session.id=c+1"}
    headers = {"TraceParent": "old", "x": "y"}
    assert inject(headers) is headers
    assert headers == {"x": "y", "traceparent": PARENT, "baggage": "session.id=c+1"}
    pairs = [("x", b"y"), ("traceparent", b"old")]
    assert inject(pairs) is pairs
    assert pairs == [("x", b"y"), ("traceparent", PARENT.encode()), ("baggage", b"session.id=c+1")]
    seen = []
    inject("mine", setter=lambda *given: seen.append(given))
    assert seen[0] == ("mine", "traceparent", PARENT)
    message = Message()
    inject(message)
    assert message["Traceparent"] == PARENT


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("wrong", [(), 3, "headers", frozenset()])
def test_inject_into_what_cannot_be_filled_leaves_it_as_it_is(wrong):
    """The message goes out without a trace; that is no reason not to send it."""
    assert inject(wrong) == wrong


def test_outside_of_every_call_nothing_is_written():
    assert inject() == {}


def test_an_injected_call_is_the_parent(sink):
    """A decorated call writes its own ids, not those above it."""
    headers = pickle.loads(pickle.dumps(work()))
    assert {type(value) for value in [*headers, *headers.values()]} == {str}
    assert mlobs.flush()
    [span] = sink.named("execute_tool work")
    assert headers["traceparent"] == f"00-{span.trace_id}-{span.span_id}-01"


def _in_a_pool(headers: dict[str, str]) -> str:
    with extract(headers):
        return inject()["traceparent"]


@pytest.mark.slow
def test_headers_go_into_the_processes_of_a_pool(sink):
    headers = work()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(_in_a_pool, headers).result() == headers["traceparent"]


PROGRAM = """
import os, sys, mlobs
from mlobs.instrument.propagation import extract, inject
from opentelemetry import trace
if "FOREIGN" in os.environ:
    from opentelemetry.sdk.trace import TracerProvider
    trace.set_tracer_provider(TracerProvider())

@mlobs.tool
def work(): return inject()

with extract({"traceparent": "PARENT", "baggage": "session.id=c"}):
    print(sorted(work().items()))
print("opentelemetry.sdk.trace" in sys.modules, sorted(inject()))
""".replace("PARENT", PARENT)


def test_with_a_foreign_provider_its_span_is_written(run_program):
    done = run_program(PROGRAM, FOREIGN="1")
    assert done.stderr == ""
    assert f"00-{TRACE}-" in done.stdout
    assert SPAN not in done.stdout


def test_while_mlobs_is_off_what_came_is_passed_on(run_program):
    """A program without telemetry in the middle does not cut the trace; it loads no SDK for it."""
    done = run_program(PROGRAM)
    assert (done.stdout, done.stderr) == (
        f"[('baggage', 'session.id=c'), ('traceparent', '{PARENT}')]\nFalse []\n",
        "",
    )


def test_the_propagators_of_the_environment_are_used(run_program):
    """Somebody else's mesh speaks another dialect, or none."""
    done = run_program(PROGRAM, OTEL_PROPAGATORS="none")
    assert (done.stdout, done.stderr) == ("[]\nFalse []\n", "")
    done = run_program(PROGRAM, OTEL_PROPAGATORS="baggage")
    assert done.stdout.startswith("[('baggage', 'session.id=c')]")


def test_a_propagator_that_is_not_there_costs_the_headers_only(run_program):
    """The variable may have been written for another image."""
    done = run_program(PROGRAM, OTEL_PROPAGATORS="nosuch")
    assert done.stdout == "[]\nFalse []\n"
    assert done.returncode == 0
    assert done.stderr.count("mlobs failed while loading the propagators of OTEL_PROPAGATORS") == 1

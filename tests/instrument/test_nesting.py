"""Where a call's span hangs: under the call it was made in, in threads and among others' spans."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from opentelemetry import trace

import mlobs


def test_calls_nest(sink):
    """A trace is a tree: children know their parent, and a root has none."""

    @mlobs.tool
    def leaf():
        return None

    @mlobs.agent
    async def root():
        leaf()
        await asyncio.gather(asyncio.to_thread(leaf), asyncio.to_thread(leaf))

    asyncio.run(root())
    assert mlobs.flush()
    top = sink.named("invoke_agent root")[0]
    leaves = sink.named("execute_tool leaf", count=3)
    assert top.parent_id == ""
    assert {leaf.parent_id for leaf in leaves} == {top.span_id}
    assert {leaf.trace_id for leaf in leaves} == {top.trace_id}


def test_our_spans_nest_with_those_of_other_instrumentations(sink):
    """A database client's span belongs under the tool that called it, and the other way round."""
    tracer = trace.get_tracer("other")

    @mlobs.tool
    def inner():
        return None

    @mlobs.tool
    def outer():
        trace.get_current_span().set_attribute("mine", 1)
        with tracer.start_as_current_span("theirs"):
            inner()

    outer()
    assert mlobs.flush()
    top, middle, bottom = (sink.named(n)[0] for n in ("execute_tool outer", "theirs", "execute_tool inner"))
    assert (middle.parent_id, bottom.parent_id) == (top.span_id, middle.span_id)
    assert top.trace_id == middle.trace_id == bottom.trace_id
    assert top.attributes["mine"] == 1


def test_carry_takes_the_call_into_a_thread(sink):
    """Thread pools start with an empty context; without this their work starts traces of its own."""

    @mlobs.tool
    def work(item):
        return item

    @mlobs.agent
    def root():
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(mlobs.carry(work), [1, 2]))

    assert root() == [1, 2]
    assert mlobs.flush()
    top = sink.named("invoke_agent root")[0]
    assert {span.parent_id for span in sink.named("execute_tool work", count=2)} == {top.span_id}


def test_a_session_marks_the_calls_inside_and_the_one_that_opens_it(sink):
    """People ask for a conversation, a user or a tier, not for a trace id."""

    @mlobs.tool
    def inside():
        return None

    @mlobs.agent
    def opens():
        with mlobs.session("c-1", user="ana", tags={"tier": "gold"}):
            inside()

    opens()
    inside()
    assert mlobs.flush()
    known = {"session.id": "c-1", "gen_ai.conversation.id": "c-1", "user.id": "ana", "mlobs.tag.tier": "gold"}
    assert known.items() <= sink.named("invoke_agent opens")[0].attributes.items()
    within, outside = sink.named("execute_tool inside", count=2)
    assert known.items() <= within.attributes.items()
    assert "session.id" not in outside.attributes


def test_an_unsampled_parent_is_honoured(sink):
    """Who decided upstream decided for the whole trace."""
    where = trace.SpanContext(
        7, 9, is_remote=True, trace_flags=trace.TraceFlags(0), trace_state=trace.TraceState([("v", "1")])
    )
    seen = []

    @mlobs.tool
    def inner():
        seen.append(trace.get_current_span().get_span_context())

    @mlobs.agent
    def outer():
        inner()

    with trace.use_span(trace.NonRecordingSpan(where)):
        outer()
    assert mlobs.flush()
    assert sink.spans() == []
    assert (seen[0].trace_id, seen[0].trace_flags.sampled, seen[0].trace_state.get("v")) == (7, False, "1")

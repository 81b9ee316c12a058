"""A stream belongs to the session it was made in: web servers read it after the endpoint left that."""

import asyncio
import inspect

import pytest
from opentelemetry import trace

import mlobs
from mlobs.instrument.recorders import TracerRecorder, active


@mlobs.tool
def lookup(headers):
    mlobs.inject(headers)


@mlobs.llm(model="m")
def words(headers=None):
    lookup({} if headers is None else headers)
    yield "a"


@mlobs.llm(model="m")
async def async_words(headers=None):
    lookup({} if headers is None else headers)
    yield "a"


def read(stream):
    """Read a stream of either kind to its end, in a task of its own where it needs one."""
    if inspect.isgenerator(stream):
        return list(stream)

    async def reading():
        return [item async for item in stream]

    return asyncio.run(reading())


STREAMS = pytest.mark.parametrize("stream", [words, async_words])


def spans_of(sink):
    """Return the stream's span and that of the tool inside."""
    assert mlobs.flush(60)
    [above], [below] = sink.named("chat m"), sink.named("execute_tool lookup")
    assert below.parent_id == above.span_id
    return above, below


@STREAMS
def test_a_stream_that_is_returned_keeps_its_session(sink, stream):
    """With user, tags, arm and prompt, for the calls inside and for the programs they call."""

    def respond(headers):
        with (
            mlobs.session("c1", user="ana", tags={"tenant": "acme"}),
            mlobs.experiment("tone", "warm", prompt="support@12"),
        ):
            return stream(headers)

    headers = {}
    assert read(respond(headers)) == ["a"]
    for span in spans_of(sink):
        about = span.attributes
        assert (about["session.id"], about["user.id"], about["mlobs.tag.tenant"]) == ("c1", "ana", "acme")
        assert about["mlobs.experiment.tone"] == "warm"
    assert sink.named("chat m")[0].attributes["gen_ai.prompt.name"] == "support"
    assert "session.id=c1" in headers["baggage"]


@STREAMS
def test_a_stream_keeps_the_session_that_a_request_brought(sink, stream):
    """Entered for the time of the endpoint, and no longer."""

    def respond():
        with mlobs.extract({"baggage": "session.id=c1"}):
            return stream()

    read(respond())
    assert {span.attributes["session.id"] for span in spans_of(sink)} == {"c1"}


@STREAMS
def test_a_stream_keeps_its_session_and_has_its_readers_parent(sink, stream):
    """The call that made it may have ended; a child of it would begin after its end."""

    @mlobs.agent
    def maker():
        with mlobs.session("c1"):
            return stream()

    @mlobs.agent
    def reader(made):
        return read(made)

    reader(maker())
    above, _ = spans_of(sink)
    [agent] = sink.named("invoke_agent reader")
    assert (above.attributes["session.id"], above.parent_id) == ("c1", agent.span_id)
    assert "session.id" not in agent.attributes


@STREAMS
def test_a_reader_in_another_session_keeps_its_own(sink, stream):
    """Whoever opens one around the reading says what the reading is for."""
    with mlobs.session("c1", user="ana", tags={"tenant": "acme"}):
        made = stream()
    with mlobs.session("c2"):
        read(made)
    for span in spans_of(sink):
        assert span.attributes["session.id"] == "c2"
        assert not {"user.id", "mlobs.tag.tenant"} & set(span.attributes)


@STREAMS
def test_a_stream_keeps_what_was_said_within_its_readers_session(sink, stream):
    """A middleware's session holds for the whole request; the endpoint adds a tag."""
    with mlobs.session("c1", user="ana"):
        with mlobs.session(tags={"tenant": "acme"}):
            made = stream()
        read(made)
    for span in spans_of(sink):
        about = span.attributes
        assert (about["session.id"], about["user.id"], about["mlobs.tag.tenant"]) == ("c1", "ana", "acme")


@STREAMS
def test_the_reader_is_in_no_session_of_the_stream(sink, stream):
    """Neither between two items nor afterwards."""
    with mlobs.session("c1"):
        made = stream()
    before = trace.get_current_span()
    read(made)
    lookup({})
    assert trace.get_current_span() is before
    assert mlobs.flush(60)
    _, outside = sink.named("execute_tool lookup", count=2)
    assert "session.id" not in outside.attributes


@STREAMS
def test_a_stream_keeps_its_session_in_a_provider_of_the_program(sink, monkeypatch, stream):
    monkeypatch.setattr(active, "recorder", TracerRecorder(trace.get_tracer("mlobs")))
    with mlobs.session("c1"):
        made = stream()
    read(made)
    assert {span.attributes["session.id"] for span in spans_of(sink)} == {"c1"}


def test_a_stream_has_the_name_of_its_function():
    """Tracebacks and profilers show it."""
    for made in (words(), async_words()):
        assert (made.__name__, made.__qualname__) in {(one.__name__,) * 2 for one in (words, async_words)}

"""For whom, under which experiment, handed over by whom, and what was worth a note."""

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import mlobs
from mlobs.instrument import context
from mlobs.instrument.recorders import TracerRecorder, active


@mlobs.tool
def leaf():
    return None


def one(sink, name):
    assert mlobs.flush()
    return sink.named(name)[0]


def test_scopes_around_each_other_add_up(sink):
    """A request has a session, a user and several experiments at once."""

    @mlobs.llm(model="m", prompt="static@1")
    def ask():
        leaf()

    with (
        mlobs.session("c-1", tags={"tier": "gold"}),
        mlobs.experiment("tone", "warm", prompt="support@12"),
        mlobs.experiment("index", "b"),
        mlobs.session(user="ana"),
    ):
        ask()
    tool, model = one(sink, "execute_tool leaf"), one(sink, "chat m")
    for span in (tool, model):
        about = span.attributes
        assert (about["session.id"], about["user.id"], about["mlobs.tag.tier"]) == ("c-1", "ana", "gold")
        assert (about["mlobs.experiment.tone"], about["mlobs.experiment.index"]) == ("warm", "b")
    assert "gen_ai.prompt.name" not in tool.attributes
    assert (model.attributes["gen_ai.prompt.name"], model.attributes["gen_ai.prompt.version"]) == (
        "static",
        "1",
    )


def test_agents_name_who_called_them_and_tools_whose_they_are(sink):
    """Who handed over to whom is the first question about a run of several agents."""

    @mlobs.agent
    def billing():
        leaf()

    @mlobs.agent(version="3")
    def desk():
        mlobs.handoff("billing", reason="it is about money")
        billing()

    desk()
    inner, outer = one(sink, "invoke_agent billing"), one(sink, "invoke_agent desk")
    assert inner.attributes["mlobs.agent.caller"] == "desk"
    assert one(sink, "execute_tool leaf").attributes["gen_ai.agent.name"] == "billing"
    assert outer.attributes["mlobs.version"] == "3"
    [(name, about)] = outer.events
    assert (name, about) == (
        "mlobs.handoff",
        {
            "mlobs.handoff.from": "desk",
            "mlobs.handoff.to": "billing",
            "mlobs.handoff.reason": "it is about money",
        },
    )


def test_notes_are_no_errors(sink):
    """Handled exceptions are worth seeing, and nobody is to be paged for them."""

    @mlobs.tool
    def careful():
        mlobs.note("cache was cold", size=3)
        try:
            raise TimeoutError("with password=hunter2000")  # noqa: TRY301 # as programs do
        except TimeoutError as error:
            mlobs.note("tried again", error=error)

    mlobs.note("outside of any call")
    careful()
    span = one(sink, "execute_tool careful")
    assert (span.status, "error.type" in span.attributes) == (0, False)
    (first, about), (second, told) = span.events
    assert (first, about) == ("mlobs.note", {"size": 3, "mlobs.note.text": "cache was cold"})
    assert (second, told["exception.type"], told["mlobs.handled"]) == ("exception", "TimeoutError", True)
    assert told["exception.message"] == "with password=[removed: secret]"


def test_guardrails_and_evaluators_say_what_they_found(sink):
    """Return values that mean something are on the span."""

    @mlobs.guardrail
    def polite(text):
        return "please" in text

    @mlobs.evaluator
    def length(text):
        return len(text)

    polite("now"), polite("please")
    length("four")
    assert mlobs.flush()
    verdicts = [
        span.attributes["mlobs.guardrail.verdict"] for span in sink.named("guardrail polite", count=2)
    ]
    assert sorted(verdicts) == ["block", "pass"]
    about = one(sink, "evaluator length").attributes
    assert (about["gen_ai.evaluation.name"], about["gen_ai.evaluation.score.value"]) == ("length", 4.0)


def test_what_guardrails_and_evaluators_find_by_numpy_is_found(sink):
    """What is compared with a number of numpy is no truth value of Python's."""

    @mlobs.guardrail
    def sure(score):
        return score > 0.5

    @mlobs.evaluator
    def near(score):
        return score

    sure(np.float64(0.7))
    near(np.float32(0.5))
    assert one(sink, "guardrail sure").attributes["mlobs.guardrail.verdict"] == "pass"
    assert one(sink, "evaluator near").attributes["gen_ai.evaluation.score.value"] == 0.5


def test_what_guardrails_and_evaluators_find_is_on_spans_of_the_programs_provider(telemetry, monkeypatch):
    """Such a span takes nothing once it has ended."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(active, "recorder", TracerRecorder(provider.get_tracer("test")))

    @mlobs.guardrail
    def polite(text):
        return "please" in text

    @mlobs.evaluator
    async def length(text):
        return len(text)

    polite("now")
    asyncio.run(length("four"))
    first, second = exporter.get_finished_spans()
    assert first.attributes["mlobs.guardrail.verdict"] == "block"
    assert second.attributes["gen_ai.evaluation.score.value"] == 4.0


def test_half_a_character_costs_no_batch_of_the_programs_exporter(telemetry, monkeypatch):
    """Names of files have such, and answers that are cut in the middle of an emoji."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(active, "recorder", TracerRecorder(provider.get_tracer("test")))
    with contextlib.suppress(OSError), mlobs.span("read \udce9"):
        mlobs.set({"path": "a\udce9"})
        mlobs.note("b\udce9")
        raise OSError("no such file: c\udce9")
    [resource] = encode_spans(exporter.get_finished_spans()).resource_spans
    [span] = resource.scope_spans[0].spans
    assert (span.name, span.status.message) == ("read ?", "no such file: c?")
    assert "a?" in [pair.value.string_value for pair in span.attributes]
    assert "b?" in [pair.value.string_value for event in span.events for pair in event.attributes]


def test_memory_operations_have_the_conventions_names(sink):
    """What was done is the span's name."""

    @mlobs.memory(operation="upsert_memory", provider="pg")
    def remember(text):
        return None

    remember("x")
    about = one(sink, "upsert_memory").attributes
    assert (about["gen_ai.operation.name"], about["gen_ai.provider.name"]) == ("upsert_memory", "pg")


def test_a_scope_may_be_made_once_and_used_by_many_threads(sink):
    """An arm of an experiment is a constant of the program; each thread goes back to where it was."""
    arm, block, headers = mlobs.experiment("tone", "warm"), mlobs.span("block"), mlobs.extract({})
    inside, outside = threading.Barrier(3), threading.Barrier(3)
    after = {}

    @mlobs.agent
    def run(number):
        with contextlib.ExitStack() as stack:
            for scope in (arm, block, headers):
                inside.wait(60)
                stack.enter_context(scope)
                outside.wait(60)
        after[number] = leaf()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(after) == 3
    assert mlobs.flush()
    agents = sink.named("invoke_agent run", count=3)
    for name in ("execute_tool leaf", "block"):
        below = sink.named(name, count=3)
        assert {one.parent_id for one in below} == {one.span_id for one in agents}
        assert len({one.span_id for one in below}) == 3


def test_a_scope_may_be_open_inside_itself(sink):
    """Recursion enters what it is in already."""
    block = mlobs.span("block")

    @mlobs.agent
    def run():
        with block:
            with block:
                pass
            leaf()
        return trace.get_current_span()

    ended = run()
    assert mlobs.flush()
    [agent] = sink.named("invoke_agent run")
    [tool] = sink.named("execute_tool leaf")
    first, second = sink.named("block", count=2)
    assert f"{ended.span_id:016x}" == agent.span_id
    assert {first.parent_id, second.parent_id} == {agent.span_id, tool.parent_id}
    assert len({agent.span_id, first.span_id, second.span_id}) == 3


def test_a_block_that_is_closed_elsewhere_ends_and_leaves_that_place_alone(sink):
    """As that of a generator whose reader goes on in another thread, or which the collector closes."""

    def items():
        with mlobs.span("block"), mlobs.session("theirs"):
            yield 1

    def begun():
        stream = items()
        next(stream)
        return stream

    @mlobs.agent
    def elsewhere(stream):
        stream.close()
        leaf()

    with ThreadPoolExecutor(1) as pool:
        for _ in range(3):
            elsewhere(pool.submit(begun).result())
        depth = pool.submit(open_scopes).result()
    assert mlobs.flush()
    agents, tools = sink.named("invoke_agent elsewhere", count=3), sink.named("execute_tool leaf", count=3)
    assert {one.parent_id for one in tools} == {one.span_id for one in agents}
    assert not [one for one in tools if "session.id" in one.attributes]
    assert len({one.span_id for one in sink.named("block", count=3)}) == 3
    assert depth <= 1  # what was closed elsewhere is not kept for ever


def open_scopes():
    """Return how many blocks are open in this thread."""
    with mlobs.session("last"):
        found, opened = 0, context._opened.get()
        while opened is not None:
            found, opened = found + 1, opened.around
    return found

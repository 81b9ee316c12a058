"""What a decorated call becomes, and what it leaves alone."""

import asyncio
import functools
import inspect
import re

import pytest

import mlobs
from mlobs.errors import SettingError
from mlobs.instrument import describe
from mlobs.instrument.calls import FAILURES_MAX, Failure
from mlobs.instrument.describe import stacktrace
from mlobs.semconv import spans

NOUNS = [row.noun for row in spans.SPANS]


def one(sink, name):
    assert mlobs.flush()
    return sink.named(name)[0]


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_works_bare_and_with_options(sink, noun):
    """A decorator that silently needs () records nothing, and nobody notices."""
    decorate = getattr(mlobs, noun)

    @decorate
    def bare():
        return 1

    @decorate(name="named")
    def given():
        return 2

    assert (bare(), given()) == (1, 2)
    assert mlobs.flush()
    kinds = [span.attributes["mlobs.kind"] for span in sink.spans()]
    assert kinds == [noun, noun]
    row = spans.BY_NOUN[noun]
    operations = {span.attributes.get("gen_ai.operation.name", "") for span in sink.spans()}
    assert operations == {row.operation}


@pytest.mark.parametrize(
    ("decorate", "name", "attributes"),
    [
        (mlobs.agent, "invoke_agent work", {"gen_ai.agent.name": "work"}),
        (mlobs.tool, "execute_tool work", {"gen_ai.tool.name": "work", "gen_ai.tool.type": "function"}),
        (mlobs.step, "step work", {}),
        (mlobs.retrieval, "retrieval work", {"gen_ai.data_source.id": "work"}),
        (
            mlobs.llm(model="m-1", provider="openai"),
            "chat m-1",
            {"gen_ai.request.model": "m-1", "gen_ai.provider.name": "openai"},
        ),
        (mlobs.llm, "chat", {}),
        (mlobs.embedding(model="e"), "embeddings e", {"gen_ai.request.model": "e"}),
        (
            mlobs.predict(model="churn@7"),
            "predict churn",
            {"mlobs.model.name": "churn", "mlobs.model.version": "7"},
        ),
    ],
)
def test_spans_carry_the_names_of_the_conventions(sink, decorate, name, attributes):
    """Dashboards and other back ends find spans by these names and no others."""

    def work():
        return None

    decorate(work)()
    span = one(sink, name)
    assert attributes.items() <= span.attributes.items()
    assert span.scope == "mlobs"
    assert span.resource["service.name"] == "tests"
    assert 0 <= span.end_ns - span.start_ns < 5e9


def test_an_exception_leaves_as_the_same_object(sink):
    """Callers compare and re-raise exceptions; a wrapped one breaks them."""
    error = LookupError("order 7")

    @mlobs.tool
    def fail():
        raise error

    with pytest.raises(LookupError) as caught:
        fail()
    assert caught.value is error
    span = one(sink, "execute_tool fail")
    assert (span.status, span.message, span.attributes["error.type"]) == (2, "order 7", "LookupError")
    [(event, about)] = span.events
    assert event == "exception"
    assert about["exception.stacktrace"].endswith("LookupError: order 7")
    assert "shells.py" not in about["exception.stacktrace"]


def test_an_exception_tells_what_it_came_from_and_what_is_in_it():
    """That it failed is known; what is looked for is the first that went wrong."""

    def told(*, cause):
        try:
            try:
                {}["first"]
            except KeyError as first:
                if cause:
                    raise ValueError("it failed") from first
                raise ValueError("it failed")  # noqa: B904 # as programs do
        except ValueError as last:
            return stacktrace(Failure(last))

    for cause, words in (
        (True, "The above exception was the direct"),
        (False, "During handling of the above"),
    ):
        first, between, last = told(cause=cause).split("\n\n")
        assert first.endswith("\nKeyError: 'first'")
        assert between.startswith(words)
        assert last.endswith("\nValueError: it failed")
    group = ExceptionGroup("of two", [OSError("a"), ExceptionGroup("inner", [OSError("b")])])
    shown = stacktrace(Failure(group))
    assert [line.strip(" |") for line in shown.splitlines() if "Error: " in line] == [
        "OSError: a",
        "OSError: b",
    ]
    endless = OSError("again")
    endless.__context__ = ValueError("other")
    endless.__context__.__context__ = endless
    assert stacktrace(Failure(endless)).count("Traceback") == FAILURES_MAX + 1


def test_a_cancelled_call_is_not_an_error(sink):
    """Somebody closing a tab must not page anybody."""

    @mlobs.tool
    async def slow():
        await asyncio.sleep(30)

    async def main():
        task = asyncio.create_task(slow())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    span = one(sink, "execute_tool slow")
    assert (span.status, span.attributes["mlobs.call.state"]) == (0, "cancelled")
    assert "error.type" not in span.attributes


def test_inspect_tells_the_truth_about_decorated_functions():
    """FastAPI and others choose how to call a function by asking inspect."""

    async def coroutine(a: int, *, b: str = "x") -> str:
        """Say."""
        return b

    def generator():
        yield

    async def stream():
        yield

    for function in (coroutine, generator, stream, test_inspect_tells_the_truth_about_decorated_functions):
        decorated = mlobs.step(function)
        assert inspect.signature(decorated) == inspect.signature(function)
        assert (decorated.__name__, decorated.__doc__) == (function.__name__, function.__doc__)
        for question in (
            inspect.iscoroutinefunction,
            inspect.isgeneratorfunction,
            inspect.isasyncgenfunction,
        ):
            assert question(decorated) == question(function)


def test_methods_partials_and_objects_can_be_decorated(sink):
    """People decorate whatever they have."""

    class Desk:
        @mlobs.tool
        def method(self, order):
            return order

        @mlobs.tool
        @classmethod
        def of_class(cls, order):
            return order

        @mlobs.tool
        @staticmethod
        def static(order):
            return order

        async def __call__(self, order):
            return order

    desk = Desk()
    partial = mlobs.tool(functools.partial(desk.method, 4), name="partial")
    assert (desk.method(1), Desk.of_class(2), Desk.static(3), partial()) == (1, 2, 3, 4)
    assert asyncio.run(mlobs.tool(desk, name="object")(5)) == 5
    assert mlobs.flush()
    names = {span.attributes["gen_ai.tool.name"] for span in sink.spans()}
    assert names == {"method", "of_class", "static", "partial", "object"}


def test_usage_becomes_token_counts_and_an_estimated_cost(sink):
    """Cached tokens are part of the input on the wire, and cheaper."""

    @mlobs.llm(model="gpt-4o-mini-2024-07-18", provider="openai")
    def ask():
        mlobs.usage(None)
        mlobs.usage(
            {"prompt_tokens": 1000, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 400}}
        )

    ask()
    found = one(sink, "chat gpt-4o-mini-2024-07-18").attributes
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (1000, 50)
    assert found["gen_ai.usage.cache_read.input_tokens"] == 400
    assert found["mlobs.cost.usd"] == pytest.approx((600 * 0.15 + 400 * 0.075 + 50 * 0.6) / 1e6)


def test_an_unknown_price_is_left_out(sink):
    """A cost of zero would be added up by somebody."""

    @mlobs.llm(model="house-model")
    def ask():
        mlobs.usage(mlobs.Usage(input=5, output=5))

    ask()
    assert "mlobs.cost.usd" not in one(sink, "chat house-model").attributes


def test_nonsense_in_a_running_call_never_raises(sink, caplog):
    """Telemetry is a guest in the user's program."""

    @mlobs.llm
    def ask():
        mlobs.usage(object())
        mlobs.set({"odd": object(), "nan": float("nan"), "big": 1 << 80, "\ud800": "\ud800"})
        mlobs.score("s", "no number")  # type: ignore[arg-type]
        return 1

    assert ask() == 1
    found = one(sink, "chat").attributes
    assert found["big"] == str(1 << 80)
    assert re.fullmatch(r"<object object at .*>", found["odd"])
    assert "reading token usage" in caplog.text


def test_scores_are_evaluation_events_of_the_call(sink):
    """Judges, rules and people all speak the same event."""

    @mlobs.agent
    def judged():
        mlobs.score("helpful", 0.8, by="judge:v3", label="pass")

    judged()
    mlobs.score("late", 1, trace_id="ab" * 16, span_id="cd" * 8)
    span = one(sink, "invoke_agent judged")
    (event, trace_id, about), (_, late, _) = sink.events()
    assert (event, trace_id, late) == ("gen_ai.evaluation.result", span.trace_id, "ab" * 16)
    assert about == {
        "gen_ai.evaluation.name": "helpful",
        "gen_ai.evaluation.score.value": 0.8,
        "gen_ai.evaluation.score.label": "pass",
        "mlobs.evaluation.by": "judge:v3",
    }


def test_span_makes_a_step_of_a_block(sink):
    """Not everything worth seeing is a function."""
    with mlobs.span("parse", {"bytes": 3}):
        pass

    async def main():
        async with mlobs.span("read"):
            pass

    asyncio.run(main())
    assert one(sink, "parse").attributes == {"mlobs.kind": "step", "bytes": 3}
    assert one(sink, "read").parent_id == ""


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        (
            lambda: mlobs.tool(model="m")(print),
            "@mlobs.tool has no option 'model'; it belongs to embedding, llm",
        ),
        (lambda: mlobs.tool(dict), "was given the class dict, which would stop being one"),
        (lambda: mlobs.tool("refund"), "given 'refund', which cannot be called"),
        (lambda: mlobs.agent(monitor=object())(print), "has no option 'monitor'; it belongs to predict"),
    ],
)
def test_a_mistake_in_a_decorator_is_said_at_once(mistake, sentence):
    """Configuration raises; only running calls must not."""
    with pytest.raises(SettingError, match=re.escape(sentence)):
        mistake()


def test_a_typo_is_an_attribute_error():
    """Not a warning in a log nobody reads."""
    with pytest.raises(AttributeError, match="no attribute 'agnet'"):
        mlobs.agnet  # noqa: B018


def test_the_door_lists_what_it_opens():
    """`dir`, `__all__` and the map of homes must not part."""
    assert sorted(mlobs._HOME) == mlobs.__all__ == dir(mlobs)
    for name in set(mlobs.__all__) - {"Monitor", "Profile"}:
        assert getattr(mlobs, name) is not None


def test_older_names_are_there_for_readers_that_know_only_those(sink, monkeypatch):
    """Dashboards of other tools are changed later than services."""
    monkeypatch.setattr(describe.Dialect, "older", True)

    @mlobs.llm(model="m", provider="openai")
    def ask():
        mlobs.usage({"prompt_tokens": 3, "completion_tokens": 2})

    ask()
    about = one(sink, "chat m").attributes
    assert about["gen_ai.system"] == about["gen_ai.provider.name"] == "openai"
    assert about["gen_ai.usage.prompt_tokens"] == about["gen_ai.usage.input_tokens"] == 3
    assert about["gen_ai.usage.completion_tokens"] == 2


def test_the_service_tier_of_an_answer_sets_its_price(sink):
    """Taken from the whole answer that `mlobs.usage` was given."""

    @mlobs.llm(model="gpt-5", provider="openai")
    def ask():
        mlobs.usage({"service_tier": "flex", "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 0}})

    ask()
    about = one(sink, "chat gpt-5").attributes
    assert about["mlobs.service_tier"] == "flex"
    assert about["mlobs.cost.usd"] == pytest.approx(1.25 / 2)

"""What a test sees of the code it runs."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlobs
from mlobs.errors import SettingError
from mlobs.testing.pattern import parse


@mlobs.retrieval
def search(query):
    return ["doc"]


@mlobs.tool
def refund(order):
    raise LookupError(order)


@mlobs.llm(model="gpt-4o-mini", provider="openai")
def answer(question):
    mlobs.usage({"prompt_tokens": 1000, "completion_tokens": 100})
    yield "Hel"
    yield "lo"


@mlobs.agent
def support(question):
    search(question)
    try:
        refund("A-17")
    except LookupError as error:
        mlobs.note("refund refused", error=error)
    mlobs.score("helpful", 0.8, by="judge:v3")
    return "".join(answer(question))


def test_a_run_is_seen_as_a_tree():
    """The example of the README."""
    with mlobs.capture() as run:
        assert support("Where is my money?") == "Hello"
    run.expect("agent:support > [retrieval:search, tool:refund!, llm:answer~]")
    run.expect("agent > tool:ref*!")
    run.expect("agent:support >> llm:answer~")
    run.expect("agent:support > {llm, retrieval, tool!}")
    run.expect("[agent:support > [..., llm:answer]]")
    [root] = run.roots
    assert (root.noun, root.name, root.span_name, root.state) == (
        "agent",
        "support",
        "invoke_agent support",
        "ok",
    )
    assert [(name, about.get("mlobs.handled")) for name, about in root.events] == [("exception", True)]
    assert [(one.name, one.value, one.by) for one in root.scores] == [("helpful", 0.8, "judge:v3")]
    [failed] = run.find("tool:refund!")
    assert (failed.error_type, failed.attributes["gen_ai.agent.name"]) == ("LookupError", "support")
    assert (run.usage.input, run.usage.output) == (1000, 100)
    assert run.cost_usd == pytest.approx((1000 * 0.15 + 100 * 0.6) / 1e6)
    assert (run.open, run.dropped, len(run.calls)) == (0, 0, 4)


def test_calls_in_threads_and_tasks_are_seen():
    """Where tests usually go blind."""

    @mlobs.step
    async def part():
        await asyncio.sleep(0)

    @mlobs.workflow
    async def whole():
        await asyncio.gather(part(), part(), asyncio.to_thread(search, "x"))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(mlobs.carry(search), "y").result()

    with mlobs.capture() as run:
        asyncio.run(whole())
    run.expect("workflow:whole > {step:part x2, retrieval:search x2}")


def test_streams_end_as_they_were_left():
    """The marks of the pattern."""

    async def main():
        @mlobs.tool
        async def slow():
            await asyncio.sleep(30)

        task = asyncio.create_task(slow())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with mlobs.capture() as run:
        asyncio.run(main())
        stream = answer("x")
        next(stream)
        assert run.open == 1
        stream.close()
    run.expect("[tool:slow%, llm:answer^~]")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("agent:other", "nothing is agent:other"),
        ("agent:support > tool:refund", "it ended as error, not ok"),
        (
            "agent:support > [retrieval, tool!]",
            "llm:answer is among the children of agent:support and was not expected",
        ),
        ("agent:support > [tool!, retrieval, llm]", "retrieval:search where tool! was expected"),
        ("agent:support > {retrieval, tool!}", "was not expected"),
        ("agent:support > [retrieval x2, ...]", "do not come in that order"),
        ("agent:support~", "it was no stream"),
        ("[]", "agent:support is among the roots and was not expected"),
    ],
)
def test_a_mismatch_shows_both_and_the_first_difference(pattern, words):
    """A failing test that only says False is no help."""
    with mlobs.capture() as run:
        support("x")
    with pytest.raises(AssertionError) as error:
        run.expect(pattern)
    text = str(error.value)
    assert words in text
    assert pattern in text
    assert "agent:support\n            retrieval:search\n            tool:refund!" in text


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("agent >", "at character 8, a call such as tool:refund was expected, not the end"),
        ("[agent", "at character 7, ',' or ']' was expected, not the end"),
        ("agent tool", "at character 7, the end was expected, not 'tool'"),
        ("tool!^", "'tool!^' cannot end in two ways"),
        ("", "a call such as tool:refund was expected"),
        ("[" * 5, "a call such as tool:refund was expected"),
    ],
)
def test_a_pattern_that_is_none_is_told_where(pattern, words):
    """A typo in a test must not look like a failure of the code."""
    with pytest.raises(SettingError) as error:
        parse(pattern)
    assert words in str(error.value)


@given(st.text(alphabet="agent:tol*!~^%>[]{},. x39", max_size=40))
def test_any_text_is_a_pattern_or_is_refused(text):
    """Nothing but a SettingError ever comes out."""
    try:
        parse(text)
    except SettingError:
        return


def test_captures_nest_and_leave_things_as_they_were(sink):
    """And what is exported is exported all the same."""
    with mlobs.capture() as outer:
        search("a")
        with mlobs.capture() as inner:
            search("b")
    search("c")
    assert (len(outer.calls), len(inner.calls)) == (2, 1)
    assert mlobs.flush()
    assert len(sink.named("retrieval search", count=3)) == 3


def test_it_works_with_mlobs_off_and_in_a_provider_of_the_program(run_program):
    """Tests run without a server, and beside whatever the application has set up."""
    program = """
import asyncio, sys, mlobs
PROVIDER
@mlobs.tool
def inner():
    mlobs.set({"a": 1})
@mlobs.agent
def outer(): inner()
async def main():
    async with mlobs.capture() as run:
        outer()
    run.expect("agent:outer > [tool:inner]")
    assert run.find("tool")[0].attributes["a"] == 1
asyncio.run(main())
print("ok")
"""
    provider = (
        "from opentelemetry import trace; from opentelemetry.sdk.trace import TracerProvider; "
        "trace.set_tracer_provider(TracerProvider())"
    )
    for code in ("", provider):
        done = run_program(program.replace("PROVIDER", code))
        assert done.stdout == "ok\n", done.stderr


pytest_plugins = ["pytester"]


@pytest.mark.slow
def test_the_fixture_is_there_for_every_test(pytester):
    """Installed with mlobs, paid for by who asks for it."""
    pytester.makepyfile(
        """
        import mlobs

        @mlobs.tool
        def refund():
            return 1

        def test_it(mlobs_run):
            refund()
            mlobs_run.expect("[tool:refund]")
        """
    )
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)

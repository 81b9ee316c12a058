"""What may go wrong when instrumentations are switched on, and what the program notices of it: nothing."""

import pytest

from tests.activation.conftest import Run
from tests.sink import Sink

BROKEN = """
import pathlib, tempfile
folder = pathlib.Path(tempfile.mkdtemp())
package = folder / "opentelemetry_broken"
package.mkdir()
for tail, code in {
    "openai": "raise RuntimeError('cannot be imported')",
    "anthropic": '''
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
class Instrumentor(BaseInstrumentor):
    def instrumentation_dependencies(self): return []
    def _instrument(self, **given): raise RuntimeError("cannot be switched on")
    def _uninstrument(self, **given): pass
''',
}.items():
    module = folder / "openinference_of_tests" / f"{tail}.py"
    module.parent.mkdir(exist_ok=True)
    module.write_text(code)
sys.path.insert(0, str(folder))
import mlobs.instrument.activation as activation
from mlobs.instrument.libraries import Candidate, Choice
OFFICIAL = "opentelemetry.instrumentation.genai."
activation.choose = lambda *_: [
    Choice("openai", (Candidate("openai", "openinference_of_tests.openai", "Instrumentor", "broken"),
                      Candidate("openai", OFFICIAL + "openai", "OpenAIInstrumentor", "sound"))),
    Choice("anthropic", (Candidate("anthropic", "openinference_of_tests.anthropic", "Instrumentor", "half"),
                         Candidate("anthropic", OFFICIAL + "anthropic", "AnthropicInstrumentor", "never"))),
]
activation._report = None
report = activation.activate()
import anthropic, openai
messages = [{"role": "user", "content": "x"}]
openai.OpenAI().chat.completions.create(model="gpt-x", messages=messages)
anthropic.Anthropic().messages.create(model="claude-x", max_tokens=9, messages=messages)
mlobs.flush()
for one in report.outcomes:
    print(one.package, "|", one.state, "|", one.reason)
"""


@pytest.mark.slow
def test_a_broken_instrumentation_gives_way_and_is_reported(run: Run, sink: Sink):
    """One that cannot be imported gives way to the next; one that failed halfway may be half on."""
    lines = run(BROKEN, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*").stdout.splitlines()
    assert "broken | failed | cannot be imported: RuntimeError: cannot be imported" in lines
    assert "sound | activated | " in lines
    assert "half | failed | RuntimeError: cannot be switched on" in lines
    assert "never | skipped | half is used for anthropic" in lines
    assert len(sink.named("chat gpt-x")) == 1


@pytest.mark.slow
def test_switching_on_twice_and_late_is_switching_on_once(run: Run, sink: Sink):
    """Libraries that are imported already are instrumented at once; a second call changes nothing."""
    run(
        """
import openai
client = openai.OpenAI()
import mlobs.instrument.activation as activation
activation._report = None  # as if nobody had called it before the library was imported
first = activation.activate()
assert activation.activate(content="full") is first is activation.current_report()
client.chat.completions.create(model="gpt-x", messages=[])
mlobs.flush()
assert "SPAN_ONLY" not in os.environ.values()
""",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="",
    )
    sink.named("chat gpt-x")


@pytest.mark.slow
def test_an_instrumentation_that_a_program_uses_without_us_still_makes_one_span(run: Run, sink: Sink):
    """`watch` alone: the program switches on OpenTelemetry's own instrumentation by itself."""
    run(
        """
from mlobs.instrument.suppression import watch
watch()
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
OpenAIInstrumentor().instrument()
import asyncio, concurrent.futures, openai

@mlobs.llm
def ask():
    client = openai.OpenAI()
    with concurrent.futures.ThreadPoolExecutor() as pool:  # three requests of one call, in other threads
        return list(pool.map(lambda _: client.chat.completions.create(model="gpt-x", messages=[]), range(3)))

@mlobs.llm
async def ask_at_once():
    async with openai.AsyncOpenAI() as client:
        create = client.chat.completions.create
        return await asyncio.gather(*(create(model="gpt-x", messages=[]) for _ in range(3)))

ask()
asyncio.run(ask_at_once())
mlobs.flush()
""",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
    )
    assert [span.attributes["gen_ai.usage.input_tokens"] for span in sink.named("chat gpt-x", count=2)] == [
        60,
        60,
    ]
    assert len(sink.spans()) == 2

"""CPU time a decorated call costs its caller, beside the same span written by hand.

The peer is the OpenTelemetry SDK with a BatchSpanProcessor and the OTLP/HTTP exporter, eight
attributes set one by one, as its documentation shows. Both export to a sink in another process
on loopback. "off" is a decorated call in a process that never called `mlobs.init`, less the bare
call. "chat of 1 KB" records messages, answer, model, id, finish reason and token usage, by hand
as JSON attributes. The rows "in a provider" are decorated calls as spans of the application's
own TracerProvider, beside spans by hand of that same provider. "bare" is the undecorated function;
it is part of every figure.
"""

import json
import subprocess
import sys
import threading

from benchmarks.measuring import Sink, interleaved, options, show

CALLS = {"sync": 500, "async": 500, "stream of 50": 200, "error": 200, "nested": 60, "chat of 1 KB": 200}
MESSAGES = [
    {"role": "system", "content": "You answer questions about flights in one sentence. " * 6},
    {"role": "user", "content": "Which flights to Boston were late yesterday, and why were they late? " * 8},
]
ANSWER = "Three flights were late because of fog: UA 12, DL 40 and AA 7. " * 4


def main() -> None:
    """Print the table."""
    given = options(__doc__ or "", rounds=9)
    with subprocess.Popen(
        [sys.executable, "-c", "from benchmarks.caller import serve; serve()"],
        stdout=subprocess.PIPE,
        text=True,
    ) as sink:
        assert sink.stdout is not None
        url = sink.stdout.readline().strip()
        rows = off_rows(given.rounds)
        for mode in ("own", "provider"):
            code = f"from benchmarks.caller import measure; measure({mode!r}, {url!r}, {given.rounds})"
            rows += json.loads(subprocess.check_output([sys.executable, "-c", code], text=True))
        sink.kill()
    show("CPU time on the caller's thread, microseconds per span", rows, as_json=given.json)


def serve() -> None:
    """Run the sink of another process."""
    print(Sink().url, flush=True)
    threading.Event().wait()


def off_rows(rounds: int) -> list[dict[str, object]]:
    """Measure before anything is switched on."""
    import mlobs

    def bare(text: str) -> str:
        return text

    decorated = mlobs.tool(bare)
    times = interleaved(
        {"mlobs": lambda: decorated("x"), "bare": lambda: bare("x")}, rounds=rounds, calls=5000
    )
    return [
        {"shape": "off", "mlobs": times["mlobs"] - times["bare"], "by hand": 0.0, "bare": 0.0, "ratio": 0.0}
    ]


def measure(mode: str, url: str, rounds: int) -> None:
    """Measure every shape in this process and print the rows as JSON."""
    import logging

    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    import mlobs

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # its full queue is no news here
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces")))
    if mode == "provider":
        trace.set_tracer_provider(provider)
    mlobs.init("benchmark", endpoint=url if mode == "own" else None)
    ways = {
        "mlobs": decorated_ways(mlobs),
        "by hand": handwritten_ways(provider.get_tracer("benchmark")),
        "bare": bare_ways(),
    }
    rows: list[dict[str, object]] = []
    for shape, calls in CALLS.items():
        times = interleaved({who: made[shape] for who, made in ways.items()}, rounds=rounds, calls=calls)
        spans = 10 if shape == "nested" else 1
        found = {who: time / spans for who, time in times.items()}
        name = shape if mode == "own" else f"in a provider: {shape}"
        rows.append({"shape": name, **found, "ratio": found["mlobs"] / found["by hand"]})
    print(json.dumps(rows))
    provider.shutdown()
    mlobs.shutdown()


def run_coroutine(coroutine):
    """Run a coroutine that never waits, without the cost of an event loop."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("the coroutine waited")


def bare_ways():
    """Return each shape without anything around it."""

    def sync(text):
        return text

    async def coroutine(text):
        return text

    def stream(text):
        for _ in range(50):
            yield text

    def failing(text):
        raise ValueError(text)

    def root(text):
        for _ in range(9):
            sync(text)

    def chat(messages):
        return ANSWER

    return shapes(sync, coroutine, stream, failing, root, chat)


def decorated_ways(mlobs):
    """Return each shape with mlobs' decorators."""

    @mlobs.tool
    def sync(text):
        return text

    @mlobs.tool
    async def coroutine(text):
        return text

    @mlobs.llm(model="m")
    def stream(text):
        for _ in range(50):
            yield text

    @mlobs.tool
    def failing(text):
        raise ValueError(text)

    @mlobs.step
    def child(text):
        return text

    @mlobs.agent
    def root(text):
        for _ in range(9):
            child(text)

    @mlobs.llm(model="gpt-4o-mini", provider="openai", capture="full")
    def chat(messages):
        mlobs.usage({"prompt_tokens": 210, "completion_tokens": 60})
        mlobs.set({"gen_ai.response.id": "chatcmpl-1", "gen_ai.response.finish_reasons": ["stop"]})
        return ANSWER

    return shapes(sync, coroutine, stream, failing, root, chat)


def handwritten_ways(tracer):
    """Return each shape with spans written by hand."""

    def set_eight(span):
        for number in range(8):
            span.set_attribute(f"attribute.{number}", "value of an attribute")

    def sync(text):
        with tracer.start_as_current_span("sync") as span:
            set_eight(span)
            return text

    async def coroutine(text):
        with tracer.start_as_current_span("async") as span:
            set_eight(span)
            return text

    def stream(text):
        with tracer.start_as_current_span("stream") as span:
            set_eight(span)
            for _ in range(50):
                yield text

    def failing(text):
        with tracer.start_as_current_span("error") as span:
            set_eight(span)
            raise ValueError(text)

    def child(text):
        with tracer.start_as_current_span("child") as span:
            set_eight(span)
            return text

    def root(text):
        with tracer.start_as_current_span("root") as span:
            set_eight(span)
            for _ in range(9):
                child(text)

    def chat(messages):
        with tracer.start_as_current_span("chat gpt-4o-mini") as span:
            span.set_attribute("gen_ai.operation.name", "chat")
            span.set_attribute("gen_ai.provider.name", "openai")
            span.set_attribute("gen_ai.request.model", "gpt-4o-mini")
            span.set_attribute("gen_ai.input.messages", json.dumps(messages))
            span.set_attribute("gen_ai.usage.input_tokens", 210)
            span.set_attribute("gen_ai.usage.output_tokens", 60)
            span.set_attribute("gen_ai.response.id", "chatcmpl-1")
            span.set_attribute("gen_ai.response.finish_reasons", ["stop"])
            answer = [{"role": "assistant", "content": ANSWER}]
            span.set_attribute("gen_ai.output.messages", json.dumps(answer))
            return ANSWER

    return shapes(sync, coroutine, stream, failing, root, chat)


def shapes(sync, coroutine, stream, failing, root, chat):
    """Return one call of each shape, without arguments."""

    def error():
        try:
            failing("a payload of some words")
        except ValueError:
            return

    return {
        "sync": lambda: sync("a payload of some words"),
        "async": lambda: run_coroutine(coroutine("a payload of some words")),
        "stream of 50": lambda: list(stream("a chunk")),
        "error": error,
        "nested": lambda: root("a payload of some words"),
        "chat of 1 KB": lambda: chat(MESSAGES),
    }


if __name__ == "__main__":
    main()

"""CPU time a decorated call costs its caller, beside the same span written by hand.

The peer is the OpenTelemetry SDK with a BatchSpanProcessor and the OTLP/HTTP exporter, eight
attributes set one by one, as its documentation shows. Both export to a sink in another process
on loopback. "off" is a decorated call in a process that never called `mlobs.init`, less the bare
call.
"""

import subprocess
import sys
import threading

from benchmarks.measuring import Sink, interleaved, options, show

SHAPES = ("sync", "async", "stream of 50", "error", "nested")
CALLS = {"sync": 500, "async": 500, "stream of 50": 200, "error": 200, "nested": 60}


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
        rows = off_rows(given.rounds) + on_rows(url, given.rounds)
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
    return [{"shape": "off", "mlobs": times["mlobs"] - times["bare"], "by hand": 0.0, "ratio": 0.0}]


def on_rows(url: str, rounds: int) -> list[dict[str, object]]:
    """Measure with both exporting."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    import mlobs

    mlobs.init("benchmark", endpoint=url)
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces")))
    ours, theirs = decorated_ways(mlobs), handwritten_ways(provider.get_tracer("benchmark"))
    rows: list[dict[str, object]] = []
    for shape in SHAPES:
        ways = {"mlobs": ours[shape], "by hand": theirs[shape]}
        times = interleaved(ways, rounds=rounds, calls=CALLS[shape])
        spans = 10 if shape == "nested" else 1
        a, b = times["mlobs"] / spans, times["by hand"] / spans
        rows.append({"shape": shape, "mlobs": a, "by hand": b, "ratio": a / b})
    provider.shutdown()
    mlobs.shutdown()
    return rows


def run_coroutine(coroutine):
    """Run a coroutine that never waits, without the cost of an event loop."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("the coroutine waited")


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

    return shapes(sync, coroutine, stream, failing, root)


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

    return shapes(sync, coroutine, stream, failing, root)


def shapes(sync, coroutine, stream, failing, root):
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
    }


if __name__ == "__main__":
    main()

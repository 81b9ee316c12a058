"""What many spans cost, export included, and whether any are lost.

Two measurements, each in a process of its own for mlobs and for spans written by hand with the
OpenTelemetry SDK (BatchSpanProcessor, OTLP/HTTP):

* CPU: seconds of the whole process per 100,000 spans (runs of one root and nine children, eight
  attributes each), flushed often enough that nothing is dropped.
* Load: 20,000 spans a second are offered for ten seconds on one core. Counted at the sink, which
  runs on another core where there is one: spans made, spans lost, and the time of one ten-span run.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

from benchmarks.measuring import CountingSink, options, show

RATE = 20_000
SPANS_PER_RUN = 10


def main() -> None:
    """Print the tables."""
    given = options(__doc__ or "", rounds=3, spans=100_000, seconds=10)
    cpu: dict[str, list[float]] = {"mlobs": [], "by hand": []}
    for _ in range(given.rounds):
        for who, seconds in cpu.items():
            seconds.append(float(run("cpu", who, given.spans)["cpu_s"]) * 100_000 / given.spans)
    load = [{"who": who, **run("load", who, given.seconds)} for who in cpu]
    ours, theirs = (statistics.median(cpu[who]) for who in ("mlobs", "by hand"))
    rows: list[dict[str, object]] = [{"mlobs": ours, "by hand": theirs, "ratio": ours / theirs}]
    show("CPU seconds of the process per 100,000 spans, export included", rows, as_json=given.json)
    show(f"{RATE} spans a second offered on one core for {given.seconds} s", load, as_json=given.json)


def run(what: str, who: str, size: int) -> dict[str, float]:
    """Run one measurement in a process of its own, with a sink in another."""
    with subprocess.Popen(
        [sys.executable, "-c", "from benchmarks.throughput import serve; serve()"],
        stdout=subprocess.PIPE,
        text=True,
    ) as sink:
        assert sink.stdout is not None
        url = sink.stdout.readline().strip()
        code = f"from benchmarks.throughput import {what}; {what}({who!r}, {url!r}, {size})"
        found: dict[str, float] = json.loads(subprocess.check_output([sys.executable, "-c", code], text=True))
        arrived = int(urllib.request.urlopen(url).read())
        sink.kill()
    if what == "load":
        found["lost"] = found["made"] - arrived
        found["lost %"] = 100 * found["lost"] / found["made"]
    elif arrived != found["made"]:
        raise SystemExit(f"{who}: {arrived} of {found['made']} spans arrived; the figure would mean nothing")
    return found


def serve() -> None:
    """Run the sink of another process."""
    print(CountingSink().url, flush=True)
    threading.Event().wait()


def cpu(who: str, url: str, spans: int) -> None:
    """Measure CPU seconds of making and delivering `spans`."""
    work, flush = workload(who, url)
    work()
    flush()
    often = {"mlobs": 2000, "by hand": 50}[who]  # before the queue of 50,000, or of 2,048, is half full
    began = time.process_time()
    for number in range(spans // SPANS_PER_RUN):
        work()
        if number % often == often - 1:
            flush()
    flush()
    print(json.dumps({"cpu_s": time.process_time() - began, "made": spans + SPANS_PER_RUN}))


def load(who: str, url: str, seconds: int) -> None:
    """Offer spans at a steady rate on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    work, flush = workload(who, url)
    work()
    runs, took = 1, []
    began = time.perf_counter()
    cpu_before = time.process_time()
    while (now := time.perf_counter() - began) < seconds:
        due = int(now * RATE / SPANS_PER_RUN) - runs
        for _ in range(max(0, due)):
            start = time.perf_counter_ns()
            work()
            took.append(time.perf_counter_ns() - start)
            runs += 1
            if time.perf_counter() - began > seconds:
                break
        time.sleep(0.0005)
    cpu_s = time.process_time() - cpu_before
    flush()
    took.sort()
    print(
        json.dumps(
            {
                "made": runs * SPANS_PER_RUN,
                "made/s": runs * SPANS_PER_RUN / seconds,
                "cpu_s": cpu_s,
                "p50_ms": took[len(took) // 2] / 1e6,
                "p99_ms": took[int(len(took) * 0.99)] / 1e6,
                "max_ms": took[-1] / 1e6,
                "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def workload(who: str, url: str):
    """Return one run of ten spans, and how to flush."""
    if who == "mlobs":
        import mlobs

        mlobs.init("throughput", endpoint=url)

        @mlobs.tool
        def child(text):
            return text

        @mlobs.agent
        def root(text):
            for _ in range(9):
                child(text)

        return lambda: root("a payload"), lambda: mlobs.flush(60)

    import logging

    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces")))
    tracer = provider.get_tracer("by hand")

    def span(name):
        with tracer.start_as_current_span(name) as made:
            for number in range(8):
                made.set_attribute(f"attribute.{number}", "value of an attribute")

    def by_hand():
        with tracer.start_as_current_span("root") as made:
            for number in range(8):
                made.set_attribute(f"attribute.{number}", "value of an attribute")
            for _ in range(9):
                span("child")

    return by_hand, lambda: provider.force_flush(60_000)


if __name__ == "__main__":
    main()

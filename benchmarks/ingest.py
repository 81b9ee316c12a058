"""Spans per second from OTLP to durable, and to queryable.

Starts `mlobs up` on an empty folder. Another process sends bodies of 512 spans (64 traces of 8,
twelve GenAI attributes and a kilobyte of text, about 1.6 KB a span, ids never repeated) over
keep-alive connections, each sending its next body when the last one was acknowledged. All of
it shares the machine's cores, the sender included. The peers' figures come later.
"""

import http.client
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import psutil

from benchmarks.measuring import options, show

SPANS_PER_TRACE, TRACES_PER_BODY = 8, 64
SPANS_PER_BODY = SPANS_PER_TRACE * TRACES_PER_BODY


def main() -> None:
    """Print the table."""
    given = options(__doc__ or "", spans=100_000, connections=4)
    bodies = max(1, given.spans // SPANS_PER_BODY)
    with tempfile.TemporaryDirectory() as folder:
        row = measure(Path(folder), bodies, given.connections)
    show(f"Ingest of {bodies * SPANS_PER_BODY:,} spans", [row], as_json=given.json)


def measure(folder: Path, bodies: int, connections: int) -> dict[str, object]:
    """Return the figures of one run."""
    began = time.monotonic()
    command = [sys.executable, "-m", "mlobs", "up", "--port", "0", "--data", str(folder / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[1]
            start_s = time.monotonic() - began
            process = psutil.Process(server.pid)
            idle_rss = process.memory_info().rss
            cpu_before = cpu_seconds(process)
            peak = PeakMemory(process)
            sender = [
                sys.executable,
                "-c",
                f"from benchmarks.ingest import send; send({url!r}, {bodies}, {connections})",
            ]
            sent = subprocess.run(sender, stdout=subprocess.PIPE, text=True, check=True)
            began_at, ended_at, body_bytes = map(float, sent.stdout.split())
            spans = bodies * SPANS_PER_BODY
            wait_until_queryable(url, spans)
            queryable_at = time.time()
            cpu_s = cpu_seconds(process) - cpu_before
            return {
                "spans": spans,
                "bytes/span": round(body_bytes / SPANS_PER_BODY),
                "acknowledged spans/s": round(spans / (ended_at - began_at)),
                "queryable spans/s": round(spans / (queryable_at - began_at)),
                "CPU us/span": cpu_s / spans * 1e6,
                "start s": start_s,
                "idle RSS MB": idle_rss / 1e6,
                "peak RSS MB": peak.stop() / 1e6,
                "disk bytes/span": folder_bytes(folder) / spans,
            }
        finally:
            server.terminate()


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time a process has used."""
    times = process.cpu_times()
    return times.user + times.system


def folder_bytes(folder: Path) -> int:
    """Return the size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def wait_until_queryable(url: str, spans: int) -> None:
    """Wait until the server's derived metric has counted every span."""
    pattern = re.compile(r"^gen_ai_client_inference_duration_seconds_count\{.*\} (\S+)$", re.MULTILINE)
    while True:
        with urlopen(f"{url}/metrics") as answer:
            counted = sum(float(found) for found in pattern.findall(answer.read().decode()))
        if counted >= spans:
            assert counted == spans, f"{counted:.0f} spans were loaded, {spans} were sent"
            return
        time.sleep(0.5)


class PeakMemory:
    """Samples a process's resident memory."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """End, and return the highest sample in bytes."""
        self._ended.set()
        self._thread.join()
        return self._peak

    def _sample(self) -> None:
        while not self._ended.wait(0.05):
            self._peak = max(self._peak, self._process.memory_info().rss)


def send(url: str, bodies: int, connections: int) -> None:
    """Send, in a process of its own; print when it began, when it ended and the size of a body."""
    make = Bodies()
    waiting = [make.next() for _ in range(bodies)]
    size = len(waiting[0])
    threads = [threading.Thread(target=post, args=(url, waiting)) for _ in range(connections)]
    began = time.time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(began, time.time(), size)


def post(url: str, waiting: list[bytes]) -> None:
    """Send bodies until none wait."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    while True:
        try:
            body = waiting.pop()
        except IndexError:
            return
        while True:
            connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                break
            assert answer.status == 503, answer.status
            time.sleep(float(answer.headers["Retry-After"]))


class Bodies:
    """Makes bodies that differ only in their ids, by writing those over a finished one."""

    def __init__(self) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        request = ExportTraceServiceRequest()
        group = request.resource_spans.add()
        put(group.resource.attributes, "service.name", "benchmark")
        spans = group.scope_spans.add().spans
        self._traces = [os.urandom(16) for _ in range(TRACES_PER_BODY)]
        self._spans = [os.urandom(8) for _ in range(SPANS_PER_BODY)]
        now = time.time_ns()
        for number, span_id in enumerate(self._spans):
            trace, depth = divmod(number, SPANS_PER_TRACE)
            span = spans.add(trace_id=self._traces[trace], span_id=span_id, name="chat gpt-5-mini", kind=3)
            if depth:
                span.parent_span_id = self._spans[number - 1]
            span.start_time_unix_nano = now + number * 1_000_000
            span.end_time_unix_nano = span.start_time_unix_nano + 250_000_000 + number * 1_000
            fill(span.attributes, number)
        self._template = request.SerializeToString()
        self._places = {
            one: [found.start() for found in re.finditer(re.escape(one), self._template)]
            for one in (*self._traces, *self._spans)
        }

    def next(self) -> bytes:
        """Return a body with ids of its own."""
        body = bytearray(self._template)
        for one, places in self._places.items():
            fresh = os.urandom(len(one))
            for place in places:
                body[place : place + len(one)] = fresh
        return bytes(body)


def fill(attributes: Any, number: int) -> None:
    """Add what a model call carries."""
    put(attributes, "gen_ai.operation.name", "chat")
    put(attributes, "gen_ai.provider.name", "openai")
    put(attributes, "gen_ai.request.model", "gpt-5-mini")
    put(attributes, "gen_ai.response.model", "gpt-5-mini-2026-05-01")
    put(attributes, "gen_ai.response.id", f"chatcmpl-{number:024d}")
    put(attributes, "gen_ai.usage.input_tokens", 900 + number)
    put(attributes, "gen_ai.usage.output_tokens", 150 + number % 90)
    put(attributes, "gen_ai.usage.cache_read.input_tokens", number % 512)
    put(attributes, "gen_ai.conversation.id", f"conversation-{number // 8:08d}")
    put(attributes, "gen_ai.response.time_to_first_chunk", 0.21 + number / 10_000)
    put(attributes, "mlobs.cost.usd", 0.0012 + number / 1_000_000)
    put(attributes, "gen_ai.output.messages", "The answer, in so many words. " * 34)
    finish = attributes.add(key="gen_ai.response.finish_reasons").value.array_value.values
    finish.add().string_value = "stop"


def put(attributes: Any, key: str, value: str | float) -> None:
    """Add one attribute."""
    kind = {str: "string_value", int: "int_value", float: "double_value"}[type(value)]
    setattr(attributes.add(key=key).value, kind, value)


if __name__ == "__main__":
    main()

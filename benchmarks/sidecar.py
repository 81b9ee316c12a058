"""What collectors cost: spans a second, CPU a span, memory, added latency, and what that comes to.

python -m benchmarks.sidecar                # sidecar, gateway, sampler, all-in-one, each before an empty sink
python -m benchmarks.sidecar --arithmetic   # and stores, and what up to 1,000,000 spans a second need

Bodies of 512 spans, about 1.6 KB a span, over keep-alive connections; the sink answers at once.
CPU a span is the collector's own, from the kernel's clock of its process, so it holds on a machine
that is busy otherwise; spans a second do not. The latency added is that of a span with its own
request, from sending it to the collector until the sink has it, less that of sending it there
at once.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import psutil

from benchmarks.bodies import SPANS_PER_BODY, Bodies, post
from benchmarks.measuring import Sink, show
from benchmarks.sizing import Costs, needs, prices, stores
from mlobs.cli.collector.binary import binary
from tests.processes import free_port

TOKEN = "benchmark"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
LATENCIES = 100
NAMES = ("sidecar", "gateway", "sampler", "all-in-one")
HELD_SPANS = 50_000


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--arithmetic", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not binary().exists():
        sys.exit("The collector is not built. Build it with: mlobs collector build")
    found: dict[str, list[dict[str, float]]] = {name: [] for name in NAMES}
    for _ in range(given.rounds):
        for name in NAMES:
            with tempfile.TemporaryDirectory() as folder:
                bodies = given.spans // SPANS_PER_BODY
                found[name].append(measure(name, Path(folder), bodies, given.connections))
    medians = {
        name: {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        for name, rows in found.items()
    }
    rows: list[dict[str, object]] = [
        {"collector": name, **{key: round(row[key], 1) if key in row else "" for key in medians["sidecar"]}}
        for name, row in medians.items()
    ]
    size = f"{binary().stat().st_size / 1e6:.0f} MB"
    show(f"Collectors, medians of {given.rounds}; the program is {size}", rows, as_json=given.json)
    if given.arithmetic:
        kept, stored = stores()
        with tempfile.TemporaryDirectory() as folder:
            held = held_bytes(Path(folder))
        cpu = {name: row["CPU us/span"] for name, row in medians.items()} | {"store": stored.cpu}
        costs = Costs(cpu, held, stored.size)
        show(f"Stores; a sampler holds {held:,.0f} bytes a span that waits", kept, as_json=given.json)
        show("Tiers at 100,000 spans/s", prices(costs), as_json=given.json)
        show("What it comes to", needs(costs), as_json=given.json)


def measure(name: str, folder: Path, bodies: int, connections: int) -> dict[str, float]:
    """Return one collector's figures."""
    sink = Counting()
    with running(name, folder, sink.url) as (process, address):
        own = psutil.Process(process.pid)
        at_rest = own.memory_info().rss
        make = Bodies()
        waiting = [make.next() for _ in range(bodies)]
        most = Peak(own)
        before, began = cpu_seconds(own), time.monotonic()
        threads = [
            threading.Thread(target=post, args=(address, waiting, HEADERS)) for _ in range(connections)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.monotonic() - began
        sink.settle()
        spans = bodies * SPANS_PER_BODY
        figures = {
            "spans/s": spans / taken,
            "CPU us/span": (cpu_seconds(own) - before) / spans * 1e6,
            "MB at rest": at_rest / 1e6,
            "MB at most": most.stop() / 1e6,
            "of these its own": most.own / 1e6,
        }
        if name in ("sidecar", "gateway"):  # A sampler waits on purpose.
            found = latencies(sink, address)
            figures["added ms, median"] = statistics.median(found) * 1e3
            figures["p99"] = sorted(found)[int(len(found) * 0.99)] * 1e3
        return figures


def held_bytes(folder: Path) -> float:
    """Return by how much a sampler's memory grows for each span that waits."""
    sink = Counting()
    with running(
        "sampler", folder, sink.url, MLOBS_SAMPLER_WAIT="600s", MLOBS_SAMPLER_WAIT_AFTER_ROOT="600s"
    ) as (
        process,
        address,
    ):
        own = psutil.Process(process.pid)
        before = own.memory_info().rss
        make = Bodies()
        waiting = [make.next() for _ in range(HELD_SPANS // SPANS_PER_BODY)]
        spans = len(waiting) * SPANS_PER_BODY
        post(address, waiting, HEADERS)
        time.sleep(5)  # Until the gateway before it has sent the last.
        return (own.memory_info().rss - before) / spans


class Counting(Sink):
    """A sink that knows when a body came last."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.last = time.monotonic()
        super().__init__()

    def take(self, path: str, body: bytes) -> None:
        """Note that something came."""
        self.bodies += 1
        self.last = time.monotonic()
        if path == "/v1/traces":
            self.arrived.set()

    def settle(self) -> None:
        """Wait until nothing has come for two seconds."""
        while time.monotonic() - self.last < 2:
            time.sleep(0.1)


class Peak(threading.Thread):
    """Watches how much memory a process has, and how much of that no file is behind."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.process, self.most, self.own, self.stopped = process, 0, 0, threading.Event()
        self.start()

    def run(self) -> None:
        """Look twenty times a second until told to stop."""
        while not self.stopped.wait(0.05):
            info = self.process.memory_info()
            self.most = max(self.most, info.rss)
            self.own = max(self.own, info.rss - info.shared)

    def stop(self) -> int:
        """Return the most it had."""
        self.stopped.set()
        self.join()
        return self.most


def latencies(sink: Counting, address: str) -> list[float]:
    """Return seconds from sending until the sink has it, less the median of sending there at once."""
    direct = [_travel(sink, f"{sink.url}/v1/traces") for _ in range(LATENCIES // 3)]
    usual = statistics.median(direct)
    return [_travel(sink, f"{address}/v1/traces") - usual for _ in range(LATENCIES)]


def _travel(sink: Counting, url: str) -> float:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    now = time.time_ns()
    request.resource_spans.add().scope_spans.add().spans.add(
        trace_id=os.urandom(16),
        span_id=os.urandom(8),
        name="x",
        start_time_unix_nano=now,
        end_time_unix_nano=now,
    )
    body = request.SerializeToString()
    sink.arrived.clear()
    began = time.monotonic()
    headers = {"Content-Type": "application/x-protobuf", "Authorization": f"Bearer {TOKEN}"}
    urlopen(Request(url, body, headers), timeout=10).close()
    sink.arrived.wait(30)
    return time.monotonic() - began


@contextlib.contextmanager
def running(
    name: str, folder: Path, sink: str, **more: str
) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Run a collector before the sink: a gateway without the sampler behind it, a sampler with a gateway."""
    token = folder / "token"
    token.write_text(TOKEN)
    if name == "sampler":
        with (
            _one(name, folder, sink, **more) as (process, ports),
            _one("gateway", folder, sink, MLOBS_SAMPLERS=f"[127.0.0.1:{ports['GRPC']}]") as (_, before),
        ):
            yield process, f"http://127.0.0.1:{before['HTTP']}"
        return
    arguments = []
    if name == "gateway":
        # To the sink at once, so that what is measured is the gateway and not tier two.
        straight = folder / "straight.yaml"
        parts = "\n".join(f"    traces/part-{part}: {{exporters: [otlp_http/mlobs]}}" for part in range(8))
        straight.write_text(f"service:\n  pipelines:\n{parts}\n")
        arguments = [str(straight)]
    with _one(name, folder, sink, *arguments, **more) as (process, ports):
        yield process, f"http://127.0.0.1:{ports['HTTP']}"


@contextlib.contextmanager
def _one(
    name: str, folder: Path, sink: str, *arguments: str, **more: str
) -> Iterator[tuple["subprocess.Popen[bytes]", dict[str, int]]]:
    family = {"sidecar": "SIDECAR", "sampler": "SAMPLER"}.get(name, "GATEWAY")
    ports = {part: free_port() for part in ("HTTP", "GRPC", "HEALTH", "METRICS", "DERIVED")}
    headers = folder / "headers"
    headers.write_text(f"Authorization: Bearer {TOKEN}\n")
    environment = {
        **os.environ,
        "MLOBS_ENDPOINT": sink,
        "MLOBS_SAMPLER_HEADERS_FILE": str(headers),
        f"MLOBS_{family}_TOKEN_FILE": str(folder / "token"),
        f"MLOBS_{family}_QUEUE": str(folder / f"queue-{name}"),
        f"MLOBS_{family}_METRICS_PORT": str(ports["METRICS"]),
        "MLOBS_DERIVED_METRICS": f"127.0.0.1:{ports['DERIVED']}",
        "MLOBS_SAMPLER_BASE_PERCENT": "100",
        "MLOBS_SAMPLER_WAIT": "2s",
        "MLOBS_SAMPLER_WAIT_AFTER_ROOT": "1s",
        **{f"MLOBS_{family}_{part}": f"127.0.0.1:{ports[part]}" for part in ("HTTP", "GRPC", "HEALTH")},
        **more,
    }
    command = [sys.executable, "-m", "mlobs", "collector", "run", name, *arguments]
    log = folder / f"{name}.log"
    with log.open("wb") as told:
        started = subprocess.Popen(command, env=environment, stdout=told, stderr=told)
    try:
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                urlopen(f"http://127.0.0.1:{ports['HEALTH']}/", timeout=2).close()
                break
            if started.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"The {name} did not start: {log.read_text()[-600:]}")
            time.sleep(0.1)
        yield started, ports
    finally:
        started.terminate()
        started.wait()


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time a process has had."""
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()

"""What collectors cost: spans a second, CPU a span, memory, added latency, and what that comes to.

python -m benchmarks.sidecar                # sidecar, gateway and all-in-one, each in front of an empty sink
python -m benchmarks.sidecar --arithmetic   # and machines and disk for up to 1,000,000 spans a second

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
from mlobs.cli.collector.binary import binary
from tests.processes import free_port

TOKEN = "benchmark"
RATES = (1_000, 10_000, 100_000, 1_000_000)
SPAN_BYTES = 1_600
# What a rented core and gigabyte cost, US dollars a month, and a gigabyte of disk: change to yours.
CORE_USD, MEMORY_GB_USD, DISK_GB_USD = 25.0, 3.5, 0.1
OUTAGE_S = 600
SECONDS_A_MONTH = 30 * 24 * 3600
LATENCIES = 100


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--arithmetic", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not binary().exists():
        sys.exit("The collector is not built. Build it with: mlobs collector build")
    rows = []
    for name in ("sidecar", "gateway", "all-in-one"):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(name, Path(folder), given.spans // SPANS_PER_BODY, given.connections))
    show(f"Collectors; the program is {binary().stat().st_size / 1e6:.0f} MB", rows, as_json=given.json)
    if given.arithmetic:
        cpu = {str(row["collector"]): float(str(row["CPU us/span"])) for row in rows}
        show("What it comes to", arithmetic(cpu), as_json=given.json)


def measure(name: str, folder: Path, bodies: int, connections: int) -> dict[str, object]:
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
            threading.Thread(target=post, args=(address, waiting, {"Authorization": f"Bearer {TOKEN}"}))
            for _ in range(connections)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.monotonic() - began
        sink.settle()
        spans = bodies * SPANS_PER_BODY
        cost = (cpu_seconds(own) - before) / spans
        # A sampler waits on purpose.
        found = [] if name == "all-in-one" else latencies(sink, address)
        return {
            "collector": name,
            "spans/s": round(spans / taken),
            "CPU us/span": round(cost * 1e6, 1),
            "MB at rest": round(at_rest / 1e6),
            "MB at most": round(most.stop() / 1e6),
            "of these its own": round(most.own / 1e6),
            "added ms, median": round(statistics.median(found) * 1e3, 1) if found else "",
            "p99": round(sorted(found)[int(len(found) * 0.99)] * 1e3, 1) if found else "",
        }


def arithmetic(cpu: dict[str, float]) -> list[dict[str, object]]:
    """Return what rates of spans need: cores and disk for the gateways, and the price of a million spans."""
    rows = []
    for rate in RATES:
        cores = rate * cpu["gateway"] / 1e6 / 0.6  # Nobody runs cores at more than 60 %.
        gateways = max(2, -(-cores // 4))
        disk_gb = rate * SPAN_BYTES * OUTAGE_S / 1e9
        memory_gb = gateways * 1.0
        month = cores * CORE_USD + memory_gb * MEMORY_GB_USD + disk_gb * DISK_GB_USD
        rows.append(
            {
                "spans/s": rate,
                "sidecar cores in all": round(rate * cpu["sidecar"] / 1e6, 1),
                "gateway cores": round(cores, 1),
                "gateways of 4 cores": int(gateways),
                "memory GB": round(memory_gb),
                "disk GB for 10 minutes": round(disk_gb, 1),
                "USD a million spans": round(month / (rate * SECONDS_A_MONTH / 1e6), 5),
            }
        )
    return rows


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
def running(name: str, folder: Path, sink: str) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Run a collector in front of the sink; a gateway without the sampler that it usually sends to."""
    family = "SIDECAR" if name == "sidecar" else "GATEWAY"
    ports = {part: free_port() for part in ("HTTP", "GRPC", "HEALTH", "METRICS", "DERIVED")}
    token = folder / "token"
    token.write_text(TOKEN)
    environment = {
        **os.environ,
        "MLOBS_ENDPOINT": sink,
        f"MLOBS_{family}_TOKEN_FILE": str(token),
        f"MLOBS_{family}_QUEUE": str(folder / "queue"),
        f"MLOBS_{family}_METRICS_PORT": str(ports["METRICS"]),
        "MLOBS_DERIVED_METRICS": f"127.0.0.1:{ports['DERIVED']}",
        "MLOBS_SAMPLER_BASE_PERCENT": "100",
        "MLOBS_SAMPLER_WAIT": "2s",
        "MLOBS_SAMPLER_WAIT_AFTER_ROOT": "1s",
        **{f"MLOBS_{family}_{part}": f"127.0.0.1:{ports[part]}" for part in ("HTTP", "GRPC", "HEALTH")},
    }
    command = [sys.executable, "-m", "mlobs", "collector", "run", name]
    if name == "gateway":
        # To the sink at once, so that what is measured is the gateway and not tier two.
        straight = folder / "straight.yaml"
        parts = "\n".join(f"    traces/part-{part}: {{exporters: [otlp_http/mlobs]}}" for part in range(8))
        straight.write_text(f"service:\n  pipelines:\n{parts}\n")
        command.append(str(straight))
    started = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                urlopen(f"http://127.0.0.1:{ports['HEALTH']}/", timeout=2).close()
                break
            if started.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"the {name} did not start")
            time.sleep(0.1)
        yield started, f"http://127.0.0.1:{ports['HTTP']}"
    finally:
        started.terminate()
        started.wait()


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time a process has had."""
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()

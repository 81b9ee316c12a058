"""What a rate of spans needs, from sidecars to the store: cores, memory, disk, dollars.

python -m benchmarks.sidecar --arithmetic   # measures the collectors and the stores, and prints both tables

What is assumed is at the top: change it to yours.
"""

import math
import os
import random
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import zstandard

from benchmarks.bodies import SPANS_PER_BODY, fill, post, put
from benchmarks.contenders import contenders

RATES = (1_000, 10_000, 100_000, 1_000_000)
SPAN_BYTES = 1_600
# Nobody runs cores at more than this.
BUSY = 0.6
# What a rented core and gigabyte cost, US dollars a month, and a gigabyte of disk.
CORE_USD, MEMORY_GB_USD, DISK_GB_USD = 25.0, 3.5, 0.1
OUTAGE_S = 600  # How long a store may be away until a gateway's disk is full.
WAIT_S = 20  # How long a sampler holds a span: half a run, and ten seconds after its root.
KEPT = 0.1  # The share of traces a sampler keeps, as it does unless told.
DAYS = 30  # How long a store keeps them.
SECONDS_A_MONTH = 30 * 24 * 3600
MEMORY_GB = {"gateway": 1.0, "sampler": 2.0, "store": 4.0}  # What a process takes without load, and some.
CORES_A_PROCESS = 4
WORDS, WORDS_A_SPAN = 20_000, 170
STORED_BODIES = 60


@dataclass(frozen=True, slots=True)
class Stored:
    """What the server needs for a span: microseconds of CPU until it can be asked, bytes on disk."""

    cpu: float
    size: float


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured.

    Args:
        cpu: Microseconds of CPU a span, by tier and "store".
        held: Bytes of a sampler's memory a span that waits.
        stored: Bytes on disk a span that is stored.
    """

    cpu: Mapping[str, float]
    held: float
    stored: float


def needs(costs: Costs) -> list[dict[str, object]]:
    """Return what each rate needs."""
    return [_row(rate, costs) for rate in RATES]


def prices(costs: Costs) -> list[dict[str, object]]:
    """Return what a million spans cost in each tier, at a hundred thousand a second."""
    rate = 100_000
    millions = rate * SECONDS_A_MONTH / 1e6
    found = []
    for tier, share in (("sidecar", 1.0), ("gateway", 1.0), ("sampler", 1.0), ("store", KEPT)):
        cores = _cores(rate * share, costs.cpu[tier])
        memory, disk = _memory(tier, cores, rate, costs), _disk(tier, rate, costs)
        found.append(
            {
                "tier": tier,
                "CPU us/span": round(costs.cpu[tier], 1),
                "spans/s a core": round(1e6 / costs.cpu[tier]),
                "cores": round(cores, 1),
                "memory GB": round(memory),
                "disk GB": round(disk),
                "USD a million": round(
                    (cores * CORE_USD + memory * MEMORY_GB_USD + disk * DISK_GB_USD) / millions, 5
                ),
            }
        )
    return found


def _row(rate: int, costs: Costs) -> dict[str, object]:
    cores = {
        tier: _cores(rate * (KEPT if tier == "store" else 1), costs.cpu[tier])
        for tier in ("sidecar", "gateway", "sampler", "store")
    }
    memory = {tier: _memory(tier, cores[tier], rate, costs) for tier in MEMORY_GB}
    disk = {tier: _disk(tier, rate, costs) for tier in ("gateway", "store")}
    month = (
        sum(cores.values()) * CORE_USD
        + sum(memory.values()) * MEMORY_GB_USD
        + sum(disk.values()) * DISK_GB_USD
    )
    return {
        "spans/s": rate,
        "sidecar cores in all": round(cores["sidecar"], 1),
        "gateway cores": round(cores["gateway"], 1),
        "GB": round(memory["gateway"]),
        "disk GB": round(disk["gateway"], 1),
        "sampler cores": round(cores["sampler"], 1),
        "sampler GB": round(memory["sampler"]),
        "store cores": round(cores["store"], 1),
        "store disk TB": round(disk["store"] / 1e3, 2),
        "USD a million": round(month / (rate * SECONDS_A_MONTH / 1e6), 4),
    }


def _cores(rate: float, cpu_us: float) -> float:
    return rate * cpu_us / 1e6 / BUSY


def _memory(tier: str, cores: float, rate: int, costs: Costs) -> float:
    if tier not in MEMORY_GB:
        return 0  # A sidecar's is the service's own.
    processes = max(2, math.ceil(cores / CORES_A_PROCESS)) if tier != "store" else 1
    waiting = rate * WAIT_S * costs.held / 1e9 if tier == "sampler" else 0
    return max(processes * MEMORY_GB[tier], waiting / 0.8)


def _disk(tier: str, rate: int, costs: Costs) -> float:
    if tier == "gateway":
        return rate * SPAN_BYTES * OUTAGE_S / 1e9
    return rate * KEPT * DAYS * 24 * 3600 * costs.stored / 1e9 if tier == "store" else 0


def stores() -> tuple[list[dict[str, object]], Stored]:
    """Return what each store takes for spans with a kilobyte of words of their own, and the server's.

    The server is run; of Kafka and files it is the size of what they are given.
    """
    varied = [body(number) for number in range(STORED_BODIES)]
    spans = STORED_BODIES * SPANS_PER_BODY
    sent = sum(map(len, varied)) / spans
    server = _server(varied, spans)
    found = {
        "mlobs server, or ClickHouse": server["bytes"],
        "Kafka: OTLP, zstd": sum(len(zstandard.compress(one)) for one in varied) / spans,
        "files: OTLP JSON": sum(map(_json_bytes, varied)) / spans,
    }
    rows: list[dict[str, object]] = [
        {
            "store": name,
            "bytes/span": round(size),
            "of what is sent": f"{size / sent:.0%}",
            "GB a day at 1,000 spans/s": round(size * 1_000 * 86_400 / 1e9, 1),
            f"USD a million for {DAYS} days": round(size / 1e3 * DISK_GB_USD * DAYS / 30, 4),
        }
        for name, size in found.items()
    ]
    return rows, Stored(server["cpu"], server["bytes"])


def body(number: int) -> bytes:
    """Return a request of spans that each carry words of their own."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    draw = random.Random(number)  # The same words each time.
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    put(group.resource.attributes, "service.name", "benchmark")
    spans = group.scope_spans.add().spans
    now = time.time_ns()
    for one in range(SPANS_PER_BODY):
        span = spans.add(trace_id=os.urandom(16), span_id=os.urandom(8), name="chat gpt-5-mini", kind=3)
        span.start_time_unix_nano = now + one * 1_000_000
        span.end_time_unix_nano = span.start_time_unix_nano + draw.randrange(10**9)
        fill(span.attributes, one)
        # A few words are frequent and most are rare, as in any text.
        text = " ".join(f"w{int(WORDS ** draw.random()):x}" for _ in range(WORDS_A_SPAN))
        for held in span.attributes:
            if held.key == "gen_ai.output.messages":
                held.value.string_value = text
    return request.SerializeToString()


def _server(bodies: list[bytes], spans: int) -> dict[str, float]:
    [one] = contenders(peers=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = one.start(None, folder)
        try:
            process = psutil.Process(started.pid)
            before = _cpu(process)
            post(one.url, list(bodies), {})
            while one.count(folder) < spans:
                time.sleep(0.2)
            time.sleep(10)  # Until parts are merged and the journal is cut.
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            return {"bytes": size / spans, "cpu": (_cpu(process) - before) / spans * 1e6}
        finally:
            started.terminate()
            started.wait(60)


def _json_bytes(body: bytes) -> int:
    from google.protobuf.json_format import MessageToJson
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    return len(MessageToJson(ExportTraceServiceRequest.FromString(body), indent=None))


def _cpu(process: psutil.Process) -> float:
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)

"""Spans per second from OTLP to durable, and to queryable, beside Phoenix and MLflow.

python -m benchmarks.ingest                        # this server only
python -m benchmarks.ingest --peers FOLDER         # all three, interleaved; FOLDER keeps their environments

Each server starts on an empty folder. Another process sends bodies of 512 spans (64 traces of 8,
twelve GenAI attributes and a kilobyte of text, about 1.6 KB a span, ids never repeated) over
keep-alive connections, each sending its next body when the last one was acknowledged. All of it
shares the machine's cores, the sender included. A span counts as queryable when SQL finds it: this
server's over HTTP, the peers' in their SQLite files. Peers get fewer spans, as they take longer.

Where this server's CPU goes, for each span of a segment of 21,500: reading it 2.8 us, looking for odd values
0.9, the INSERT 14 to 15. Half of that is planning, paid once for each segment however little is in it: 140
ms, of which the spans' own columns take 49, totals of /metrics 30 (50 while they were worked out in one
question), sums of calls 30, minutes 15. To merge a span for the first time takes another 10 us, and twice
that with texts of many different words, half of it for their index; 200,000 spans are there before most of
it.

An INSERT keeps one core busy, so one at a time was the limit and not the CPU: two run at once.

Tried without gain: parallel_view_processing, with one thread and two; optimize_on_insert = 0; indexes of ids
left to merges; short-circuit evaluation off or forced; expressions that are not compiled; odd values looked
for in one place after the other; the newer analyzer for views (sums of calls take 143 ms instead of 37); LZ4
for content (nearly twice the space); twenty settings of the planner. Not taken: segments of 64 MB (7 % less
CPU, 230 MB more memory).
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.bodies import SPANS_PER_BODY
from benchmarks.contenders import Contender, contenders
from benchmarks.measuring import show

RATES = ("acknowledged spans/s", "queryable spans/s")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--spans", type=int, default=200_000)
    parser.add_argument("--peer-spans", type=int, default=2_048)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=Path, help="folder of the peers' environments; made when missing")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(given.rounds):
        for one in contenders(peers=given.peers is not None):
            spans = given.spans if one.name == "mlobs" else given.peer_spans
            with tempfile.TemporaryDirectory() as folder:
                row = measure(one, Path(folder), given.peers, spans // SPANS_PER_BODY, given.connections)
            found.setdefault(one.name, []).append(row)
    medians = {
        name: {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        for name, rows in found.items()
    }
    ours = medians["mlobs"]
    table = [
        {"server": name, **{key: round(value, 1) for key, value in row.items()}}
        | {f"times its {key.split()[0]}": round(ours[key] / row[key], 1) for key in RATES if name != "mlobs"}
        for name, row in medians.items()
    ]
    show(f"Ingest, medians of {given.rounds} rounds", table, as_json=given.json)


def measure(
    one: Contender, folder: Path, environments: Path | None, bodies: int, connections: int
) -> dict[str, float]:
    """Return the figures of one run."""
    began = time.monotonic()
    server = one.start(environments, folder)
    try:
        start_s = time.monotonic() - began
        time.sleep(1.0)
        process = psutil.Process(server.pid)
        idle_rss = resident(process)
        cpu_before = cpu_seconds(process)
        memory = Memory(process)
        call = f"send({one.url!r}, {bodies}, {connections}, {one.headers!r})"
        sender = [sys.executable, "-c", f"from benchmarks.bodies import send; {call}"]
        sent = subprocess.run(sender, stdout=subprocess.PIPE, text=True, check=True)
        began_at, ended_at, body_bytes = map(float, sent.stdout.split())
        spans = bodies * SPANS_PER_BODY
        while (counted := one.count(folder)) < spans:
            time.sleep(0.1)
        assert counted == spans, f"{counted} spans are there, {spans} were sent"
        queryable_at = time.time()
        cpu_s = cpu_seconds(process) - cpu_before
        return {
            "spans": spans,
            "bytes/span": round(body_bytes / SPANS_PER_BODY),
            "acknowledged spans/s": spans / (ended_at - began_at),
            "queryable spans/s": spans / (queryable_at - began_at),
            "CPU us/span": cpu_s / spans * 1e6,
            "start s": start_s,
            "idle RSS MB": idle_rss / 1e6,
            **memory.stop(),
            "disk bytes/span": folder_bytes(folder) / spans,
        }
    finally:
        server.terminate()
        server.wait(60)


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and those it started."""
    return [process, *process.children(recursive=True)]


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time that a server has used."""
    times = [one.cpu_times() for one in family(process)]
    return sum(one.user + one.system for one in times)


def resident(process: psutil.Process) -> int:
    """Return the memory that a server holds."""
    return sum(one.memory_info().rss for one in family(process))


def folder_bytes(folder: Path) -> int:
    """Return the size of all files in a folder."""
    size = 0
    for within, _, files in os.walk(folder):  # which passes over folders that merges remove meanwhile
        for name in files:
            with suppress(FileNotFoundError):
                size += (Path(within) / name).lstat().st_size
    return size


class Memory:
    """Samples a server's resident memory."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._samples: list[int] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, float]:
        """End, and return the medians of the run's halves and its peak, in MB: memory over time."""
        self._ended.set()
        self._thread.join()
        middle = len(self._samples) // 2
        first, second = self._samples[: middle + 1], self._samples[middle:]
        return {
            "RSS MB, first half": statistics.median(first) / 1e6,
            "RSS MB, second half": statistics.median(second) / 1e6,
            "peak RSS MB": max(self._samples) / 1e6,
        }

    def _sample(self) -> None:
        while True:
            self._samples.append(resident(self._process))
            if self._ended.wait(0.05):
                return


if __name__ == "__main__":
    main()

"""Webhooks a second with persistence, and whether each change of an alert is told once.

python -m benchmarks.webhooks
python -m benchmarks.webhooks --seconds 20 --alerts 10000

`mlobs alerts receive` runs as users run it, with a bearer token and one webhook as its sink, which
gets everything meanwhile. All of it shares the machine's cores, sender and sink included.

Rate: connections that each send their next webhook (one new alert, about 1 KB) when the last one was
answered; an answer comes after the fsync.

Exactness: every alert fires and ends, in webhooks of up to five alerts, each sent one to three times
and shuffled, by eight senders who repeat what was not answered with 200; meanwhile the receiver is
killed with SIGKILL and started again. Of one half the ends are sent after their beginnings were
acknowledged (with more beginnings after them): those must arrive as firing and resolved, once each.
The other half comes in any order, the end perhaps first; then nothing or both must arrive.
"""

import argparse
import asyncio
import hashlib
import http.client
import json
import os
import queue
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from benchmarks.measuring import show
from tests.processes import free_port

TOKEN = "the-token-of-the-benchmark"
PATH = "/api/alerts/receive"
SENDERS = 8
PER_WEBHOOK = 5
CONNECTIONS = (1, 16, 64)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0, help="of each rate (default: 8)")
    parser.add_argument("--alerts", type=int, default=10_000, help="of the exactness (default: 10000)")
    parser.add_argument("--kills", type=int, default=8, help="SIGKILLs meanwhile (default: 8)")
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rates = []
    for connections in CONNECTIONS:
        with tempfile.TemporaryDirectory() as folder, Sink() as sink:
            receiver = Receiver(Path(folder), sink.url)
            receiver.start()
            rates.append(rate(receiver.port, connections, given.seconds))
            receiver.kill()
    show("Webhooks accepted, one new alert each", rates, as_json=given.json)
    with tempfile.TemporaryDirectory() as folder, Sink() as sink:
        row = exactness(Receiver(Path(folder), sink.url), sink, given.alerts, given.kills, given.seed)
    show(f"{given.alerts} alerts that fire and end", [row], as_json=given.json)


class Sink:
    """A webhook that remembers who was told of what."""

    def __init__(self) -> None:
        self.ids: Counter[str] = Counter()
        self.told: dict[str, list[tuple[str, str]]] = defaultdict(list)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                name = self.headers["X-Mlobs-Delivery"]
                outer.ids[name] += 1
                if outer.ids[name] == 1:
                    outer.told[body["labels"]["number"]].append((body["status"], name))
                self.send_response(204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Receiver:
    """The command, on one port and folder over its restarts."""

    def __init__(self, folder: Path, sink_url: str) -> None:
        self.port = free_port()
        flags = ["--port", str(self.port), "--data", str(folder)]
        self._command = [sys.executable, "-m", "mlobs", "alerts", "receive", *flags]
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MLOBS_")},
            "MLOBS_ALERT_RECEIVE_TOKEN": TOKEN,
            "MLOBS_ALERT_WEBHOOK_URL": sink_url,
            "MLOBS_ALERT_WEBHOOK_SECRET": "the-secret-of-the-sink",
        }
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it; returns when webhooks are taken."""
        self._process = subprocess.Popen(
            self._command, env=self._environment, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("webhooks"):
            raise SystemExit("The receiver did not start; its words are above.")

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


def alert(number: str, *, ended: bool, starts_s: int = 1_790_000_000) -> dict[str, Any]:
    """Return one alert of about a kilobyte."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.904447448Z", time.gmtime(starts_s))
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(starts_s + 60)) if ended else "0001-01-01T00:00:00Z"
    return {
        "status": "resolved" if ended else "firing",
        "labels": {"alertname": "QueueFull", "number": number, "severity": "warning", "service_name": "shop"},
        "annotations": {
            "summary": f"The queue {number} is full",
            "description": "x" * 300,
            "runbook_url": "https://example.org/runbooks/QueueFull",
        },
        "startsAt": stamp,
        "endsAt": end,
        "generatorURL": "http://prometheus.example:9090/graph?g0.expr=queue_full&g0.tab=1",
        "fingerprint": hashlib.sha256(number.encode()).hexdigest()[:16],
    }


def webhook(alerts: Sequence[dict[str, Any]]) -> bytes:
    """Return a webhook of Alertmanager."""
    body = {
        "version": "4",
        "groupKey": '{}:{alertname="QueueFull"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "mlobs",
        "groupLabels": {"alertname": "QueueFull"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example:9093",
        "alerts": list(alerts),
    }
    return json.dumps(body).encode()


def rate(port: int, connections: int, seconds: float) -> dict[str, object]:
    """Return how many webhooks were answered with 200, and how long answers took."""
    code = f"from benchmarks.webhooks import flood; flood({port}, {connections}, {seconds})"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    times: list[float] = json.loads(done.stdout)
    return {
        "connections": connections,
        "webhooks/s": round(len(times) / seconds),
        "p50 ms": round(statistics.median(times) * 1e3, 2),
        "p99 ms": round(statistics.quantiles(times, n=100)[98] * 1e3, 2),
    }


def flood(port: int, connections: int, seconds: float) -> None:
    """Send for so long, in a process of its own, and print the seconds each answer took."""
    print(json.dumps(asyncio.run(_flood(port, connections, seconds))))


async def _flood(port: int, connections: int, seconds: float) -> list[float]:
    until = time.perf_counter() + seconds
    times: list[float] = []

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = 0
        while time.perf_counter() < until:
            body = webhook([alert(f"{number}-{sent}", ended=False)])
            sent += 1
            head = (
                f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            began = time.perf_counter()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            if b" 200 " not in answer.split(b"\r\n")[0]:
                raise SystemExit(f"refused: {answer!r}")
            times.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(one(number) for number in range(connections)))
    return times


def exactness(receiver: Receiver, sink: Sink, alerts: int, kills: int, seed: int) -> dict[str, object]:
    """Return what was told twice and what was not told."""
    chance = random.Random(seed)
    numbers = [str(number) for number in range(alerts)]
    ordered, loose = numbers[: alerts // 2], numbers[alerts // 2 :]
    first = [alert(number, ended=False) for number in ordered]
    second = [alert(number, ended=True) for number in ordered]
    anyhow = [alert(number, ended=ended) for number in loose for ended in (False, True)]
    chance.shuffle(anyhow)
    half = len(anyhow) // 2
    phases = [
        webhooks([*first, *anyhow[:half]], chance),
        webhooks([*second, *chance.sample(first, len(first) // 3), *anyhow[half:]], chance),
    ]
    began = time.monotonic()
    receiver.start()
    sent, again = 0, 0
    for bodies in phases:
        again += send(receiver, bodies, kills // 2)
        sent += len(bodies)
    accepted_s = time.monotonic() - began
    quiet, seen = 0, -1
    while quiet < 20:
        quiet, seen = (quiet + 1, seen) if len(sink.ids) == seen else (0, len(sink.ids))
        time.sleep(0.5)
    receiver.kill()
    told = {number: [status for status, _ in sink.told.get(number, [])] for number in numbers}
    both = ["firing", "resolved"]
    return {
        "webhooks": sent,
        "sent again": again,
        "kills": kills // 2 * 2,
        "changes told": len(sink.ids),
        "told twice": sum(max(Counter(changes).values(), default=0) > 1 for changes in told.values()),
        "lost": sum(told[number] != both for number in ordered),
        "half told": sum(told[number] not in ([], both) for number in loose),
        "same id again": sum(count - 1 for count in sink.ids.values()),
        "accepted s": round(accepted_s, 1),
        "delivered s": round(time.monotonic() - began - 10, 1),
    }


def webhooks(alerts: list[dict[str, Any]], chance: random.Random) -> list[bytes]:
    """Return webhooks with every alert in one to three of them, shuffled."""
    many = [one for one in alerts for _ in range(chance.choice((1, 2, 3)))]
    chance.shuffle(many)
    found, position = [], 0
    while position < len(many):
        size = chance.randint(1, PER_WEBHOOK)
        found.append(webhook(many[position : position + size]))
        position += size
    return found


def send(receiver: Receiver, bodies: list[bytes], kills: int) -> int:
    """Send all of them, killing the receiver meanwhile; return how often one was sent again."""
    work: queue.Queue[bytes] = queue.Queue()
    for body in bodies:
        work.put(body)
    again: Counter[str] = Counter()
    threads = [threading.Thread(target=_send, args=(receiver.port, work, again)) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for number in range(1, kills + 1):
        while work.qsize() > len(bodies) * (kills + 1 - number) / (kills + 1):
            time.sleep(0.005)
        receiver.kill()
        receiver.start()
    for thread in threads:
        thread.join()
    return again["again"]


def _send(port: int, work: "queue.Queue[bytes]", again: "Counter[str]") -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while True:
        try:
            body = work.get_nowait()
        except queue.Empty:
            return
        while True:
            try:
                connection.request("POST", PATH, body, headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status == 200:
                    break
                if answer.status < 500:
                    raise SystemExit(f"refused: {answer.status}")
            except (OSError, http.client.HTTPException):
                connection.close()
            again["again"] += 1
            time.sleep(0.05)


if __name__ == "__main__":
    main()

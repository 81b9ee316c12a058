"""How long questions take over a store of many spans: p50 and p95 over HTTP.

python -m benchmarks.questions --spans 1000000

Fills a folder with one statement for each half million spans (ten to a trace, a day's worth, made by
`numbers()`; a trace of 1,000 and one of 50,000 spans beside them), then asks each question of a
running server. A folder that was filled before is used again: --data.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import requests

from mlobs.server.serve import Server
from mlobs.settings import ServerSettings, load

SPANS_EACH = 500_000
SPANS_IN_TRACE = 10
ROUNDS = 15
LARGE = {"a" * 32: 1_000, "b" * 32: 50_000}
WORDS = [
    "order",
    "refund",
    "parcel",
    "delay",
    "invoice",
    "customer",
    "address",
    "balance",
    "weather",
    "gate",
    "flight",
    "seat",
    "hotel",
    "tax",
]  # fmt: skip
FILL = (Path(__file__).parent / "questions.sql").read_text()


def fill(server: Server, spans: int) -> None:
    """Fill the store up to so many spans."""
    connection = server.store.connection()
    there = server.store.query("SELECT count() AS spans FROM otel_traces")[0]["spans"]
    now_ns = time.time_ns()
    common = {"now_ns": now_ns, "words": json.dumps(WORDS).replace('"', "'")}
    if there == 0:
        for trace_id, count in LARGE.items():
            one = {
                "first": 0,
                "count": count,
                "each": count,
                "traces": 1,
                "trace_id": trace_id,
                "apart_ns": 10**6,
            }
            connection.run(FILL, {**common, **one})
    total = sum(LARGE.values())
    for first in range(max(0, there - total), spans, SPANS_EACH):
        began = time.perf_counter()
        count = min(SPANS_EACH, spans - first)
        part = {
            "first": first,
            "count": count,
            "each": SPANS_IN_TRACE,
            "traces": spans // SPANS_IN_TRACE,
            "trace_id": "",
            "apart_ns": 50_000_000,
        }
        connection.run(FILL, {**common, **part})
        print(f"filled {first + count:,} spans, {count / (time.perf_counter() - began):,.0f} a second")


QUESTIONS = {
    "list, newest 50": "/api/traces",
    "list, second page": "/api/traces?cursor={cursor}",
    "list, service": "/api/traces?q=service:service-3",
    "list, model and error": "/api/traces?q=model:model-3 status:error",
    "list, tool failed, slow": "/api/traces?q=tool:tool-7 status:error duration>2s",
    "list, attribute": "/api/traces?q=attr.mlobs.tag.tier:gold",
    "list, user": "/api/traces?q=user:user-77",
    "list, session": "/api/traces?q=session:conversation-77",
    "list, no failed span": "/api/traces?q=-{status:error}",
    "list, nothing found": "/api/traces?q=service:none",
    "list, slowest": "/api/traces?sort=slowest",
    "list, dearest": "/api/traces?sort=dearest",
    "text, rare word": '/api/traces?q="zanzibar"',
    "text, common words": '/api/traces?q="refund"',
    "text, not there": '/api/traces?q="nowhere at all"',
    "trace of 10 spans": "/api/traces/{trace_id}",
    "trace of 1,000 spans": f"/api/traces/{'a' * 32}",
    "trace of 50,000 spans": f"/api/traces/{'b' * 32}?limit=50000",
    "sessions": "/api/sessions",
    "one session": "/api/sessions/conversation-77",
    "aggregate, 24 h": "/api/aggregate",
    "aggregate, errors and durations": "/api/aggregate?measures=errors,duration",
    "aggregate by model, the same": "/api/aggregate?by=model&measures=errors,duration",
    "aggregate by model": "/api/aggregate?by=model",
    "aggregate by service and tool": "/api/aggregate?by=service,tool",
    "aggregate by attribute": "/api/aggregate?by=attr.mlobs.tag.tier",
    "aggregate, errors in 5 min steps": "/api/aggregate?step=5m&q=status:error",
    "compare with the day before": "/api/compare?by=model",
    "compare two filters": "/api/compare?q=attr.mlobs.tag.tier:gold&against_q=attr.mlobs.tag.tier:free",
    "errors": "/api/errors",
    "running, 1 h": "/api/running",
    "attributes": "/api/attributes",
    "values of a key": "/api/attributes?key=model",
    "page, overview of 15 min": "/?since=15m",
    "page, overview of 1 h": "/?since=1h",
    "page, overview of 6 h": "/?since=6h",
    "page, overview of 24 h": "/",
    "page, overview of a service": "/?service=service-3",
    "page, traces": "/traces",
    "page, traces of a model that failed": "/traces?q=model:model-3 status:error",
    "page, slowest traces": "/traces?sort=slowest",
    "page, trace of 10 spans": "/traces/{trace_id}",
    "page, its conversation": "/traces/{trace_id}?view=conversation",
    "page, trace of 1,000 spans": f"/traces/{'a' * 32}",
    "page, trace of 50,000 spans": f"/traces/{'b' * 32}",
}


def measure(ask: Callable[[str], object], rounds: int, only: str) -> None:
    """Ask each question and print how long it took."""
    first = ask("/api/traces")
    assert isinstance(first, dict)
    names = {"cursor": first["next"], "trace_id": first["traces"][5]["trace_id"]}
    print(f"{'':36}{'p50 ms':>10}{'p95 ms':>10}{'first':>10}")
    for name, path in QUESTIONS.items():
        if only not in name:
            continue
        address = path
        for word, value in names.items():
            address = address.replace(f"{{{word}}}", value)
        took = []
        for _ in range(rounds):
            began = time.perf_counter()
            ask(address)
            took.append((time.perf_counter() - began) * 1000)
        p95 = statistics.quantiles(took[1:], n=20)[-1] if rounds > 2 else max(took)
        print(f"{name:36}{statistics.median(took[1:] or took):10.1f}{p95:10.1f}{took[0]:10.1f}", flush=True)


def main() -> None:
    """Fill, ask, print."""
    reader = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    reader.add_argument("--spans", type=int, default=1_000_000)
    reader.add_argument("--rounds", type=int, default=ROUNDS)
    reader.add_argument("--data", type=Path, help="a folder to fill, or one that was filled before")
    reader.add_argument("--only", default="", help="ask only the questions that have this in their name")
    given = reader.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = load(ServerSettings, port=0, data=given.data or Path(folder), query_seconds_max=120)
        with Server(settings) as server, requests.Session() as session:
            fill(server, given.spans)

            def ask(path: str) -> object:
                answer = session.get(f"{server.url}{path}", timeout=150)
                if not answer.ok:
                    raise SystemExit(f"{path}: {answer.text}")
                return answer.json() if "json" in answer.headers["Content-Type"] else answer.content

            measure(ask, given.rounds, given.only)


if __name__ == "__main__":
    main()

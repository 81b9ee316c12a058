"""How long the whole catalogue of alerts takes on a store: rule by rule, and together.

    python -m benchmarks.alert_catalogue [--spans 1000000] [--days 7]

Spans are made in the store itself: evenly over the days, of 20 services, 12 models, 7 agents and 30 tools;
one in fifty failed.
"""

import argparse
import tempfile
import time
from pathlib import Path

from mlobs.alerts.catalogue import catalogue
from mlobs.alerts.sql import question
from mlobs.server.figures import figures
from mlobs.server.store import Store
from mlobs.settings import AlertSettings

NOW_S = 1_800_000_000.0
ROUNDS = 3
BATCH = 500_000


def fill(store: Store, spans: int, days: float) -> None:
    """Insert the spans, oldest first."""
    step_ns = round(days * 86_400 * 1e9 / spans)
    begin_ns = round(NOW_S * 1e9) - step_ns * spans
    with store.writing() as writer:
        for first in range(0, spans, BATCH):
            writer.run(
                f"""INSERT INTO otel_traces
    (Timestamp, TraceId, ServiceName, SpanAttributes, Duration, StatusCode)
SELECT fromUnixTimestamp64Nano(toInt64({begin_ns} + number * {step_ns})), hex(intDiv(number, 8)),
    concat('service', toString(cityHash64(intDiv(number, 8)) % 20)),
    multiIf(
        number % 8 = 0, map('gen_ai.operation.name', 'invoke_agent', 'mlobs.kind', 'agent',
            'gen_ai.agent.name', concat('agent', toString(number % 7))),
        number % 8 < 4, map('gen_ai.operation.name', 'execute_tool', 'mlobs.kind', 'tool',
            'gen_ai.tool.name', concat('tool', toString(cityHash64(number) % 30)),
            'gen_ai.agent.name', concat('agent', toString(number % 7))),
        map('gen_ai.operation.name', 'chat', 'mlobs.kind', 'llm', 'gen_ai.provider.name', 'openai',
            'gen_ai.request.model', concat('model', toString(cityHash64(number) % 12)),
            'gen_ai.usage.input_tokens', toString(500 + number % 1000), 'gen_ai.usage.output_tokens', '80',
            'gen_ai.response.finish_reasons', '["stop"]', 'gen_ai.response.time_to_first_chunk', '0.4',
            'mlobs.cost.usd', '0.004', 'user.id', concat('user', toString(cityHash64(number) % 5000)))),
    toUInt64(cityHash64(number) % 3000000000), if(cityHash64(number, 1) % 50 = 0, 'Error', 'Unset')
FROM numbers({first}, {min(BATCH, spans - first)})"""
            )
            print(f"{first + BATCH:,} spans", end="\r", flush=True)
    print()


def main() -> None:
    """Fill a store, ask every rule, print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=7.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), memory_bytes_max=1 << 30, query_seconds_max=600.0)
        fill(store, given.spans, given.days)
        total = busy = 0.0
        for rule in catalogue(AlertSettings()):
            asked = question(rule, now_s=NOW_S)
            if asked is None:
                continue
            took = []
            for _ in range(ROUNDS):
                begin = time.perf_counter()
                rows = store.query(asked.sql, asked.params)
                took.append(time.perf_counter() - begin)
            total += min(took)
            busy += min(took) / max(AlertSettings().interval_s, rule.every_s)
            print(f"{rule.name:32} {min(took) * 1000:8.1f} ms  {len(rows):5} alerts")
        print(f"{'all rules of the server':32} {total * 1000:8.1f} ms")
        print(f"{'share of the time, as often as asked':32} {busy:8.1%}")
        begin = time.perf_counter()
        list(figures(store.named, NOW_S, calls_min=20, budget_usd=100))
        print(f"{'figures, once a minute':32} {(time.perf_counter() - begin) * 1000:8.1f} ms")
        store.close()


if __name__ == "__main__":
    main()

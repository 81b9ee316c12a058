"""Senders that know what was acknowledged, and what the server counts of it."""

import contextlib
import random
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from tests.server.otlp import PROTOBUF, span

SENDERS = 3
SERIES = re.compile(r"^(gen_ai_\w+_(?:count|sum|bucket|total)(?:\{.*\})?) (\S+)$", re.MULTILINE)


@dataclass
class Sent:
    """What senders know: which spans were acknowledged, and which may or may not be there."""

    url: str = ""
    acknowledged: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    odd: list[int] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def send(self) -> None:
        """Send small bodies until told to end. A body whose answer never came is not sent again."""
        chance = random.Random()
        while not self.ended.is_set():
            request = ExportTraceServiceRequest()
            tool = {a.OPERATION_NAME.name: "execute_tool", a.TOOL_NAME.name: f"tool-{chance.randrange(3)}"}
            spans = [span(request, "tool", **tool) for _ in range(chance.randrange(1, 20))]
            ids = {one.span_id.hex() for one in spans}
            try:
                status = requests.post(
                    f"{self.url}/v1/traces", request.SerializeToString(), headers=PROTOBUF, timeout=30
                ).status_code
            except requests.RequestException:
                self.unknown |= ids
                self.ended.wait(0.05)
                continue
            if status == 200:
                self.acknowledged |= ids
            elif status == 503:
                self.unknown |= ids
            else:
                self.odd.append(status)


@contextlib.contextmanager
def sending(sent: Sent) -> Iterator[None]:
    threads = [threading.Thread(target=sent.send) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        sent.ended.set()
        for thread in threads:
            thread.join()


def counters(url: str) -> dict[str, float]:
    """Return the derived counters and histograms on /metrics, by series."""
    return {
        name: float(value) for name, value in SERIES.findall(requests.get(f"{url}/metrics", timeout=30).text)
    }


def tool_calls(series: dict[str, float]) -> int:
    return int(sum(v for name, v in series.items() if name.startswith(f"{m.TOOL_DURATION.prometheus}_count")))

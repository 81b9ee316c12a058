"""OTLP bodies of 512 spans, about 1.6 KB each, that differ only in their ids; and a sender of them."""

import http.client
import os
import re
import threading
import time
from typing import Any
from urllib.parse import urlsplit

SPANS_PER_TRACE, TRACES_PER_BODY = 8, 64
SPANS_PER_BODY = SPANS_PER_TRACE * TRACES_PER_BODY


def send(url: str, bodies: int, connections: int, headers: dict[str, str]) -> None:
    """Send, in a process of its own; print when it began, when it ended and the size of a body."""
    make = Bodies()
    waiting = [make.next() for _ in range(bodies)]
    size = len(waiting[0])
    threads = [threading.Thread(target=post, args=(url, waiting, headers)) for _ in range(connections)]
    began = time.time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(began, time.time(), size)


def post(url: str, waiting: list[bytes], headers: dict[str, str]) -> None:
    """Send bodies until none wait."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    while True:
        try:
            body = waiting.pop()
        except IndexError:
            return
        while True:
            given = {"Content-Type": "application/x-protobuf", **headers}
            connection.request("POST", "/v1/traces", body, given)
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                break
            assert answer.status in {429, 503}, answer.status
            time.sleep(float(answer.headers.get("Retry-After", 1)))


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

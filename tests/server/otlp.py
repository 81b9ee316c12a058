"""OTLP requests for tests, made with the generated classes."""

import os
import time
from collections.abc import Callable
from typing import Any

import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PROTOBUF = {"Content-Type": "application/x-protobuf"}
AGO_S = 9 * 86_400


def span(
    request: ExportTraceServiceRequest,
    name: str = "span",
    *,
    trace: bytes | None = None,
    parent: bytes = b"",
    failed: bool = False,
    took_ns: int = 1_000_000,
    **attributes: str | float | bool,
) -> Any:
    """Add a span; attribute names have `__` for dots."""
    if not request.resource_spans:
        resource = request.resource_spans.add()
        pair = resource.resource.attributes.add(key="service.name")
        pair.value.string_value = "tests"
        resource.scope_spans.add()
    made = request.resource_spans[0].scope_spans[0].spans.add()
    made.trace_id, made.span_id, made.parent_span_id = trace or os.urandom(16), os.urandom(8), parent
    made.name, made.kind = name, 1
    made.start_time_unix_nano = time.time_ns()
    made.end_time_unix_nano = made.start_time_unix_nano + took_ns
    if failed:
        made.status.code = 2
        made.status.message = "it broke"
    for key, value in attributes.items():
        pair = made.attributes.add(key=key.replace("__", "."))
        if isinstance(value, bool):
            pair.value.bool_value = value
        elif isinstance(value, int):
            pair.value.int_value = value
        elif isinstance(value, float):
            pair.value.double_value = value
        else:
            pair.value.string_value = value
    return made


def long_ago(*requests: ExportTraceServiceRequest) -> str:
    """Move spans back to where no other test has any, and return the words of a page's range around them."""
    for request in requests:
        for one in request.resource_spans[0].scope_spans[0].spans:
            one.start_time_unix_nano -= AGO_S * 10**9
            one.end_time_unix_nano -= AGO_S * 10**9
    begin, end = (time.gmtime(time.time() - AGO_S + by_s) for by_s in (-600, 600))
    return "&".join(
        f"{name}={time.strftime('%Y-%m-%dT%H:%M:%SZ', at)}" for name, at in (("from", begin), ("to", end))
    )


def post(url: str, body: bytes, signal: str = "traces", **headers: str) -> requests.Response:
    """Send one request."""
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    return requests.post(f"{url}/v1/{signal}", data=body, headers={**PROTOBUF, **given}, timeout=120)


def wait_until(holds: Callable[[], bool]) -> bool:
    """Ask for up to two minutes."""
    until = time.monotonic() + 120
    while not (held := holds()) and time.monotonic() < until:
        time.sleep(0.05)
    return held

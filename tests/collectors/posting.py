"""Requests of OTLP as somebody posts them by hand, and waiting for what comes of them."""

import json
import time
import urllib.error
import urllib.request

from mlobs.semconv import attributes as a
from tests.collectors import tiers


def request(names, size=200):
    """Return the body of a request with a span of each name."""
    now = str(time.time_ns())
    spans = [
        {
            "traceId": f"{number + 1:032x}",
            "spanId": f"{number + 1:016x}",
            "name": name,
            "kind": 1,
            "startTimeUnixNano": now,
            "endTimeUnixNano": now,
            "attributes": [{"key": "text", "value": {"stringValue": "x" * size}}],
        }
        for number, name in enumerate(names)
    ]
    about = [{"key": a.SERVICE_NAME.name, "value": {"stringValue": "shop"}}]
    return {"resourceSpans": [{"resource": {"attributes": about}, "scopeSpans": [{"spans": spans}]}]}


def post(address, path, body):
    """Return whether a request was acknowledged."""
    asked = urllib.request.Request(
        address + path,
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {tiers.TOKEN}"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def arrive(receiver, names, within_s=150.0):
    end = time.monotonic() + within_s
    while not (seen := {span.name for span in receiver.spans()}) >= names:
        assert time.monotonic() < end, f"{len(names - seen)} of {len(names)} never came"
        time.sleep(0.2)
    return seen

"""Delivers finished calls to an OTLP endpoint, from a thread of its own. Edge.

The caller's thread appends to a bounded queue and nothing else. The thread wakes on a timer,
encodes what has gathered and posts it; while the endpoint does not answer it tries again with
growing pauses, the queue fills up, and what does not fit is dropped and counted by reason.
"""

import gzip
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import requests
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from mlobs import _guard
from mlobs.instrument import encode
from mlobs.instrument.calls import Call, now_ns
from mlobs.instrument.outbox import Outbox
from mlobs.settings import SdkSettings

log = logging.getLogger("mlobs")

BATCH_SPANS_MAX = 2048
PAUSE_SPANS = 32  # encoded between two offers to let another thread run
RESPONSE_BYTES_MAX = 4 << 20
RETRY_STATUSES = {429, 502, 503, 504}
RETRY_PAUSE_S_MAX = 30.0
RETRY_S_MAX = 300.0
CLOCK_STEP_NS = 1_000_000  # a smaller difference between the clocks is drift, a larger one a step
WARN_EVERY_S = 60.0


def halves(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Return an ExportTraceServiceRequest as two with half the spans each, and how many these are."""
    whole = ExportTraceServiceRequest.FromString(body)
    spans = [
        (resource, scope, span)
        for resource in whole.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    middle = len(spans) // 2
    for part in (spans[:middle], spans[middle:]):
        half = ExportTraceServiceRequest()
        before: tuple[object, object] = (None, None)
        for resource, scope, span in part:
            if (resource, scope) != before:
                into = half.resource_spans.add(resource=resource.resource, schema_url=resource.schema_url)
                within = into.scope_spans.add(scope=scope.scope, schema_url=scope.schema_url)
                before = (resource, scope)
            within.spans.append(span)
        yield half.SerializeToString(), len(part)


class Exporter:
    """Queues finished calls and posts them.

    Args:
        settings: Where to, how often, how much may wait.
        url: The full address of the traces endpoint.
        headers: Sent with each request.
        resource: Returns the attributes of the process; a forked child has others.
        version: Of mlobs, as the scope's version.
    """

    def __init__(
        self,
        settings: SdkSettings,
        *,
        url: str,
        headers: Mapping[str, str],
        resource: Callable[[], Mapping[str, object]],
        version: str,
    ) -> None:
        self._resource = resource
        self.exported = 0
        self.outbox = Outbox(settings.queue_spans_max)
        self.reachable: bool | None = None  # None until the first try
        self._settings = settings
        self._url = url
        self._version = version
        self._headers = {"Content-Type": "application/x-protobuf", **headers}
        if settings.compression == "gzip":
            self._headers["Content-Encoding"] = "gzip"
        self._epoch_ns = time.time_ns() - now_ns()
        self._warned_s = -WARN_EVERY_S
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        """Start afresh, at first and in a forked child: the parent delivers what it had queued."""
        self.outbox.clear()
        self._flushes: list[threading.Event] = []
        self._session = requests.Session()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._deadline_s = float("inf")
        self.exported = 0
        self._thread = threading.Thread(target=self._run, name="mlobs-export", daemon=True)
        self._thread.start()

    def flush(self, timeout_s: float) -> bool:
        """Post everything queued so far; return whether all of it was taken within `timeout_s`."""
        lost = sum(self.outbox.dropped.values())
        reached = threading.Event()
        self._flushes.append(reached)  # the thread sets it when it has posted what is queued now
        self._wake.set()
        return reached.wait(timeout_s) and sum(self.outbox.dropped.values()) == lost

    def shutdown(self, timeout_s: float) -> bool:
        """Post what is queued and stop; what cannot be posted within `timeout_s` is dropped."""
        lost = sum(self.outbox.dropped.values())
        self._deadline_s = time.monotonic() + timeout_s
        self.outbox.close()
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout_s + 0.5)
        left = len(self.outbox)
        if left:
            self.outbox.drop("shutdown", left)
        return not self._thread.is_alive() and sum(self.outbox.dropped.values()) == lost

    def _run(self) -> None:
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, value=True))  # our own posts are not to be traced
        last = False
        while not last:
            self._wake.wait(self._settings.export_interval_s)
            self._wake.clear()
            last = self._stopping.is_set()
            self._drain()

    def _drain(self) -> None:
        """Post everything that is queued now."""
        self._follow_clock()
        reached, self._flushes = self._flushes, []
        left = len(self.outbox)
        while left > 0:
            calls = self.outbox.take(min(left, BATCH_SPANS_MAX))
            left -= len(calls) or left
            self._deliver(calls)
        for event in reached:
            event.set()

    def _deliver(self, spans: list[Any]) -> None:
        try:
            self._post(*self._encoded(spans))
        except Exception:  # noqa: BLE001 # the thread must live, and those who wait for it must be told
            _guard.failed("exporting spans")
            self.outbox.drop("mistake", len(spans))

    def _encoded(self, spans: list[Any]) -> tuple[bytes, int]:
        """Return the request that carries `spans`, and how many it carries."""
        day = datetime.now(UTC).date()
        ours: list[bytes] = []
        theirs: list[Any] = []
        for number, span in enumerate(spans):
            if number % PAUSE_SPANS == 0:
                time.sleep(0)  # lets a waiting thread run, which would otherwise wait for 5 ms
            if span.__class__ is not Call:
                theirs.append(span)
                continue
            try:
                ours.append(encode.span(span, self._epoch_ns, day))
            except Exception:  # noqa: BLE001 # one span that cannot be written must not cost the batch
                _guard.failed("encoding a span")
                self.outbox.drop("encoding", 1)
        body = encode.request(ours, self._resource(), "mlobs", self._version) if ours else b""
        if theirs:
            # Imported here: only a program whose SDK makes spans has loaded the SDK.
            from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

            # Two requests in a row are one with the spans of both: messages concatenate.
            body += encode_spans(theirs).SerializeToString()
        return body, len(ours) + len(theirs)

    def _post(self, body: bytes, spans: int) -> None:
        """Post one request, with as many tries as it takes and is allowed."""
        if not spans:
            return
        if time.monotonic() > self._deadline_s:
            self.outbox.drop("shutdown", spans)
            return
        began_s, pause_s = time.monotonic(), 0.5
        while True:
            status, told_s, answer = self._try(body)
            if status == 200:
                self._accepted(spans, answer)
                return
            if status == 413 and spans > 1:
                for half in halves(body):
                    self._post(*half)
                return
            if status is not None and status not in RETRY_STATUSES:
                self.outbox.drop("rejected", spans)
                self._warn("%s answered %d: %s", self._url, status, answer[:200].decode("utf-8", "replace"))
                return
            self._warn("%s does not take spans (%s); they wait.", self._url, status or "no connection")
            left_s = min(self._deadline_s, began_s + RETRY_S_MAX) - time.monotonic()
            nobody_there = status is None and self._stopping.is_set()
            if left_s <= 0 or nobody_there:
                self.outbox.drop("unreachable", spans)
                return
            wait_s = max(told_s or 0.0, pause_s * random.uniform(0.8, 1.2))  # noqa: S311 # jitter
            self._pause(min(wait_s, left_s))
            pause_s = min(pause_s * 2, RETRY_PAUSE_S_MAX)

    def _pause(self, seconds: float) -> None:
        if self._stopping.is_set():
            time.sleep(seconds)
        else:
            self._stopping.wait(seconds)  # a shutdown has less time than this, and wants to know

    def _try(self, body: bytes) -> tuple[int | None, float | None, bytes]:
        """Post once; return the status, the pause asked for in seconds, and the answer's beginning."""
        timeout_s = max(0.1, min(self._settings.timeout_s, self._deadline_s - time.monotonic()))
        try:
            with self._session.post(
                self._url,
                data=gzip.compress(body, compresslevel=1) if self._settings.compression == "gzip" else body,
                headers=self._headers,
                timeout=(min(3.0, timeout_s), timeout_s),
                stream=True,
                allow_redirects=False,
            ) as response:
                self.reachable = True
                after = response.headers.get("Retry-After", "")
                told_s = float(after) if after.isdecimal() else None
                try:
                    answer = next(response.iter_content(RESPONSE_BYTES_MAX), b"")
                except requests.RequestException:
                    answer = b""  # the status came whole, and it is what counts
                return response.status_code, told_s, answer
        except (requests.RequestException, OSError):
            self.reachable = False
            return None, None, b""

    def _accepted(self, count: int, answer: bytes) -> None:
        rejected = 0
        try:
            rejected = ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans
        except Exception:  # noqa: BLE001 # a 200 with an answer that is not OTLP is still a 200
            _guard.failed("reading the endpoint's answer")
        self.exported += count - rejected
        if rejected:
            self.outbox.drop("rejected", rejected)

    def _warn(self, sentence: str, *values: object) -> None:
        if time.monotonic() - self._warned_s > WARN_EVERY_S:
            self._warned_s = time.monotonic()
            log.warning(sentence, *values)

    def _follow_clock(self) -> None:
        epoch_ns = time.time_ns() - now_ns()
        if abs(epoch_ns - self._epoch_ns) > CLOCK_STEP_NS:
            self._epoch_ns = epoch_ns

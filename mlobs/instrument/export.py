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
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import requests
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from mlobs import _guard
from mlobs.instrument import encode
from mlobs.instrument.calls import Call, now_ns
from mlobs.settings import SdkSettings

log = logging.getLogger("mlobs")

BATCH_SPANS_MAX = 2048
RESPONSE_BYTES_MAX = 4 << 20
RETRY_STATUSES = {429, 502, 503, 504}
RETRY_PAUSE_S_MAX = 30.0
RETRY_S_MAX = 300.0
CLOCK_STEP_NS = 1_000_000  # a smaller difference between the clocks is drift, a larger one a step
WARN_EVERY_S = 60.0


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
        self.dropped: dict[str, int] = {}
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
        self._queue: deque[Call | threading.Event] = deque()
        self._session = requests.Session()
        self._drop_lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._deadline_s = float("inf")
        self.exported = 0
        self.dropped = {}
        self._thread = threading.Thread(target=self._run, name="mlobs-export", daemon=True)
        self._thread.start()

    def offer(self, call: Call) -> None:
        """Queue a finished call, or count it as dropped."""
        if self._stopping.is_set():
            self._drop("shutdown", 1)
        elif len(self._queue) >= self._settings.queue_spans_max:
            self._drop("queue_full", 1)
        else:
            self._queue.append(call)

    def flush(self, timeout_s: float) -> bool:
        """Post everything queued so far; return whether all of it was taken within `timeout_s`."""
        lost = sum(self.dropped.values())
        reached = threading.Event()
        self._queue.append(reached)  # the thread sets it when it gets there
        self._wake.set()
        return reached.wait(timeout_s) and sum(self.dropped.values()) == lost

    def shutdown(self, timeout_s: float) -> bool:
        """Post what is queued and stop; what cannot be posted within `timeout_s` is dropped."""
        lost = sum(self.dropped.values())
        self._deadline_s = time.monotonic() + timeout_s
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout_s + 0.5)
        left = sum(isinstance(item, Call) for item in list(self._queue))
        if left:
            self._drop("shutdown", left)
        return not self._thread.is_alive() and sum(self.dropped.values()) == lost

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
        calls: list[Call] = []
        for _ in range(len(self._queue)):
            item = self._queue.popleft()
            if isinstance(item, Call):
                calls.append(item)
            if len(calls) == BATCH_SPANS_MAX or not isinstance(item, Call):
                self._deliver(calls)
                calls = []
            if not isinstance(item, Call):
                item.set()
        self._deliver(calls)

    def _deliver(self, calls: list[Call]) -> None:
        try:
            self._post(self._encoded(calls))
        except Exception:  # noqa: BLE001 # the thread must live, and those who wait for it must be told
            _guard.failed("exporting spans")
            self._drop("mistake", len(calls))

    def _encoded(self, calls: list[Call]) -> list[bytes]:
        day = datetime.now(UTC).date()
        spans = []
        for call in calls:
            try:
                spans.append(encode.span(call, self._epoch_ns, day))
            except Exception:  # noqa: BLE001 # one span that cannot be written must not cost the batch
                _guard.failed("encoding a span")
                self._drop("encoding", 1)
        return spans

    def _post(self, spans: list[bytes]) -> None:
        """Post one batch, with as many tries as it takes and is allowed."""
        if not spans:
            return
        if time.monotonic() > self._deadline_s:
            self._drop("shutdown", len(spans))
            return
        body = encode.request(spans, self._resource(), "mlobs", self._version)
        if self._settings.compression == "gzip":
            body = gzip.compress(body, compresslevel=1)
        began_s, pause_s = time.monotonic(), 0.5
        while True:
            status, told_s, answer = self._try(body)
            if status == 200:
                self._accepted(len(spans), answer)
                return
            if status == 413 and len(spans) > 1:
                self._post(spans[: len(spans) // 2])
                self._post(spans[len(spans) // 2 :])
                return
            if status is not None and status not in RETRY_STATUSES:
                self._drop("rejected", len(spans))
                self._warn("%s answered %d: %s", self._url, status, answer[:200].decode("utf-8", "replace"))
                return
            self._warn("%s does not take spans (%s); they wait.", self._url, status or "no connection")
            left_s = min(self._deadline_s, began_s + RETRY_S_MAX) - time.monotonic()
            nobody_there = status is None and self._stopping.is_set()
            if left_s <= 0 or nobody_there:
                self._drop("unreachable", len(spans))
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
                data=body,
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
            self._drop("rejected", rejected)

    def _drop(self, reason: str, count: int) -> None:
        with self._drop_lock:
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def _warn(self, sentence: str, *values: object) -> None:
        if time.monotonic() - self._warned_s > WARN_EVERY_S:
            self._warned_s = time.monotonic()
            log.warning(sentence, *values)

    def _follow_clock(self) -> None:
        epoch_ns = time.time_ns() - now_ns()
        if abs(epoch_ns - self._epoch_ns) > CLOCK_STEP_NS:
            self._epoch_ns = epoch_ns

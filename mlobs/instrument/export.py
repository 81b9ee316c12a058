"""Delivers finished spans to an OTLP endpoint, from a thread of its own. Edge.

The caller's thread appends to a bounded outbox and nothing else. The thread wakes on a timer,
encodes what has gathered and posts it.

While the endpoint does not take spans, they wait: in a spool on the disk where one is set, else in
the outbox, which fills up; what does not fit is dropped and counted by reason. Without a spool the
thread tries the same request again with growing pauses; with one it never waits, but puts away
what it cannot deliver and brings it later, oldest first.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value

from mlobs import _guard
from mlobs.instrument import encode
from mlobs.instrument.calls import Call, now_ns
from mlobs.instrument.halving import halves
from mlobs.instrument.losses import fault, sentence
from mlobs.instrument.outbox import REASONS, Outbox
from mlobs.instrument.tallies import Tally
from mlobs.instrument.transport.answers import Answer, Backoff, Transport
from mlobs.instrument.transport.spool import REASONS as SPOOL_REASONS
from mlobs.instrument.transport.spool import Item, Spool
from mlobs.settings import SdkSettings

log = logging.getLogger("mlobs")

BATCH_SPANS_MAX = 2048
PAUSE_SPANS = 32  # encoded between two offers to let another thread run
RETRY_S_MAX = 300.0
CLOCK_STEP_NS = 1_000_000  # a smaller difference between the clocks is drift, a larger one a step
WARN_EVERY_S = 60.0


class Exporter:
    """Posts what gathers in an outbox.

    Args:
        settings: How often, how much may wait, and where on the disk.
        transport: Where it is posted to.
        resource: Returns the attributes of the process; a forked child has others.
        version: Of mlobs, as the scope's version.
        observe: Told of the calls of each batch, on the export thread.
    """

    def __init__(
        self,
        settings: SdkSettings,
        transport: Transport,
        *,
        resource: Callable[[], Mapping[str, object]],
        version: str,
        observe: Callable[[list[Call]], None] | None = None,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._resource = resource
        self._version = version
        self._observe = observe
        self._spool = Spool(settings.spool, settings.spool_bytes_max) if settings.spool else None
        if self._spool is not None and self._spool.problem:
            log.warning(
                "MLOBS_SPOOL=%s cannot be used: %s. Spans that the endpoint does not take are lost; "
                "name a folder that this process may write to.",
                self._spool.folder,
                self._spool.problem,
            )
        self.outbox = Outbox(settings.queue_spans_max)
        self.exported = 0
        self._settled = 0  # of the spans that were taken from the outbox, wherever they went
        self.last: Answer | None = None  # of the endpoint's answers; None until the first
        self._epoch_ns = time.time_ns() - now_ns()
        self._warned_s = -WARN_EVERY_S
        self._reset()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        """Start afresh in a forked child: the parent delivers what it had queued."""
        self.outbox.clear()
        self.exported = self._settled = 0
        self._transport.renew()
        if self._spool is not None:
            self._spool = Spool(self._settings.spool or self._spool.folder, self._settings.spool_bytes_max)
        self._reset()

    def _reset(self) -> None:
        self._posting = False
        self._flushes: list[threading.Event] = []
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._deadline_s = float("inf")
        self._backoff = Backoff()
        self._next_try_s = 0.0
        self._thread = threading.Thread(target=self._run, name="mlobs-export", daemon=True)
        self._thread.start()

    @property
    def reachable(self) -> bool | None:
        """Return whether the endpoint answered last; None until the first try."""
        return None if self.last is None else self.last.outcome != "unreachable"

    @property
    def dropped(self) -> dict[str, int]:
        """Return how many spans were lost, by reason."""
        found = dict(self.outbox.dropped)
        for reason, count in (self._spool.dropped if self._spool is not None else {}).items():
            found[reason] = found.get(reason, 0) + count
        return found

    def tally(self) -> Tally:
        """Return where the spans of this process are; what moves meanwhile is counted at both places.

        Every reason for a loss is there from the start: of a series that begins with a loss, nobody can see
        that it grew.
        """
        settled, spool = self._settled, self._spool
        possible = REASONS if spool is None else (*REASONS, *SPOOL_REASONS)
        unspooled = spool.left if spool is not None else 0
        made, taken, waiting = self.outbox.tally()
        return Tally(
            made=made,
            exported=self.exported,
            dropped={**dict.fromkeys(possible, 0), **self.dropped},
            waiting=waiting + taken - settled,
            spooled=spool.kept if spool is not None else 0,
            unspooled=unspooled,
        )

    def flush(self, timeout_s: float) -> bool:
        """Post everything queued so far; return whether all of it was taken within `timeout_s`."""
        if not self._thread.is_alive():  # after `shutdown` there is nobody to wait for
            return not len(self.outbox) and not self._spooled()
        lost = sum(self.dropped.values())
        reached = threading.Event()
        self._flushes.append(reached)  # the thread sets it when it has posted what is queued now
        self._wake.set()
        in_time = reached.wait(timeout_s)
        return in_time and sum(self.dropped.values()) == lost and not self._spooled()

    def shutdown(self, timeout_s: float) -> bool:
        """Post what is queued and stop; what cannot be posted within `timeout_s` is spooled or dropped."""
        lost = sum(self.dropped.values())
        self._deadline_s = time.monotonic() + timeout_s
        self.outbox.close()
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout_s + 0.5)
        left = len(self.outbox.take(len(self.outbox)))
        if left:
            self.outbox.drop("shutdown", left)
            self._settled += left
        done = not self._thread.is_alive() and sum(self.dropped.values()) == lost
        return done and not self._spooled()

    def losses(self) -> str:
        """Return what to tell about lost spans after `shutdown`, empty where none are lost."""
        lost, waiting = self.dropped, self.tally().waiting  # with a thread that has not come back in time
        reason = "unanswered" if self._posting else "shutdown"
        lost[reason] = lost.get(reason, 0) + waiting
        return sentence(lost, self.last, self._transport.address)

    def _spooled(self) -> bool:
        """Return whether something waits on the disk."""
        return self._spool is not None and self._spool.waiting

    def _run(self) -> None:
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, value=True))  # our own posts are not to be traced
        last = False
        while not last:
            self._wake.wait(self._settings.export_interval_s)
            self._wake.clear()
            last = self._stopping.is_set()
            self._drain()
            if self._spool is not None:
                self._unspool()

    def _drain(self) -> None:
        """Post everything that is queued now."""
        self._follow_clock()
        reached, self._flushes = self._flushes, []
        left = len(self.outbox)
        while left > 0:
            spans = self.outbox.take(min(left, BATCH_SPANS_MAX))
            count = len(spans)
            left -= count or left
            try:
                body, carried = self._encoded(spans)
                spans.clear()  # their content need not wait for the endpoint
                self._deliver(body, carried)
            except Exception:  # noqa: BLE001 # the thread must live, and those who wait for it must be told
                _guard.failed("exporting spans")
                self.outbox.drop("mistake", count)
            self._settled += count
        if reached and self._spool is not None:
            self._unspool()
        for event in reached:
            event.set()

    def _encoded(self, spans: list[Any]) -> tuple[bytes, int]:
        """Return the request that carries `spans`, and how many it carries."""
        day = datetime.now(UTC).date()
        calls = [span for span in spans if span.__class__ is Call]
        ours: list[bytes] = []
        count = 0
        for number, call in enumerate(calls):
            if number % PAUSE_SPANS == 0:
                time.sleep(0)  # lets a waiting thread run, which would otherwise wait for 5 ms
            try:
                ours.append(encode.span(call, self._epoch_ns, day))
            except Exception:  # noqa: BLE001 # one span that cannot be written must not cost the batch
                _guard.failed("encoding a span")
                self.outbox.drop("encoding", 1)
        body = encode.request(ours, self._resource(), "mlobs", self._version) if ours else b""
        if len(calls) < len(spans):
            # Imported here: only a program whose SDK makes spans has loaded the SDK.
            from mlobs.instrument.scrubbing import written

            theirs = [span for span in spans if span.__class__ is not Call]
            more, count = written(theirs)
            body += more  # two requests in a row are one with the spans of both: messages concatenate
            if count < len(theirs):
                self.outbox.drop("encoding", len(theirs) - count)
        if self._observe is not None:
            self._observe(calls)
        return body, len(ours) + count

    def _deliver(self, body: bytes, spans: int) -> None:
        """Post one request, or put it away, or drop it: it does not come back."""
        if not spans:
            return
        if time.monotonic() > self._deadline_s:
            self._put_away(body, spans, "shutdown")
        elif self._spool is not None and (self._spool.waiting or time.monotonic() < self._next_try_s):
            self._put_away(body, spans, "unreachable")  # behind what has waited longer
        else:
            self._insist(body, spans)

    def _insist(self, body: bytes, spans: int) -> None:
        """Post with as many tries as it takes and is allowed; with a spool, once."""
        began_s = time.monotonic()
        while True:
            answer = self._post(body)
            if answer.outcome not in {"retry", "unreachable"}:
                self._settle(answer, body, spans, self._deliver)
                return
            pause_s = self._backoff.pause_s(answer.retry_after_s)
            self._next_try_s = time.monotonic() + pause_s
            left_s = min(self._deadline_s, began_s + RETRY_S_MAX) - time.monotonic()
            nobody_there = answer.outcome == "unreachable" and self._stopping.is_set()
            if self._spool is not None or left_s <= 0 or nobody_there:
                self._put_away(body, spans, "unreachable")
                return
            self._pause(min(pause_s, left_s))

    def _unspool(self) -> None:
        """Bring what waits on the disk, oldest first, as long as it is taken."""
        spool = self._spool
        while spool is not None and spool.waiting and time.monotonic() >= self._next_try_s:
            if time.monotonic() > self._deadline_s:
                return
            item = spool.oldest()
            if item is None:
                return
            try:
                self._bring(spool, item)
            except Exception:  # noqa: BLE001 # the thread must live
                _guard.failed("delivering spooled spans")
                spool.back(item)
                return

    def _bring(self, spool: Spool, item: Item) -> None:
        answer = self._post(item.body)
        if answer.outcome in {"retry", "unreachable"}:
            self._next_try_s = time.monotonic() + self._backoff.pause_s(answer.retry_after_s)
            spool.back(item)
            return
        self._settle(answer, item.body, item.spans, self._insist)
        spool.done(item)

    def _settle(self, answer: Answer, body: bytes, spans: int, again: Callable[[bytes, int], None]) -> None:
        """Count what was taken and what was not; `again` takes the halves of what was too large."""
        if answer.outcome == "accepted":
            self._backoff.reset()
            self.exported += spans - answer.refused
            if answer.refused:
                self.outbox.drop("rejected", answer.refused)
        elif answer.outcome == "split" and spans > 1:
            for half in halves(body):
                again(*half)
        else:
            self.outbox.drop("rejected", spans)

    def _post(self, body: bytes) -> Answer:
        timeout_s = max(0.1, min(self._settings.timeout_s, self._deadline_s - time.monotonic()))
        self._posting = True
        self.last = answer = self._transport.post(body, timeout_s)
        self._posting = False
        if answer.outcome != "split" and (told := fault(answer, self._transport.address, wait=True)):
            self._warn(told)
        return answer

    def _put_away(self, body: bytes, spans: int, reason: str) -> None:
        """Keep a request on the disk, if there is a place for it; else count it as dropped."""
        if self._spool is None or not self._spool.put(body, spans):
            self.outbox.drop(reason, spans)

    def _pause(self, seconds: float) -> None:
        if self._stopping.is_set():
            time.sleep(seconds)
        else:
            self._stopping.wait(seconds)  # a shutdown has less time than this, and wants to know

    def _warn(self, told: str) -> None:
        if time.monotonic() - self._warned_s > WARN_EVERY_S:
            self._warned_s = time.monotonic()
            log.warning("%s", told)

    def _follow_clock(self) -> None:
        epoch_ns = time.time_ns() - now_ns()
        if abs(epoch_ns - self._epoch_ns) > CLOCK_STEP_NS:
            self._epoch_ns = epoch_ns

"""Takes messages from the outbox to their sinks.

Edge: this starts threads, one for each sink, so that one that hangs never delays the others. What
arrived is a receipt; what may pass is tried again, later each time, or when the sink says;
whatever would fail again is a dead letter at once, and so is a message after `attempts_max`
attempts. Dead letters stay until they are put back (`mlobs alerts redrive`).

At least once: a sink that took a message and was not heard gets it again under the same id.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from mlobs.alerts.breaker import Breaker
from mlobs.alerts.letters import Delivery
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.sinks.answer import ANSWER_CHARACTERS_MAX, Answer, Sink
from mlobs.semconv import attributes as a
from mlobs.semconv.metrics import ALERT_DELIVERIES, ALERT_SINK_OPEN, ALERT_WAITING
from mlobs.semconv.rows import Metric

log = logging.getLogger("mlobs.alerts")

PAUSE_SECONDS_FIRST = 2.0
PAUSE_SECONDS_MAX = 900.0
LOOK_SECONDS = 0.5
STOP_SECONDS_MAX = 3.0
OUTCOMES = ("delivered", "failed", "dead", "dropped", "demoted", "muted")

Sample = tuple[Metric, dict[str, str], float]


class Courier:
    """Delivers what is due, to each sink on a thread of its own or when told to.

    Args:
        outbox: Where messages wait.
        sinks: Where they go, by name.
        attempts_max: After so many a message is a dead letter.
        clock: Seconds since 1970.
        jitter: A number between 0 and 1; spreads the attempts of many servers.
    """

    def __init__(
        self,
        outbox: Outbox,
        sinks: Mapping[str, Sink],
        *,
        attempts_max: int,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.sinks = dict(sinks)
        self._outbox = outbox
        self._attempts_max = attempts_max
        self._clock = clock
        self._jitter = jitter
        self._breakers = {name: Breaker() for name in self.sinks}
        self._busy = {name: threading.Lock() for name in self.sinks}
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Deliver from now on, until `stop`."""
        self._threads = [
            threading.Thread(target=self._run, args=(name,), name=f"mlobs-sink-{name}", daemon=True)
            for name in self.sinks
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> bool:
        """Stop after what is being done; return whether all did.

        A delivery that hangs is left, and repeated after the next start.
        """
        self._stopping.set()
        until_s = time.monotonic() + STOP_SECONDS_MAX
        for thread in self._threads:
            thread.join(max(until_s - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in self._threads)

    def deliver(self) -> int:
        """Attempt every message that is due, sink after sink; return how many were delivered."""
        return sum(self._deliver(name) for name in self.sinks)

    def probe(self, name: str | None = None) -> None:
        """Try a sink, or all, at once: somebody says that it is well again."""
        for one, breaker in self._breakers.items():
            if name in {None, one}:
                breaker.until_s = 0.0

    def now(self) -> list[dict[str, Any]]:
        """Return what is known of each sink."""
        now_s = self._clock()
        held = self._outbox.held()
        names = dict.fromkeys((*self.sinks, *(name for name, _ in held)))
        return [self._shown(name, held, now_s) for name in names]

    def samples(self) -> list[Sample]:
        """Return the values of the metrics that are about deliveries, with their labels."""
        counts, held, now_s = self._outbox.counts_by_sink(), self._outbox.held(), self._clock()
        samples: list[Sample] = []
        for name in dict.fromkeys((*self.sinks, *(sink for sink, _ in counts))):
            sink = {a.SINK.label: name}
            samples += [
                (ALERT_DELIVERIES, {**sink, a.OUTCOME.label: outcome}, float(counts.get((name, outcome), 0)))
                for outcome in OUTCOMES
            ]
            samples.append((ALERT_WAITING, sink, float(held.get((name, "waiting"), 0))))
        for name, breaker in self._breakers.items():
            samples.append((ALERT_SINK_OPEN, {a.SINK.label: name}, float(breaker.state(now_s) != "closed")))
        return samples

    def _deliver(self, name: str) -> int:
        """Attempt what is due for one sink."""
        delivered = 0
        with self._busy[name]:
            now_s = self._clock()
            room = self._breakers[name].room(now_s)
            if room == 0:
                return 0
            for delivery in self._outbox.due(now_s, sink=name, deliveries_max=room or 100):
                if self._stopping.is_set() or self._breakers[name].room(self._clock()) == 0:
                    break
                delivered += self._attempt(name, delivery)
        return delivered

    def _attempt(self, name: str, delivery: Delivery) -> bool:
        sink, breaker = self.sinks[name], self._breakers[name]
        answer = self._sent(sink, delivery)
        now_s, jitter, attempts = self._clock(), self._jitter(), delivery.attempts + 1
        if answer.outcome == "failed":
            breaker.failed(now_s, retry_after_s=answer.retry_after_s, jitter=jitter)
        else:
            breaker.arrived(now_s, sink.gap_s)
        outcome, text = answer.outcome, answer.text
        if outcome == "failed" and attempts >= self._attempts_max:
            outcome, text = "dead", f"{text}; given up after {attempts} attempts"
        asked_s = answer.retry_after_s
        self._outbox.settle(
            delivery.id,
            outcome=outcome,
            answer=text[:ANSWER_CHARACTERS_MAX],
            now_s=now_s,
            again_s=now_s + (pause(attempts, jitter) if asked_s is None else asked_s)
            if outcome == "failed"
            else None,
        )
        return outcome == "delivered"

    def _sent(self, sink: Sink, delivery: Delivery) -> Answer:
        try:
            return sink.send(delivery.id, delivery.body, now_s=self._clock())
        except Exception as error:  # a message that cannot be laid out must not hold up the next
            log.exception("The message %s cannot be made for the sink %s.", delivery.id, sink.address)
            return Answer("dead", f"it cannot be made: {type(error).__name__}; see the log")

    def _run(self, name: str) -> None:
        failing = False
        while not self._stopping.is_set():
            try:
                delivered = self._deliver(name)
                failing = False
            except Exception:  # a full disk must not end alerting; it may pass
                delivered = 0
                if not failing:
                    log.exception("Alerts cannot be delivered to %s; this is tried again.", name)
                failing = True
            if not delivered:  # else there may be more
                self._stopping.wait(LOOK_SECONDS)

    def _shown(self, name: str, held: Mapping[tuple[str, str], int], now_s: float) -> dict[str, Any]:
        sink, breaker = self.sinks.get(name), self._breakers.get(name, Breaker())
        state = breaker.state(now_s) if sink is not None else "gone"  # it is in the outbox only
        return {
            "sink": name,
            "type": None if sink is None else sink.kind,
            "address": None if sink is None else sink.address,
            "state": state,
            "failures": breaker.failures,
            "again_in_s": max(round(breaker.until_s - now_s), 0),
            "waiting": held.get((name, "waiting"), 0),
            "dead": held.get((name, "dead"), 0),
        }


def pause(attempts: int, jitter: float) -> float:
    """Return the seconds to wait after so many attempts: doubled each time, the upper half at random.

    >>> pause(1, 1.0), pause(1, 0.0), pause(4, 1.0), pause(50, 1.0)
    (2.0, 1.0, 16.0, 900.0)
    """
    longest = min(PAUSE_SECONDS_FIRST * 2.0 ** min(attempts - 1, 30), PAUSE_SECONDS_MAX)
    return longest * (0.5 + 0.5 * jitter)

"""Takes messages from the outbox to their sinks.

Edge: this starts threads, one for each sink, so that one that hangs never delays the others. What
arrived is a receipt; what may pass is tried again, later each time, and not before the sink says; what
the sink refuses for good, or what cannot be laid out for it, is a dead letter at once, and so is a
message after `attempts_max` attempts. Trouble of this machine, such as a full disk, is never
the message's own. Dead letters stay until they are put back (`mlobs alerts redrive`).

Pauses of a sink are measured on a clock that is never set; only what outlives the process, when
a message is tried again, is a moment of the calendar's.

At least once: a sink that took a message and was not heard gets it again under the same id.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from mlobs.alerts.breaker import Breaker
from mlobs.alerts.letters import Letter
from mlobs.alerts.message import iso
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
        steady: Seconds of a clock that is never set.
        jitter: A number between 0 and 1; spreads the attempts of many servers.
    """

    def __init__(
        self,
        outbox: Outbox,
        sinks: Mapping[str, Sink],
        *,
        attempts_max: int,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.sinks: dict[str, Sink] = {}
        self._outbox = outbox
        self._attempts_max = attempts_max
        self._clock = clock
        self._jitter = jitter
        self._steady = steady
        self._breakers: dict[str, Breaker] = {}
        self._busy: dict[str, threading.Lock] = {}
        self._mourned: set[str] = set()
        self._stopping = threading.Event()
        self._started = False
        self._threads: dict[str, threading.Thread] = {}
        self.use(sinks)

    def use(self, sinks: Mapping[str, Sink]) -> None:
        """Deliver to these sinks from now on; what is known of the health of one that stays is kept.

        Not for several threads at once.
        """
        for name in sinks:
            self._breakers.setdefault(name, Breaker())
            self._busy.setdefault(name, threading.Lock())
        self.sinks = dict(sinks)
        if self._started:
            self.staff()

    def start(self) -> None:
        """Deliver from now on, until `stop`."""
        self._started = True
        self.staff()

    def stop(self) -> bool:
        """Stop after what is being done; return whether all did.

        A delivery that hangs is left, and repeated after the next start.
        """
        self._stopping.set()
        until_s = time.monotonic() + STOP_SECONDS_MAX
        threads = list(self._threads.values())
        for thread in threads:
            thread.join(max(until_s - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in threads)

    def deliver(self, name: str) -> int:
        """Attempt what is due for one sink; return how many messages were delivered."""
        delivered = 0
        with self._busy[name]:
            sink = self.sinks.get(name)
            room = self._breakers[name].room(self._steady())
            if sink is None or room == 0:
                return 0
            for letter in self._outbox.due(self._clock(), sink=name, deliveries_max=room or 100):
                if self._stopping.is_set() or self._breakers[name].room(self._steady()) == 0:
                    break
                delivered += self._attempt(name, sink, letter)
        return delivered

    def probe(self, name: str | None = None) -> None:
        """Try a sink, or all, at once: somebody says that it is well again."""
        for one, breaker in self._breakers.items():
            if name in {None, one}:
                breaker.until_s = 0.0

    def now(self) -> list[dict[str, Any]]:
        """Return what is known of each sink.

        `failures` is how many attempts failed since one arrived, and `next` when the next one is then due,
        ISO 8601; null where none has failed or nothing waits.
        """
        held = self._outbox.held()
        names = dict.fromkeys((*self.sinks, *(name for name, _ in held)))
        return [self._shown(name, held, self._steady()) for name in names]

    def samples(self) -> list[Sample]:
        """Return the values of the metrics that are about deliveries, with their labels."""
        counts, held, steady_s = self._outbox.counts_by_sink(), self._outbox.held(), self._steady()
        samples: list[Sample] = []
        for name in dict.fromkeys((*self.sinks, *(sink for sink, _ in counts))):
            sink = {a.SINK.label: name}
            samples += [
                (ALERT_DELIVERIES, {**sink, a.OUTCOME.label: outcome}, float(counts.get((name, outcome), 0)))
                for outcome in OUTCOMES
            ]
            samples.append((ALERT_WAITING, sink, float(held.get((name, "waiting"), 0))))
        for name in self.sinks:
            open_ = self._breakers[name].state(steady_s) != "closed"
            samples.append((ALERT_SINK_OPEN, {a.SINK.label: name}, float(open_)))
        return samples

    def staff(self) -> None:
        """Start a thread for each sink that has none, such as one that went and came back."""
        for name in self.sinks:
            if name not in self._threads or not self._threads[name].is_alive():
                self._threads[name] = threading.Thread(
                    target=self._run, args=(name,), name=f"mlobs-sink-{name}", daemon=True
                )
                self._threads[name].start()

    def _attempt(self, name: str, sink: Sink, letter: Letter) -> bool:
        breaker = self._breakers[name]
        answer = self._sent(sink, letter)
        now_s, steady_s = self._clock(), self._steady()
        jitter, attempts = self._jitter(), letter.attempts + 1
        if answer.outcome == "failed":
            breaker.failed(steady_s, retry_after_s=answer.retry_after_s, jitter=jitter)
        else:
            breaker.arrived(steady_s, sink.gap_s)
        outcome, text = answer.outcome, answer.text
        if outcome == "failed" and attempts >= self._attempts_max:
            outcome, text = "dead", f"{text}; given up after {attempts} attempts"
        again_s = now_s + max(pause(attempts, jitter), answer.retry_after_s or 0.0)
        self._outbox.settle(
            letter.id,
            outcome=outcome,
            answer=text[:ANSWER_CHARACTERS_MAX],
            now_s=now_s,
            again_s=again_s if outcome == "failed" else None,
        )
        self._say(name, sink, outcome, text)
        return outcome == "delivered"

    def _say(self, name: str, sink: Sink, outcome: str, text: str) -> None:
        """Say in the log that a sink's messages die, once until one arrives again."""
        if outcome == "delivered":
            self._mourned.discard(name)
        elif outcome == "dead" and name not in self._mourned:
            self._mourned.add(name)
            log.error(
                "A message for the sink %s (%s) is a dead letter: %s. Once the sink works again, put back "
                "what died with: mlobs alerts redrive --sink %s",
                name,
                sink.address,
                text[:ANSWER_CHARACTERS_MAX],
                name,
            )

    def _sent(self, sink: Sink, letter: Letter) -> Answer:
        try:
            return sink.send(letter.id, letter.body, now_s=self._clock())
        except (LookupError, TypeError, ValueError) as error:  # it must not hold up the next
            log.exception("The message %s cannot be laid out for %s.", letter.id, sink.address)
            return Answer("dead", f"it cannot be laid out: {type(error).__name__}; see the log")
        except Exception as error:  # a full disk, no more threads: it may pass
            log.exception(
                "The message %s cannot be sent to %s; this is tried again.", letter.id, sink.address
            )
            return Answer("failed", f"it cannot be sent from here: {type(error).__name__}; see the log")

    def _run(self, name: str) -> None:
        failing = False
        while not self._stopping.is_set() and name in self.sinks:
            try:
                delivered = self.deliver(name)
                failing = False
            except Exception:  # a full disk must not end alerting; it may pass
                delivered = 0
                if not failing:
                    log.exception("Alerts cannot be delivered to %s; this is tried again.", name)
                failing = True
            if not delivered:  # else there may be more
                self._stopping.wait(LOOK_SECONDS)

    def _shown(self, name: str, held: Mapping[tuple[str, str], int], steady_s: float) -> dict[str, Any]:
        sink, breaker = self.sinks.get(name), self._breakers.get(name, Breaker())
        state = breaker.state(steady_s) if sink is not None else "gone"  # it is in the outbox only
        return {
            "sink": name,
            "type": None if sink is None else sink.kind,
            "address": None if sink is None else sink.address,
            "state": state,
            "failures": breaker.failures,
            "again_in_s": max(round(breaker.until_s - steady_s), 0),
            "next": None if sink is None else self._next(name, breaker, steady_s),
            "waiting": held.get((name, "waiting"), 0),
            "dead": held.get((name, "dead"), 0),
        }

    def _next(self, name: str, breaker: Breaker, steady_s: float) -> str | None:
        """Return when what waits for a sink that fails is attempted again."""
        if not breaker.failures:
            return None
        query = "SELECT min(next_s) FROM deliveries WHERE state = 'waiting' AND sink = ?"
        ((due_s,),) = self._outbox.read(query, (name,))
        left_s = max(breaker.until_s - steady_s, 0.0)
        return None if due_s is None else iso(max(due_s, self._clock() + left_s))


def pause(attempts: int, jitter: float) -> float:
    """Return the seconds to wait after so many attempts: doubled each time, the upper half at random.

    >>> pause(1, 1.0), pause(1, 0.0), pause(4, 1.0), pause(50, 1.0)
    (2.0, 1.0, 16.0, 900.0)
    """
    longest = min(PAUSE_SECONDS_FIRST * 2.0 ** min(attempts - 1, 30), PAUSE_SECONDS_MAX)
    return longest * (0.5 + 0.5 * jitter)

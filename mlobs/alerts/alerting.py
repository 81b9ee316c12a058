"""Alerting as a whole: rules, store, outbox and webhook, on a clock.

Edge: this starts threads, one that evaluates and one that delivers, so that a slow sink never
delays the next evaluation. Neither ever dies of an error: it is counted, said once, and the
next round goes on.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlobs.alerts.catalogue import catalogue
from mlobs.alerts.delivery import Courier, Webhook
from mlobs.alerts.evaluator import Ask, Evaluator, Transition
from mlobs.alerts.message import encode, finite, iso, message
from mlobs.alerts.outbox import Delivery, Outbox
from mlobs.alerts.rules import Rule
from mlobs.alerts.states import Alert, Change
from mlobs.alerts.words import for_people
from mlobs.errors import SettingError
from mlobs.semconv import attributes as a
from mlobs.semconv.metrics import ALERT_DELIVERIES, ALERT_FIRING, ALERT_RULE_FAILURES
from mlobs.semconv.rows import Metric
from mlobs.settings import AlertSettings, variable

log = logging.getLogger("mlobs.alerts")

FILE = "alerts.sqlite"
LOOK_SECONDS = 0.5
STOP_SECONDS_MAX = 3.0

Sample = tuple[Metric, dict[str, str], float]


class Alerting:
    """Evaluates the packaged rules and tells a webhook of every change, once.

    Args:
        settings: Thresholds, the webhook, the interval.
        ask: Answers a query of the store; called from a thread of ours.
        data_folder: Where the file with alerts and deliveries is.
        server_url: What links in messages begin with.
        clock: Seconds since 1970.

    Raises:
        SettingError: There is a webhook and no secret to sign with.
        StoreError: The file cannot be used.
    """

    def __init__(
        self,
        settings: AlertSettings,
        ask: Ask,
        data_folder: Path,
        server_url: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._server_url = server_url.rstrip("/")
        self._clock = clock
        webhook = _webhook(settings)
        self._outbox = Outbox(data_folder / FILE)
        self._evaluator = Evaluator(
            catalogue(settings),
            ask,
            self._outbox,
            interval_s=settings.interval_s,
            tell=self._message if webhook else None,
        )
        self._courier = (
            Courier(self._outbox, webhook, attempts_max=settings.attempts_max, clock=clock)
            if webhook
            else None
        )
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._evaluating = threading.Lock()
        self._delivering = threading.Lock()
        self._failing: set[str] = set()

    def start(self) -> None:
        """Evaluate and deliver from now on, until `stop`."""
        self._threads = [
            threading.Thread(target=self._repeat, args=round_, name=f"mlobs-alerts-{round_[1]}", daemon=True)
            for round_ in (
                (self.evaluate, "evaluate", self._settings.interval_s),
                (self.deliver, "deliver", LOOK_SECONDS),
            )
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop after what is being done; a delivery that hangs is left, and repeated after the next start."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS_MAX)
        if not any(thread.is_alive() for thread in self._threads):
            self._outbox.close()

    def tick(self) -> list[Transition]:
        """Evaluate once and deliver what is due; return the alerts that changed."""
        changed = self.evaluate()
        self.deliver()
        return changed

    def evaluate(self) -> list[Transition]:
        """Evaluate every rule once."""
        with self._evaluating:
            return self._evaluator.evaluate(self._clock())

    def deliver(self) -> int:
        """Attempt every delivery that is due; return how many arrived."""
        if self._courier is None:
            return 0
        with self._delivering:
            return self._courier.deliver(self._stopping.is_set)

    def snapshot(self) -> dict[str, Any]:
        """Return what /api/alerts answers."""
        alerts = [
            self._shown(alert) for alert in sorted(self._evaluator.alerts, key=lambda one: one.active_s)
        ]
        return {
            "firing": [alert for alert in alerts if alert["state"] == "firing"],
            "pending": [alert for alert in alerts if alert["state"] == "pending"],
            "rules": [self._shown_rule(rule) for rule in self._evaluator.rules.values()],
            "webhook": self._courier.webhook.name if self._courier else None,
            "deliveries": [_shown_delivery(one) for one in self._outbox.recent()],
        }

    def samples(self) -> list[Sample]:
        """Return the values of the metrics that are about alerting, with their labels."""
        firing = [alert.rule for alert in self._evaluator.alerts if alert.state == "firing"]
        counts = self._outbox.counts()
        return [
            *(
                (ALERT_FIRING, {a.RULE.label: name}, float(firing.count(name)))
                for name in self._evaluator.rules
            ),
            *(
                (ALERT_RULE_FAILURES, {a.RULE.label: name}, float(health.failures))
                for name, health in self._evaluator.health.items()
            ),
            *(
                (ALERT_DELIVERIES, {a.OUTCOME.label: outcome}, float(counts.get(outcome, 0)))
                for outcome in ("delivered", "failed", "dead", "dropped")
            ),
        ]

    def _repeat(self, work: Callable[[], object], name: str, pause_s: float) -> None:
        while not self._stopping.is_set():
            try:
                work()
                self._failing.discard(name)
            except Exception:  # a full disk must not end alerting; it may pass
                if name not in self._failing:
                    log.exception("Alerting cannot %s; it tries again every %.4g s.", name, pause_s)
                self._failing.add(name)
            self._stopping.wait(pause_s)

    def _message(self, alert: Alert, rule: Rule, change: Change, now_s: float) -> bytes:
        base = self._settings.runbook_base or f"{self._server_url}/runbooks"
        return encode(
            message(alert, rule, change, now_s=now_s, server_url=self._server_url, runbook_base=base)
        )

    def _shown(self, alert: Alert) -> dict[str, Any]:
        rule = self._evaluator.rules[alert.rule]
        found = alert.finding
        return {
            "rule": alert.rule,
            "severity": rule.severity,
            "state": alert.state,
            "summary": for_people(rule, rule.summary, found.labels, found.value),
            "labels": dict(found.labels),
            "value": finite(found.value),
            "volume": found.volume,
            "since": iso(alert.active_s if found.since_s is None else found.since_s),
            "started": None if alert.firing_s is None else iso(alert.firing_s),
            "fingerprint": alert.fingerprint,
            "trace_ids": list(found.trace_ids),
        }

    def _shown_rule(self, rule: Rule) -> dict[str, Any]:
        health = self._evaluator.health[rule.name]
        return {
            "rule": rule.name,
            "severity": rule.severity,
            "state": "error" if health.error else ("ok" if health.evaluated_s is not None else "unknown"),
            "error": health.error,
            "failures": health.failures,
            "evaluated": None if health.evaluated_s is None else iso(health.evaluated_s),
            "cut": health.cut,
        }


def _webhook(settings: AlertSettings) -> Webhook | None:
    if settings.webhook_url is None:
        return None
    secret = settings.webhook_secret.get_secret_value()
    if not secret:
        name = variable(AlertSettings, "webhook_secret")
        raise SettingError(
            f"{variable(AlertSettings, 'webhook_url')} is set and {name} is not; deliveries are always "
            f"signed. Make a secret and give it to whoever listens: export {name}=$(openssl rand -hex 32)"
        )
    return Webhook(settings.webhook_url, secret.encode())


def _shown_delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "rule": delivery.rule,
        "status": delivery.status,
        "state": delivery.state,
        "made": iso(delivery.made_s),
        "attempts": delivery.attempts,
        "ended": None if delivery.ended_s is None else iso(delivery.ended_s),
        "next": iso(delivery.next_s) if delivery.state == "waiting" else None,
        "answer": delivery.answer,
    }

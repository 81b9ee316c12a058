"""Alerting as a whole: rules, store, outbox and webhook, on a clock.

Edge: this starts a thread that evaluates; `telling` has one for each sink, so that a slow one never
delays the next evaluation. None ever dies of an error: it is counted, said once, and the next round
goes on.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from mlobs.alerts import ends, forgetting, history
from mlobs.alerts.close_up import CloseUp
from mlobs.alerts.contributions import contributions, own, top
from mlobs.alerts.delivery import Sample
from mlobs.alerts.desk import Desk, shown
from mlobs.alerts.evaluator import Evaluator, Health, Transition
from mlobs.alerts.message import finite, held, iso, message, peak
from mlobs.alerts.receive import ledger
from mlobs.alerts.receive.by_hand import ByHand
from mlobs.alerts.replay.asking import Wanted, answered
from mlobs.alerts.rules import Rule
from mlobs.alerts.rulewatch import RuleWatch
from mlobs.alerts.runbooks import link, page_of
from mlobs.alerts.silencing import Silencing
from mlobs.alerts.sinks.building import WEBHOOK
from mlobs.alerts.sql import Ask
from mlobs.alerts.states import Alert
from mlobs.alerts.telling import Telling
from mlobs.alerts.words import fires_when, for_people, number
from mlobs.semconv import attributes as a
from mlobs.semconv.metrics import ALERT_FIRING, ALERT_RULE_FAILURES, ALERT_RULES_REFUSED
from mlobs.settings import AlertSettings

log = logging.getLogger("mlobs.alerts")

FILE = "alerts.sqlite"
STOP_SECONDS_MAX = 3.0
LOOK_S = 30.0  # How often the file of rules is looked at between evaluations that are further apart.
EPISODES_SHOWN = 100
OWN = "mlobs"
FEATURE_PAGE = "/drift/feature"
OF_FEATURE = {
    "service": a.SERVICE_NAME,
    "model": a.MODEL_NAME,
    "version": a.MODEL_VERSION,
    "feature": a.FEATURE,
}
TOPS_MAX = 20  # Alerts of one evaluation that are looked into further.


class Alerting:
    """Evaluates the rules and tells sinks of every change, once.

    Args:
        settings: Thresholds, the webhook, the interval.
        ask: Answers a query of the store; called from a thread of ours.
        data_folder: Where the file with alerts and deliveries is.
        server_url: Where people reach the server; links in messages begin with it.
        clock: Seconds since 1970.

    Raises:
        RuleError: The file of rules cannot be used.
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
        self._ask = ask
        self._asked_tops = 0
        self._server_url = server_url.rstrip("/")
        self._runbook_base = settings.runbook_base or f"{self._server_url}/runbooks"
        self.clock = clock
        self.watch = RuleWatch(settings)
        self.telling = Telling(settings, data_folder / FILE, clock, self._fires)
        self._outbox, self._courier = self.telling.outbox, self.telling.courier
        self.desk = Desk(self._outbox, self._courier, clock)
        self.silencing = Silencing(self._outbox, clock)
        self.by_hand = ByHand(self._outbox, clock)
        self._evaluated = False
        self._close_up = CloseUp(self._outbox, ask, settings.rules)
        self._evaluator = Evaluator(
            self.watch.rules,
            ask,
            self._outbox,
            interval_s=settings.interval_s,
            tell=self._message if self.telling.tells else None,
            dispatch=self.telling.dispatcher.dispatch,
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="mlobs-alerts-evaluate", daemon=True)
        self._evaluating = threading.Lock()
        self._failing = False

    def start(self) -> None:
        """Evaluate and deliver from now on, until `stop`."""
        self._thread.start()
        self.telling.start()

    def stop(self) -> None:
        """Stop after what is being done; a delivery that hangs is left, and repeated after the next start."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS_MAX)
        self.telling.stop(close=not self._thread.is_alive())

    def read_again(self) -> None:
        """Read the files of rules and routes again soon; safe in a signal handler."""
        self.watch.ask()
        self.telling.watch.ask()

    def evaluate(self) -> list[Transition]:
        """Evaluate every rule once."""
        self._look()
        with self._evaluating:
            self._asked_tops = 0
            changed = self._evaluator.evaluate(self.clock())
            self._evaluated = True
            return changed

    def traces(self) -> list[str]:
        """Return the traces that anything remembered of alerts names."""
        return forgetting.traces(self._outbox)

    def forget(self, what: str, value: str, trace_ids: Collection[str]) -> int:
        """Take a user, a session or a trace that was deleted out of all that is remembered of alerts.

        Args:
            what: user, session or trace.
            value: Its id.
            trace_ids: The traces that went with it.

        Raises:
            StoreError: The file cannot be written; the same call goes on.
        """
        gone = forgetting.Deleted(what, value, frozenset(trace_ids))
        with self._evaluating:
            self._evaluator.end(gone.names, ends.deleted(what), self.clock())
            changed = forgetting.forget(self._outbox, gone)
            self._evaluator.know_again()
        return changed

    def backtest(
        self, wanted: Wanted, rules: Sequence[Rule], is_abandoned: Callable[[], bool] = lambda: False
    ) -> dict[str, Any]:
        """Return what rules would have done to what is stored.

        Raises:
            AbandonedError: Nobody waits for it any more.
        """
        return answered(
            rules,
            self._ask,
            wanted,
            now_s=self.clock(),
            interval_s=self._settings.interval_s,
            server_url=self._server_url,
            runbook=self._runbook,
            is_abandoned=is_abandoned,
        )

    def snapshot(self) -> dict[str, Any]:
        """Return what /api/alerts answers.

        An alert whose rule no longer holds, and that `keep_firing_s` holds, has `held`: {"since", "until"},
        since when the rule does not, and until when the alert fires on. Then `summary` begins with the time
        until which it was true, and `value` is the last of which the rule held. `held` is null while the
        rule holds, and of alerts from elsewhere.
        """
        rules, health = self._evaluator.rules, self._evaluator.health
        webhook = self._courier.sinks.get(WEBHOOK)
        alerts = self._alerts()
        return {
            "firing": [alert for alert in alerts if alert["state"] == "firing"],
            "pending": [alert for alert in alerts if alert["state"] == "pending"],
            "rules": [self._shown_rule(rule, health[name]) for name, rule in rules.items() if name in health],
            "rules_error": self.watch.error,
            "routes_error": self.telling.watch.error,
            "webhook": None if self._settings.routes or webhook is None else webhook.address,
            "sinks": self._courier.now(),
            "deliveries": [shown(one) for one in self._outbox.recent()],
        }

    def past(self) -> dict[str, Any]:
        """Return what has fired, the newest first, and the silences."""
        return {
            "episodes": self._paged(history.recent(self._outbox, EPISODES_SHOWN)),
            "hushed": self.silencing.waiting(),
            **self.silencing.listed(),
        }

    def close_up(
        self, source: str, fingerprint: str, from_s: float, to_s: float, *, with_values: bool = True
    ) -> dict[str, Any] | None:
        """Return all that is known of one alert, with its values from one time to another; or None."""
        now = [one for one in self._alerts() if (one["source"], one["fingerprint"]) == (source, fingerprint)]
        return self._close_up.of(
            source,
            fingerprint,
            now=next(iter(now), None),
            rule_of=self._evaluator.rules.get,
            between_s=(from_s, to_s) if with_values else None,
        )

    def samples(self) -> list[Sample]:
        """Return the values of the metrics that are about alerting, with their labels."""
        firing = [alert.rule for alert in self._evaluator.alerts if alert.state == "firing"]
        return [
            *(
                (ALERT_FIRING, {a.RULE.label: name}, float(firing.count(name)))
                for name in self._evaluator.rules
            ),
            *(
                (ALERT_RULE_FAILURES, {a.RULE.label: name}, float(health.failures))
                for name, health in self._evaluator.health.items()
            ),
            (ALERT_RULES_REFUSED, {}, float(self.watch.refused)),
            *self.telling.samples(),
        ]

    def _alerts(self) -> list[dict[str, Any]]:
        """Return every alert that is not over, the server's own first, with who silenced or took it."""
        rules = self._evaluator.rules
        own = [
            self._shown(alert, rules[alert.rule])
            for alert in sorted(self._evaluator.alerts, key=lambda one: one.active_s)
            if alert.rule in rules  # Not if its rule has just gone.
        ]
        return self.silencing.marked(self._paged([*own, *ledger.firing(self._outbox)]))

    def _paged(self, alerts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return alerts with `page`, the name of the runbook that is here for each, or None."""
        return [{**one, "page": self._page(one["rule"])} for one in alerts]

    def _page(self, name: str) -> str | None:
        rule = self._evaluator.rules.get(name)
        page = name if rule is None else rule.page
        return None if page_of(page, self._settings.rules) is None else page

    def _look(self) -> None:
        """Take the file of rules if it changed."""
        with self._evaluating:
            if self.watch.look():
                self._evaluator.use(self.watch.rules)

    def _repeat(self) -> None:
        pause_s, due_s = self._settings.interval_s, 0.0
        while not self._stopping.is_set():
            is_due = time.monotonic() >= due_s
            try:
                if is_due:
                    self.evaluate()
                    self._failing = False
                else:  # A bad file is to be counted, and so alerted, however seldom rules are evaluated.
                    self._look()
            except Exception:  # a full disk must not end alerting; it may pass
                if not self._failing:
                    log.exception("Alerts cannot be evaluated; this is tried again every %.4g s.", pause_s)
                self._failing = True
            due_s = time.monotonic() + pause_s if is_due else due_s
            self._stopping.wait(max(0.0, min(LOOK_S, due_s - time.monotonic())))

    def _message(self, one: Transition, rule: Rule, *, is_news: bool = True) -> dict[str, Any]:
        began = is_news and one.change == "firing"
        return message(
            one.alert,
            rule,
            one.change,
            now_s=one.at_s,
            server_url=self._server_url,
            runbook_url=self._runbook(rule),
            links=self._links(one.alert),
            top=self._top(one.alert, rule, one.at_s) if began else self._top_of_old(one.alert),
            end=None if one.ended is None else one.ended.row,
        )

    def _fires(self) -> list[dict[str, Any]] | None:
        """Return messages about alerts that fire and are not about to end; None until that is known."""
        rules, now_s = self._evaluator.rules, self.clock()
        if not self._evaluated:
            return None
        return [
            self._message(Transition(one, "firing", now_s), rules[one.rule], is_news=False)
            for one in self._evaluator.alerts
            if one.state == "firing" and one.clearing_s is None and one.rule in rules
        ]

    def _runbook(self, rule: Rule) -> str | None:
        is_here = self._settings.runbook_base is None
        return link(rule, self._runbook_base, self._settings.rules, is_here=is_here)

    def _links(self, alert: Alert) -> dict[str, str]:
        labels, found = alert.finding.labels, {}
        key = {name: labels.get(one.label, "") for name, one in OF_FEATURE.items()}
        if all(key.values()):
            found["drift"] = f"{self._server_url}{FEATURE_PAGE}?{urlencode(key)}"
        if self._settings.dashboard_url is not None:
            service = labels.get(a.SERVICE_NAME.label)
            query = f"?var-service={quote(service, safe='')}" if service else ""
            found["dashboard"] = f"{self._settings.dashboard_url}{query}"
        return found

    def _top(self, alert: Alert, rule: Rule, now_s: float) -> dict[str, Any] | None:
        """Ask what contributes most to an alert that begins, for a few of those that begin at once."""
        asked = contributions(rule, alert.finding.labels, now_s=now_s, since_s=alert.finding.since_s)
        known = own(rule, alert.finding.labels)
        if asked is None or self._asked_tops >= TOPS_MAX:
            return known
        self._asked_tops += 1
        try:
            return top(self._ask(asked.sql, asked.params)) or known
        except Exception:  # the message matters more
            log.exception("What contributes most to %s cannot be asked; it is told without.", rule.name)
            return known

    def _top_of_old(self, alert: Alert) -> dict[str, Any] | None:
        """Return what was told to contribute most to an alert when it began."""
        known = history.recent(self._outbox, 1, source=OWN, fingerprint=alert.fingerprint)
        return known[0]["top"] if known and known[0]["resolved"] is None else None

    def _shown(self, alert: Alert, rule: Rule) -> dict[str, Any]:
        found, past = alert.finding, held(alert, rule)
        summary = for_people(rule, rule.summary, found.labels, found.told)
        return {
            "source": OWN,
            "rule": alert.rule,
            "severity": rule.severity,
            "component": rule.component,
            "state": alert.state,
            "summary": summary if past is None else f"Until {past['since'][11:19]} UTC: {summary}",
            "labels": {**found.labels, **rule.labels},
            "value": finite(found.told),
            "value_text": number(found.told, rule.indicator.unit),
            "peak": peak(alert, rule),
            "held": past,
            "volume": found.volume,
            "since": iso(alert.active_s if found.since_s is None else found.since_s),
            "started": None if alert.firing_s is None else iso(alert.firing_s),
            "fingerprint": alert.fingerprint,
            "trace_ids": list(found.trace_ids),
        }

    def _shown_rule(self, rule: Rule, health: Health) -> dict[str, Any]:
        return {
            "rule": rule.name,
            "severity": rule.severity,
            "unit": rule.indicator.unit,
            "fires_when": fires_when(rule),
            "page": self._page(rule.name),
            "state": "error" if health.error else ("ok" if health.evaluated_s is not None else "unknown"),
            "error": health.error,
            "failures": health.failures,
            "evaluated": None if health.evaluated_s is None else iso(health.evaluated_s),
            "cut": health.cut,
        }

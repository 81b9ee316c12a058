"""Asks the store about every rule and tells which alerts begin to fire and which are over.

Edge: this logs. The clock and the store are arguments. A rule whose query fails keeps its
alerts as they were: nothing is known, so nothing changes. The failure is counted, shown in
`Health.error` until the rule answers again, and logged when it begins.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlobs.alerts.outbox import Outbox
from mlobs.alerts.rules import Rule
from mlobs.alerts.sql import ALERTS_MAX, question
from mlobs.alerts.states import Alert, Change, Finding, advance, finding, fingerprint

log = logging.getLogger("mlobs.alerts")

Ask = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]
Tell = Callable[[Alert, Rule, Change, float], dict[str, Any]]
Dispatch = Callable[[sqlite3.Connection, Iterable[dict[str, Any]], float], int]


@dataclass(slots=True)
class Health:
    """How a rule's last evaluation went."""

    failures: int = 0
    error: str | None = None
    evaluated_s: float | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert that began to fire or is over."""

    alert: Alert
    change: Change
    at_s: float


class Evaluator:
    """Every rule and what is known of its alerts. Not for several threads at once.

    Args:
        rules: Those with nothing to ask the store are left out.
        ask: Answers a query.
        outbox: Where alerts are kept over restarts.
        interval_s: How often `evaluate` will be called.
        dispatch: Routes messages in the transaction of what they are about; returns how many
            found no room.
        tell: Makes the message about a change, or None to tell nobody.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        ask: Ask,
        outbox: Outbox,
        *,
        interval_s: float,
        dispatch: Dispatch,
        tell: Tell | None = None,
    ) -> None:
        self.rules: dict[str, Rule] = {}
        self.health: dict[str, Health] = {}
        self._former: dict[str, Rule] = {}
        self.use(rules)
        self._ask = ask
        self._outbox = outbox
        self._interval_s = interval_s
        self._dispatch = dispatch
        self._tell = tell
        self._alerts = {alert.fingerprint: alert for alert in outbox.alerts()}

    @property
    def alerts(self) -> list[Alert]:
        """Return every alert that is pending or fires."""
        return list(self._alerts.values())

    def use(self, rules: Sequence[Rule]) -> None:
        """Evaluate these rules from now on; alerts of rules that go are over at the next evaluation."""
        self._former |= self.rules
        self.rules = {rule.name: rule for rule in rules if question(rule, now_s=0.0) is not None}
        self.health = {name: self.health.get(name, Health()) for name in self.rules}

    def evaluate(self, now_s: float) -> list[Transition]:
        """Evaluate every rule that is due, write down what changed, and return it.

        Raises:
            StoreError: What changed cannot be written; the next evaluation finds it again.
        """
        transitions: list[Transition] = []
        for rule in self.rules.values():
            found = self._answer(rule, now_s) if self._is_due(rule, now_s) else None
            if found is not None:
                transitions += self._settle(rule, found, now_s)
        return transitions + self._forget_strangers(now_s)

    def _is_due(self, rule: Rule, now_s: float) -> bool:
        health = self.health[rule.name]
        if health.evaluated_s is None or health.error is not None:
            return True
        # Rounds are never quite as far apart as they should be. A clock that was set back asks at once.
        return not 0 <= now_s - health.evaluated_s < rule.every_s - self._interval_s / 2

    def _answer(self, rule: Rule, now_s: float) -> dict[str, Finding] | None:
        """Return what the rule finds, by fingerprint, or None if it could not be asked."""
        health = self.health[rule.name]
        asked = question(rule, now_s=now_s)
        assert asked is not None
        try:
            found = [finding(row, rule) for row in self._ask(asked.sql, asked.params)]
        except Exception as error:  # whatever the engine raises, the other rules go on
            health.failures += 1
            if health.error is None:
                log.exception("The rule %s cannot be evaluated; its alerts stay as they are.", rule.name)
            health.error = f"{error or type(error).__name__}"
            return None
        health.error, health.evaluated_s, health.cut = None, now_s, len(found) >= ALERTS_MAX
        return {fingerprint(rule.name, one.labels): one for one in found}

    def _settle(self, rule: Rule, found: Mapping[str, Finding], now_s: float) -> list[Transition]:
        """Write down a rule's new alerts and messages in one transaction, then take them as known."""
        known = {mark: alert for mark, alert in self._alerts.items() if alert.rule == rule.name}
        after: dict[str, Alert | None] = {}
        transitions: list[Transition] = []
        interval_s = max(self._interval_s, rule.every_s)
        for mark in dict.fromkeys((*known, *found)):
            before = known.get(mark)
            alert, change = advance(before, found.get(mark), rule, now_s=now_s, interval_s=interval_s)
            after[mark] = alert
            told = alert or before
            if change is not None and told is not None:
                transitions.append(Transition(told, change, now_s))
        self._write(rule, after, transitions)
        for mark, alert in after.items():
            if alert is None:
                self._alerts.pop(mark, None)
            else:
                self._alerts[mark] = alert
        return transitions

    def _write(
        self, rule: Rule, after: Mapping[str, Alert | None], transitions: Sequence[Transition]
    ) -> None:
        changed = [
            alert for mark, alert in after.items() if alert is not None and alert != self._alerts.get(mark)
        ]
        over = [mark for mark, alert in after.items() if alert is None and mark in self._alerts]
        if not changed and not over:
            return
        messages, dropped = [], 0
        if self._tell is not None:  # Before the transaction: it may ask the store.
            messages = [self._tell(one.alert, rule, one.change, one.at_s) for one in transitions]
        with self._outbox.transaction() as db:
            self._outbox.write(db, changed=changed, over=over)
            if messages:
                dropped = self._dispatch(db, messages, transitions[0].at_s)
        if dropped:
            log.error("%d messages about %s were dropped: too many wait for sinks.", dropped, rule.name)

    def _forget_strangers(self, now_s: float) -> list[Transition]:
        """End alerts of rules that are no more: nobody could say when they are over.

        Sinks are told where the rule is still known, which it is if it went while this ran.
        """
        strangers = [mark for mark, alert in self._alerts.items() if alert.rule not in self.rules]
        transitions = []
        for mark in strangers:
            alert = self._alerts[mark]
            over = [Transition(alert, "resolved", now_s)] if alert.state == "firing" else []
            rule = self._former.get(alert.rule)
            if rule is None:
                self._outbox.record(changed=[], over=[mark], messages=[])
            else:
                self._write(rule, {mark: None}, over)
            del self._alerts[mark]
            transitions += over
        if strangers:
            log.warning("%d alerts of rules that no longer exist were ended.", len(strangers))
        self._former.clear()
        return transitions

"""Asks the store about every rule and tells which alerts begin to fire and which are over.

Edge: this logs. The clock and the store are arguments. A rule whose query fails keeps its
alerts as they were: nothing is known, so nothing changes. The failure is counted, shown in
`Health.error` until the rule answers again, and logged when it begins. Of an answer that was cut
only what is in it is known: alerts that are not stay as they were.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlobs.alerts import departed, ends, history
from mlobs.alerts.ends import Ended
from mlobs.alerts.message import finite, iso, peak
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.rules import Rule
from mlobs.alerts.sql import ALERTS_MAX, Ask, question
from mlobs.alerts.states import Alert, Change, Finding, advance, finding, fingerprint
from mlobs.alerts.words import for_people, number

log = logging.getLogger("mlobs.alerts")

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
    """An alert that began to fire or is over; then also why."""

    alert: Alert
    change: Change
    at_s: float
    ended: Ended | None = None


Tell = Callable[[Transition, Rule], dict[str, Any]]


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
        self.use(rules)
        self._ask = ask
        self._outbox = outbox
        self._interval_s = interval_s
        self._dispatch = dispatch
        self._tell = tell
        self._alerts = {alert.fingerprint: alert for alert in outbox.alerts()}
        with outbox.transaction() as db:
            self._kept = departed.read(db)

    @property
    def alerts(self) -> list[Alert]:
        """Return every alert that is pending or fires."""
        return list(self._alerts.values())

    def use(self, rules: Sequence[Rule]) -> None:
        """Evaluate these rules from now on; alerts of rules that go are over at the next evaluation."""
        self.rules = {rule.name: rule for rule in rules if question(rule, now_s=0.0) is not None}
        self.health = {name: self.health.get(name, Health()) for name in self.rules}

    def evaluate(self, now_s: float) -> list[Transition]:
        """Evaluate every rule that is due, write down what changed, and return it.

        Raises:
            StoreError: What changed cannot be written; the next evaluation finds it again. The other
                rules were evaluated all the same.
        """
        transitions: list[Transition] = []
        failures: list[Exception] = []
        for rule in self.rules.values():
            found = self._answer(rule, now_s) if self._is_due(rule, now_s) else None
            if found is None:
                continue
            try:
                transitions += self._settle(rule, found, now_s)
            except Exception as error:  # the other rules go on
                if self.health[rule.name].error is None:
                    log.exception("What %s found cannot be told; it is found again.", rule.name)
                self._fail(rule, error)
                failures.append(error)
        transitions += self._forget_strangers(now_s)
        if failures:
            raise failures[0]
        return transitions

    def end(self, is_meant: Callable[[Alert], bool], why: Ended, now_s: float) -> list[Transition]:
        """End alerts for another reason than their rules', and tell those who were told of their beginning.

        Raises:
            StoreError: It cannot be written.
        """
        transitions: list[Transition] = []
        for rule in self.rules.values():
            meant = [one for one in self._alerts.values() if one.rule == rule.name and is_meant(one)]
            over = [Transition(one, "resolved", now_s, why) for one in meant if one.state == "firing"]
            self._write(rule, dict.fromkeys(one.fingerprint for one in meant), over)
            for one in meant:
                del self._alerts[one.fingerprint]
            transitions += over
        return transitions

    def know_again(self) -> None:
        """Take the alerts for what the file says of them now."""
        self._alerts = {alert.fingerprint: alert for alert in self._outbox.alerts()}

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
            if health.error is None:
                log.exception("The rule %s cannot be evaluated; its alerts stay as they are.", rule.name)
            self._fail(rule, error)
            return None
        cut = len(found) >= ALERTS_MAX
        if cut and not health.cut:
            log.warning(
                "The rule %s is broken for %d combinations of labels or more; only so many are seen, and "
                "alerts about others stay as they are. Group by fewer labels, or raise its limit.",
                rule.name,
                ALERTS_MAX,
            )
        health.error, health.evaluated_s, health.cut = None, now_s, cut
        return {fingerprint(rule.name, one.labels): one for one in found}

    def _fail(self, rule: Rule, error: Exception) -> None:
        health = self.health[rule.name]
        health.failures += 1
        health.error = f"{error or type(error).__name__}"

    def _settle(self, rule: Rule, found: Mapping[str, Finding], now_s: float) -> list[Transition]:
        """Write down a rule's new alerts and messages in one transaction, then take them as known."""
        known = {mark: alert for mark, alert in self._alerts.items() if alert.rule == rule.name}
        after: dict[str, Alert | None] = {}
        transitions: list[Transition] = []
        interval_s = max(self._interval_s, rule.every_s)
        # What is not in an answer that was cut may be broken or whole: nobody knows.
        judged = found if self.health[rule.name].cut else (*known, *found)
        for mark in dict.fromkeys(judged):
            before = known.get(mark)
            alert, change = advance(before, found.get(mark), rule, now_s=now_s, interval_s=interval_s)
            after[mark] = alert
            told = alert or before
            if change is not None and told is not None:
                transitions.append(Transition(told, change, now_s))
        transitions = self._explained(rule, transitions, now_s)
        self._write(rule, after, transitions)
        for mark, alert in after.items():
            if alert is None:
                self._alerts.pop(mark, None)
            else:
                self._alerts[mark] = alert
        return transitions

    def _explained(self, rule: Rule, transitions: list[Transition], now_s: float) -> list[Transition]:
        """Return changes with why those alerts ended that did."""
        over = [one.alert for one in transitions if one.change == "resolved"]
        asked = ends.asked(rule, now_s=now_s) if over else None
        if asked is None:
            return transitions
        try:
            why = ends.ended(rule, over, self._ask(asked.sql, asked.params), now_s=now_s)
        except Exception:  # that it ended matters more
            log.exception("Why alerts of %s ended cannot be asked; their end is told without.", rule.name)
            why = {}
        return [
            replace(one, ended=why.get(one.alert.fingerprint, ends.UNASKED))
            if one.change == "resolved"
            else one
            for one in transitions
        ]

    def _write(
        self,
        rule: Rule,
        after: Mapping[str, Alert | None],
        transitions: Sequence[Transition],
        *,
        is_gone: bool = False,
    ) -> None:
        changed = [
            alert for mark, alert in after.items() if alert is not None and alert != self._alerts.get(mark)
        ]
        over = [mark for mark, alert in after.items() if alert is None and mark in self._alerts]
        if not changed and not over:
            return
        messages, dropped = [], 0
        if self._tell is not None:  # Before the transaction: it may ask the store.
            messages = [self._tell(one, rule) for one in transitions]
        said = departed.facts(rule)
        with self._outbox.transaction() as db:
            self._outbox.write(db, changed=changed, over=over)
            for alert in changed:
                self._rise(db, rule, alert)
            for place, one in enumerate(transitions):
                _note(db, rule, one, messages[place].get("top") if messages else None)
            if is_gone:
                departed.forget(db, rule.name)
            elif self._kept.get(rule.name) != said:
                departed.keep(db, rule)
            if messages:
                dropped = self._dispatch(db, messages, transitions[0].at_s)
        if is_gone:
            self._kept.pop(rule.name, None)
        else:
            self._kept[rule.name] = said
        if dropped:
            log.error("%d messages about %s were dropped: too many wait for sinks.", dropped, rule.name)

    def _rise(self, db: sqlite3.Connection, rule: Rule, alert: Alert) -> None:
        """Write down that an alert of the history got worse."""
        before = self._alerts.get(alert.fingerprint)
        told = peak(alert, rule)
        if before is not None and before.state == "firing" and before.peak != alert.peak and told is not None:
            history.rise(db, "mlobs", alert.fingerprint, told)

    def _forget_strangers(self, now_s: float) -> list[Transition]:
        """End alerts of rules that are no more: nobody could say when they are over."""
        strangers: dict[str, list[str]] = {}
        for mark, alert in self._alerts.items():
            if alert.rule not in self.rules:
                strangers.setdefault(alert.rule, []).append(mark)
        transitions = []
        for name, marks in strangers.items():
            alerts = [self._alerts[mark] for mark in marks]
            why = ends.rule_gone(name)
            over = [Transition(one, "resolved", now_s, why) for one in alerts if one.state == "firing"]
            rule = departed.departed(name, self._kept.get(name))
            self._write(rule, dict.fromkeys(marks), over, is_gone=True)
            for mark in marks:
                del self._alerts[mark]
            transitions += over
            log.warning("%d alerts of the rule %s, which is gone, were ended.", len(marks), name)
        return transitions


def _note(db: sqlite3.Connection, rule: Rule, one: Transition, top: Mapping[str, Any] | None) -> None:
    found = one.alert.finding
    history.note(
        db,
        source="mlobs",
        fingerprint=one.alert.fingerprint,
        status=one.change,
        at_s=one.at_s,
        said={
            "rule": rule.name,
            "severity": rule.severity,
            "summary": for_people(rule, rule.summary, found.labels, found.told),
            "labels": {**found.labels, **rule.labels},
            "value": finite(found.told),
            "value_text": number(found.told, rule.indicator.unit),
            "peak": peak(one.alert, rule),
            "since": iso(one.alert.active_s if found.since_s is None else found.since_s),
            "trace_ids": list(found.trace_ids),
            "top": top,
            "end": None if one.ended is None else one.ended.row,
        },
    )

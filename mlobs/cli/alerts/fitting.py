"""Which alerts a silence fits: those that fire, and those that rules could raise."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlobs.alerts.routing.matchers import Matcher, labels_of, matcher
from mlobs.alerts.rules import Rule


def fitting(texts: Sequence[str], alerts: Iterable[Mapping[str, Any]]) -> int:
    """Return how many alerts fit all the matchers of a silence."""
    matchers = [matcher(text) for text in texts]
    return sum(all(one.holds(labels_of(alert)) for one in matchers) for alert in alerts)


def doubt(texts: Sequence[str], alerts: Iterable[Mapping[str, Any]], rules: Sequence[Rule]) -> str:
    """Return a sentence about a silence that seems to fit nothing; "" for one that fits something.

    Args:
        texts: Its matchers.
        alerts: Those that fire or are about to.
        rules: Whose alerts it could fit later.
    """
    matchers = [matcher(text) for text in texts]
    if fitting(texts, alerts) or any(_could_fit(matchers, rule) for rule in rules):
        return ""
    dotted = [one for one in matchers if (spelt := _spelt(one)) != one and _knows(spelt, alerts, rules)]
    if dotted:
        meant = " ".join(str(_spelt(one) if one in dotted else one) for one in matchers)
        return (
            "It fits no alert: labels have no dots, other than the attributes that rules name; did you mean "
            f"{meant}?"
        )
    wrong = [one for one in matchers if not any(_could_fit([one], rule) for rule in rules)]
    why = f"none has {' or '.join(map(str, wrong))}" if wrong else "none has all of these labels"
    return (
        f"It fits no alert that fires now, and none that a rule here could raise: {why}. Look at the labels "
        "on the page of an alert; alerts from elsewhere may still fit."
    )


def _spelt(one: Matcher) -> Matcher:
    """Return a condition on an attribute as one on the label that it becomes."""
    return replace(one, label=one.label.replace(".", "_"))


def _knows(one: Matcher, alerts: Iterable[Mapping[str, Any]], rules: Sequence[Rule]) -> bool:
    """Return whether alerts may have the label of a condition."""
    named = {one.label for rule in rules for one in rule.indicator.by}
    fixed = {label for rule in rules for label in rule.fixed_labels}
    return one.label in named | fixed or any(one.label in labels_of(alert) for alert in alerts)


def _could_fit(matchers: Sequence[Matcher], rule: Rule) -> bool:
    """Return whether an alert of a rule may have such labels; what it is grouped by may have any value."""
    told = {"rule": rule.name, "source": "mlobs", **rule.fixed_labels}
    fixed = labels_of({**told, "labels": rule.fixed_labels})
    open_labels = {attribute.label for attribute in rule.indicator.by}
    return all(one.label in open_labels or one.holds(fixed) for one in matchers)

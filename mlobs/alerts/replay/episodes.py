"""Steps through the times in which a rule was broken, exactly as the evaluator would have.

Pure. Nothing is stepped through that cannot change anything: an alert that waits for the end of its hold,
one that fires while its rule stays broken or keeps firing, and silence without an alert. So the steps are as
many as the times, however long they are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from mlobs.alerts.replay.grid import Grid
from mlobs.alerts.rules import Rule
from mlobs.alerts.states import Alert, Finding, advance

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule was broken for some labels at every moment from `begin` to before `end`.

    Args:
        begin: The number of a moment.
        end: The number of a moment.
        value: The largest that was measured.
    """

    begin: int
    end: int
    value: float


@dataclass(frozen=True, slots=True)
class Episode:
    """An alert that would have fired.

    Args:
        labels: Whom it would have been about.
        active_s: When the rule was first broken.
        firing_s: When it would have begun to fire.
        resolved_s: When it would have been over, or None if it still fired at the end.
        value: The largest that was measured while it was broken.
    """

    labels: Mapping[str, str]
    active_s: float
    firing_s: float
    resolved_s: float | None
    value: float


def episodes(rule: Rule, labels: Labels, times: Iterable[Broken], grid: Grid) -> list[Episode]:
    """Return the alerts of one combination of labels, in order.

    Args:
        rule: The rule.
        labels: By Prometheus label name.
        times: When it was broken; they may overlap.
        grid: The moments.
    """
    alert: Alert | None = None
    found: list[Episode] = []
    largest = 0.0

    def step(number: int, value: float | None) -> None:
        nonlocal alert
        finding = None if value is None else Finding(labels=dict(labels), value=value)
        before, now_s = alert, grid.moment_s(number)
        alert, change = advance(before, finding, rule, now_s=now_s, interval_s=grid.step_s)
        if change == "resolved" and before is not None:
            found.append(_episode(before, now_s, largest))

    merged = _merged(times, grid)
    for one, following in pairwise([*merged, None]):
        assert one is not None
        largest = max(largest, one.value) if alert is not None else one.value
        number = one.begin
        while number < one.end:
            step(number, one.value)
            assert alert is not None
            if alert.state == "firing":  # Until the last moment there is nothing to decide.
                number = max(number + 1, one.end - 1)
            else:  # The moment before the hold is over, so that it was seen lately when it is.
                over = grid.number_at(alert.active_s + rule.hold_s)
                number = max(number + 1, min(over - 1, one.end - 1))
        until = grid.last + 1 if following is None else following.begin
        if one.end < until:
            step(one.end, None)
        if alert is not None and alert.clearing_s is not None:
            over = max(grid.number_at(alert.clearing_s + rule.keep_firing_s), one.end + 1)
            if over < until:
                step(over, None)
    if alert is not None and alert.state == "firing":
        found.append(_episode(alert, None, largest))
    return found


def _episode(alert: Alert, resolved_s: float | None, largest: float) -> Episode:
    firing_s = alert.active_s if alert.firing_s is None else alert.firing_s
    return Episode(alert.finding.labels, alert.active_s, firing_s, resolved_s, largest)


def _merged(times: Iterable[Broken], grid: Grid) -> list[Broken]:
    """Return the times within the grid, in order and apart from each other."""
    found: list[Broken] = []
    for one in sorted(times, key=lambda one: one.begin):
        begin, end = max(one.begin, grid.first), min(one.end, grid.last + 1)
        if begin >= end:
            continue
        if found and begin <= found[-1].end:
            last = found.pop()
            found.append(Broken(last.begin, max(end, last.end), max(one.value, last.value)))
        else:
            found.append(Broken(begin, end, one.value))
    return found

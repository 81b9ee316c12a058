"""Replays rules over stored telemetry: which alerts there would have been, and what each would have shown.

The store is an argument. Most kinds of rule take one question for the whole time; for the others moments
are asked about one by one, and then further apart than the evaluator's.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from mlobs.alerts import clauses as c
from mlobs.alerts.indicators import BurnRate, Growth, Ratio
from mlobs.alerts.replay.episodes import Broken, Episode, Labels, episodes
from mlobs.alerts.replay.grid import Grid, grid
from mlobs.alerts.replay.grouped import ROWS_MAX, grouped
from mlobs.alerts.replay.shapes import windows_s
from mlobs.alerts.rules import Rule
from mlobs.alerts.sql import ALERTS_MAX, Ask, question
from mlobs.alerts.states import Finding, finding
from mlobs.errors import QueryError

SLICE_S = 5 * 86_400  # One question is about so long, so that none takes too long.
MOMENTS_MAX = 1000  # Of a rule whose moments are asked about one by one.
SHOWN_MAX = 20  # Episodes that are looked into, the newest.
WEEK_S = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Shown:
    """An episode and what its alert would have shown.

    Args:
        episode: When, and about whom.
        trace_ids: Examples, the newest last.
        detect_s: From the beginning of the trouble, as far as the store knows it, until the alert.
    """

    episode: Episode
    trace_ids: tuple[str, ...]
    detect_s: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a rule would have done.

    Args:
        rule: The rule.
        from_s: The first moment.
        to_s: The last.
        step_s: From one moment to the next.
        episodes: Every alert, the oldest first.
        shown: The newest of them, with examples.
    """

    rule: Rule
    from_s: float
    to_s: float
    step_s: int
    episodes: tuple[Episode, ...]
    shown: tuple[Shown, ...]

    @property
    def per_week(self) -> float:
        """Return how many alerts there would have been in a week, on average."""
        return len(self.episodes) * WEEK_S / max(self.to_s - self.from_s, 1.0)


def replay(rule: Rule, ask: Ask, *, from_s: float, to_s: float, interval_s: float) -> Replayed:
    """Return what `rule` would have done from one time to another.

    Args:
        rule: One the server can evaluate.
        ask: Answers a query.
        from_s: Seconds since 1970.
        to_s: Seconds since 1970.
        interval_s: How often rules are evaluated.

    Raises:
        QueryError: The store cannot answer, or the rule was broken too often to be told.
    """
    looks_back_s, apart_s = windows_s(rule), looks_every_s(rule, interval_s)
    # What is usual is known in whole windows, so that is how far apart it is asked for.
    often_s = rule.indicator.window_s if isinstance(rule.indicator, Growth) else interval_s
    moments = grid(from_s, to_s, interval_s=often_s, windows_s=looks_back_s)
    if grouped(rule, moments) is None:
        apart_s = max(apart_s, math.ceil((to_s - from_s) / MOMENTS_MAX))
        looks = grid(from_s, to_s, interval_s=apart_s, windows_s=())
        broken = _one_by_one(rule, looks, ask)
    else:
        # Windows are whole numbers of steps, and of the steps only those at which the evaluator looks count.
        stride = max(int(apart_s) // moments.step_s, 1)
        looks, broken = moments.every(stride), {}
        for part in moments.slices(max(SLICE_S, *looks_back_s), max(looks_back_s)):
            _stretches(rule, part, moments, stride, ask, broken)
    found = [one for labels, times in broken.items() for one in episodes(rule, labels, times, looks)]
    found.sort(key=lambda one: one.firing_s)
    return Replayed(
        rule,
        looks.moment_s(looks.first),
        looks.last_s,
        looks.step_s,
        tuple(found),
        tuple(_shown(rule, one, ask) for one in found[-SHOWN_MAX:]),
    )


def looks_every_s(rule: Rule, interval_s: float) -> float:
    """Return how far apart the evaluator's looks at a rule are, if its rounds are so far apart.

    >>> from mlobs.alerts.catalogue import catalogue
    >>> from mlobs.thresholds import Thresholds
    >>> rules = {rule.name: rule for rule in catalogue(Thresholds())}
    >>> [looks_every_s(rules[name], 15) for name in ("MlobsErrorRatioHigh", "MlobsAvailabilityBurn3d")]
    [15, 300]
    """
    return interval_s * max(1, math.ceil((rule.every_s - interval_s / 2) / interval_s))


def _stretches(
    rule: Rule, part: Grid, whole: Grid, stride: int, ask: Ask, found: dict[Labels, list[Broken]]
) -> None:
    """Add when the rule was broken within a part, in numbers of one moment of `stride` of the whole."""
    asked = grouped(rule, part)
    assert asked is not None
    rows = ask(asked.sql, asked.params)
    shift = (part.origin_s - whole.origin_s) // whole.step_s
    if len(rows) >= ROWS_MAX:
        raise QueryError(
            f"{rule.name} was broken {ROWS_MAX} times or more; choose a shorter time or a higher limit."
        )
    for row in rows:
        labels = tuple((one.label, str(row[one.label])) for one in rule.indicator.by)
        value = math.inf if row["value"] is None else float(row["value"])  # JSON has no infinity
        begin, end = (-(-(int(row[name]) + shift) // stride) for name in ("begin", "end"))
        if begin < end:
            found.setdefault(labels, []).append(Broken(begin, end, value))
    if len(found) > ALERTS_MAX:
        raise QueryError(
            f"{rule.name} was broken for more than {ALERTS_MAX} combinations of labels, and the evaluator "
            "sees no more at once; group by fewer labels."
        )


def _one_by_one(rule: Rule, moments: Grid, ask: Ask) -> dict[Labels, list[Broken]]:
    found: dict[Labels, list[Broken]] = {}
    for number in range(moments.first, moments.last + 1):
        for one in _at(rule, moments.moment_s(number), ask):
            labels = tuple(one.labels.items())
            found.setdefault(labels, []).append(Broken(number, number + 1, one.value))
    return found


def _at(rule: Rule, now_s: float, ask: Ask) -> list[Finding]:
    asked = question(rule, now_s=now_s)
    if asked is None:
        raise QueryError(f"{rule.name} can be evaluated by Prometheus only; there is nothing to replay.")
    return [finding(row, rule) for row in ask(asked.sql, asked.params)]


def _shown(rule: Rule, episode: Episode, ask: Ask) -> Shown:
    """Ask once more about the moment an alert began, as the evaluator does."""
    same = [one for one in _at(rule, episode.firing_s, ask) if one.labels == episode.labels]
    began_s = episode.active_s
    for one in same:
        began_s = min(began_s, began_s if one.since_s is None else one.since_s)
    first_bad_s = _first_bad(rule, episode, ask)
    if first_bad_s is not None:
        began_s = min(began_s, first_bad_s)
    value = max((one.value for one in same), default=episode.value)
    return Shown(
        replace(episode, value=max(value, episode.value)),
        tuple(trace for one in same for trace in one.trace_ids),
        episode.firing_s - began_s,
    )


def _first_bad(rule: Rule, episode: Episode, ask: Ask) -> float | None:
    """Return when the first bad call ended that was within the window when the rule was first broken."""
    of = rule.indicator
    if not isinstance(of, Ratio | BurnRate):
        return None
    params: dict[str, Any] = {
        "from_ms": round((episode.active_s - of.window_s) * 1000),
        "now_ms": round(episode.active_s * 1000),
    }
    fixed = "".join(f" AND {one.column} = {{{one.label}:String}}" for one in of.by)
    params |= {one.label: episode.labels[one.label] for one in of.by} | c.given(of.where)
    (row,) = ask(
        f"SELECT countIf({c.bad(of.metric, of.bad)}) AS bad, "
        f"toUnixTimestamp64Milli(minIf({c.ENDED}, {c.bad(of.metric, of.bad)})) / 1000 AS first "
        f"FROM {c.calls(of.metric, 'from_ms', of.where)}{fixed}",
        params,
    )
    return float(row["first"]) if row["bad"] else None

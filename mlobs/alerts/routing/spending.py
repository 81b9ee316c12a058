"""Who is told of an alert or a group now, and what that costs of the route's pages of a week.

Pure: what is remembered is an argument.

    open, ALERT, ROUTE   who was told by a route that an alert fires
    week, ROUTE          when pages were sent in the last seven days
    spent, ROUTE         that none is left; due when one is
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from mlobs.alerts.routing import heard
from mlobs.alerts.routing.config import Route
from mlobs.alerts.routing.matchers import labels_of
from mlobs.alerts.routing.notices import budget_notice
from mlobs.alerts.routing.plans import Planned, Told, alert_mark, pages, receipt
from mlobs.alerts.routing.state import State

WEEK_S = 7 * 86_400.0
CLOCK_S = 5.0  # A moment as far ahead is now, by a clock that is adjusted.
UNHEARD = "it ended, and this sink was not told that it began"


def tell_ends(members: Sequence[Told], row: Mapping[str, Any], state: State, now_s: float) -> list[Planned]:
    """Return the ends of alerts of a group for those who heard of them."""
    messages = heard.told(row, state, now_s, ended=members)
    return [one for sink, message in messages.items() for one in pages([sink], message, now_s)]


def alone(route: Route, message: Told, state: State, now_s: float, not_before_s: float) -> list[Planned]:
    """Return what becomes of an alert that waits for no others."""
    mark = alert_mark(message)
    opened = state.get("open", mark, route.name)
    if message["status"] == "resolved":
        state.drop("open", mark, route.name)
        if opened is None:
            return [receipt(sink, "muted", UNHEARD, message, now_s) for sink in route.sinks]
        return pages(opened["sinks"], message, not_before_s)
    sinks, why, notice = _spend(route, state, now_s)
    told: list[str] = [] if opened is None else opened["sinks"]
    after = {"route": route.name, "sinks": list(dict.fromkeys((*told, *sinks)))}
    state.put("open", mark, route.name, after, due_s=now_s + heard.FORGOTTEN_S)
    told_now = pages(sinks, message, not_before_s, f"demoted: {why}" if why else "")
    return [*told_now, *_demoted(route, message, why, notice, now_s, not_before_s)]


def together(
    route: Route,
    row: Mapping[str, Any],
    begun: Sequence[Told],
    ended: Sequence[Told],
    state: State,
    now_s: float,
) -> list[Planned]:
    """Return what becomes of the alerts of a group that has waited; those that ended cost nothing."""
    if not begun:
        return tell_ends(ended, row, state, now_s)
    sinks, why, notice = _spend(route, state, now_s)
    messages = heard.told(row, state, now_s, begun=begun, sinks=sinks, ended=ended)
    planned = [
        one
        for sink, message in messages.items()
        for one in pages([sink], message, now_s, f"demoted: {why}" if why and sink in sinks else "")
    ]
    return [*planned, *_demoted(route, messages[sinks[0]], why, notice, now_s, now_s)]


def _demoted(
    route: Route, message: Told, why: str, notice: Told | None, now_s: float, not_before_s: float
) -> list[Planned]:
    """Return what the sinks of a route get in place of a message, if its budget is spent."""
    receipts = [receipt(sink, "demoted", why, message, now_s) for sink in route.sinks] if why else []
    return [*receipts, *(pages(route.sinks, notice, not_before_s) if notice is not None else ())]


def _spend(route: Route, state: State, now_s: float) -> tuple[list[str], str, Told | None]:
    """Take a page from the week's budget; return who is told, why others are, and what is said of it."""
    spared, notice = _budget(route, state, now_s)
    if not spared:
        return list(route.sinks), "", None
    why = f"the route {route.name} has spent its {route.pages_per_week} pages of this week"
    return [str(route.demote_to)], why, notice


def _budget(route: Route, state: State, now_s: float) -> tuple[bool, Told | None]:
    """Take one page from the budget; return whether there was none left, and what is to be said of it."""
    if route.pages_per_week is None:
        return False, None
    week = state.get("week", route.name) or {"times": [], "said": False}
    times = lately(week["times"], WEEK_S, now_s)
    if len(times) < route.pages_per_week:
        state.put("week", route.name, "", {"times": [*times, now_s], "said": False})
        return False, None
    state.put("week", route.name, "", {"times": times, "said": True})
    if week["said"]:
        return True, None
    again_s = times[-route.pages_per_week] + WEEK_S
    notice = budget_notice(route, again_s=again_s, now_s=now_s)
    row = {"route": route.name, "sinks": list(route.sinks), "notice": notice}
    state.put("spent", route.name, "", row, due_s=again_s, since_s=now_s)
    return True, notice


def lately(times: Sequence[float], within_s: float, now_s: float) -> list[float]:
    """Return which of some moments count: those that are to come were before the clock was set back."""
    return [one for one in times if now_s - within_s < one <= now_s + CLOCK_S]


def group_of(route: Route, message: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """Return the labels by which a route gathers a message, and the group's fingerprint."""
    labels = labels_of(message)
    by = {label: labels.get(label, "") for label in route.group_by}
    text = json.dumps([route.name, sorted(by.items())], ensure_ascii=True)
    return by, sha256(text.encode()).hexdigest()[:16]

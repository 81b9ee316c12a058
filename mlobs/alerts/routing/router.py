"""Decides who is told of a message, when, and who is spared.

Pure: what is remembered is an argument. A message goes through a route in three steps: damping
(an alert that flaps is told once, then when it is calm), gathering (alerts of a group wait for
each other, and for the end of quiet hours), and spending (a page is taken from the week's budget,
or goes where the route demotes to). Whoever is not told has a receipt that says why.

An end goes to those who were told of the beginning, whatever the budget is by then, and costs
nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from mlobs.alerts.routing.config import Route, named
from mlobs.alerts.routing.matchers import labels_of
from mlobs.alerts.routing.notices import budget_notice, calm_notice, flapping_notice, gathered
from mlobs.alerts.routing.quiet import quiet_until
from mlobs.alerts.routing.state import State

WEEK_S = 7 * 86_400.0
FORGOTTEN_S = 90 * 86_400.0  # An alert whose end nobody ever sent is forgotten.

Told = dict[str, Any]  # A message, "mlobs/1".
Kind = Literal["page", "demoted", "muted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What becomes of a message at one sink.

    Args:
        sink: Whose; "" where no route wanted the message.
        kind: page: it is sent. demoted or muted: it is not, and this is the receipt.
        not_before_s: When it may be sent.
        why: For the receipt.
        group: Which group it is told with, or "".
        message: What is sent, or would have been.
    """

    sink: str
    kind: Kind
    not_before_s: float
    why: str
    group: str
    message: Told


class Router:
    """The routes.

    Args:
        routes: In order.

    Raises:
        ValueError: Two have the same name.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = {route.name: route for route in named(tuple(routes))}

    def matching(self, message: Mapping[str, object]) -> list[Route]:
        """Return the routes that a message takes."""
        labels, found = labels_of(message), []
        for route in self.routes.values():
            if all(condition.holds(labels) for condition in route.match):
                found.append(route)
                if not route.goes_on:
                    break
        return found

    def plan(self, message: Told, state: State, now_s: float) -> tuple[Planned, ...]:
        """Return what becomes of a message now; what waits for its group comes with a later `wake`.

        Args:
            message: One change of an alert's state.
            state: What is remembered; changed.
            now_s: Seconds since 1970.
        """
        routes = self.matching(message)
        if not routes:
            return (_receipt("", "muted", "no route fits its labels", message, now_s),)
        return tuple(one for route in routes for one in self._through(route, message, state, now_s))

    def wake(self, state: State, now_s: float) -> tuple[Planned, ...]:
        """Return what has become due: groups that have waited, alerts that are calm again.

        Args:
            state: What is remembered; changed.
            now_s: Seconds since 1970.
        """
        planned: list[Planned] = []
        for kind, of, key, row in state.due(now_s):
            state.drop(kind, of, key)
            route = self.routes.get(row.get("route", ""))
            if kind == "group":
                planned += self._flush(route, of, row, state, now_s)
            elif kind == "flap" and row["held"] and row["last"] and row["last"]["status"] != row["told"]:
                calm = calm_notice(row["last"])
                planned += (
                    self._gather(route, calm, state, now_s)
                    if route
                    else [_receipt("", "muted", "its route is no more", calm, now_s)]
                )
        return tuple(planned)

    def _through(self, route: Route, message: Told, state: State, now_s: float) -> list[Planned]:
        if not route.sinks:
            why = f"the route {route.name} tells nobody"
            return [_receipt("", "muted", why, message, now_s)]
        if route.flap is not None:
            told = _damp(route, message, state, now_s)
            if told is None:
                why = f"it flaps; told again after {route.flap.calm_s:g} s without a change"
                return [_receipt(sink, "muted", why, message, now_s) for sink in route.sinks]
            message = told
        return self._gather(route, message, state, now_s)

    def _gather(self, route: Route, message: Told, state: State, now_s: float) -> list[Planned]:
        quiet_s = quiet_until(route.quiet, str(message["severity"]), now_s)
        if not route.group_wait_s:
            return _spend(route, message, state, now_s, now_s if quiet_s is None else quiet_s)
        labels = labels_of(message)
        by = {label: labels.get(label, "") for label in route.group_by}
        group, mark = _mark(route.name, by), _alert_mark(message)
        # Held and not held are told apart, or a critical alert would wait for the morning with the rest.
        held = f"{group}/quiet" if quiet_s is not None else group
        due_s = max(now_s + route.group_wait_s, quiet_s or 0.0)
        if state.get("group", held) is None:
            state.put("group", held, "", {"route": route.name, "by": by, "group": group}, due_s=due_s)
        state.put("member", held, mark, message)
        if message["status"] == "firing":
            state.put("active", group, mark, {})
        else:
            state.drop("active", group, mark)
        return []

    def _flush(
        self, route: Route | None, held: str, row: Mapping[str, Any], state: State, now_s: float
    ) -> list[Planned]:
        members = state.rows("member", held)
        state.drop("member", held)
        group = row["group"]
        firing = state.count("active", group)
        if route is None:
            return [_receipt("", "muted", "its route is no more", member, now_s) for member in members]
        if not members:
            return []
        told = gathered(members, by=row["by"], group=group, firing=firing)
        return _spend(route, told, state, now_s, now_s, group=group)


def _damp(route: Route, message: Told, state: State, now_s: float) -> Told | None:
    """Return what is told of a change, or None while the alert flaps."""
    flap, mark = route.flap, _alert_mark(message)
    assert flap is not None
    row = state.get("flap", route.name, mark) or {
        "route": route.name,
        "times": [],
        "held": False,
        "told": "",
        "last": None,
    }
    if row["held"]:
        state.put("flap", route.name, mark, {**row, "last": message}, due_s=now_s + flap.calm_s)
        return None
    times = [one for one in row["times"] if one > now_s - flap.within_s]
    row["times"] = [*times, now_s][-flap.changes :]
    if len(row["times"]) < flap.changes:
        state.put("flap", route.name, mark, row, due_s=now_s + flap.within_s)
        return message
    row |= {"held": True, "told": message["status"], "times": []}
    state.put("flap", route.name, mark, row, due_s=now_s + flap.calm_s)
    return flapping_notice(message, flap)


def _spend(
    route: Route, message: Told, state: State, now_s: float, not_before_s: float, *, group: str = ""
) -> list[Planned]:
    """Return pages, or what is told in their place when the week's budget is spent."""
    mark = group or _alert_mark(message)
    told: list[str] = (state.get("open", route.name, mark) or {"sinks": []})["sinks"]

    def pages(sinks: Sequence[str], why: str) -> list[Planned]:
        return [
            Planned(sink=sink, kind="page", not_before_s=not_before_s, why=why, group=group, message=message)
            for sink in sinks
        ]

    if message["status"] == "resolved":
        state.drop("open", route.name, mark)
        return pages(told or route.sinks, "")
    begins = any(one["status"] == "firing" for one in message.get("alerts", (message,)))
    if not begins:  # Some of a group ended, others go on.
        return pages(told or route.sinks, "")
    spared, notices = _budget(route, state, now_s)
    sinks = [str(route.demote_to)] if spared else list(route.sinks)
    after = {"sinks": list(dict.fromkeys((*told, *sinks)))}
    state.put("open", route.name, mark, after, due_s=now_s + FORGOTTEN_S)
    if not spared:
        return pages(sinks, "")
    why = f"the route {route.name} has spent its {route.pages_per_week} pages of this week"
    receipts = [_receipt(sink, "demoted", why, message, now_s) for sink in route.sinks]
    said = [
        Planned(sink=sink, kind="page", not_before_s=not_before_s, why="", group="", message=notice)
        for notice in notices
        for sink in route.sinks
    ]
    return [*pages(sinks, f"demoted: {why}"), *receipts, *said]


def _budget(route: Route, state: State, now_s: float) -> tuple[bool, list[Told]]:
    """Take one page from the budget; return whether there was none left, and what is to be said of it."""
    if route.pages_per_week is None:
        return False, []
    week = state.get("week", route.name) or {"times": [], "said": False}
    times = [one for one in week["times"] if one > now_s - WEEK_S]
    if len(times) < route.pages_per_week:
        state.put("week", route.name, "", {"times": [*times, now_s], "said": False})
        return False, []
    state.put("week", route.name, "", {"times": times, "said": True})
    if week["said"]:
        return True, []
    return True, [budget_notice(route, again_s=times[0] + WEEK_S, now_s=now_s)]


def _receipt(sink: str, kind: Kind, why: str, message: Told, now_s: float) -> Planned:
    return Planned(sink=sink, kind=kind, not_before_s=now_s, why=why, group="", message=message)


def _alert_mark(message: Mapping[str, Any]) -> str:
    """Return what names an alert among those of every source."""
    return f"{message['source']}:{message['fingerprint']}"


def _mark(route: str, by: Mapping[str, str]) -> str:
    text = json.dumps([route, sorted(by.items())], ensure_ascii=True)
    return sha256(text.encode()).hexdigest()[:16]
